"""The question whether to take a job, its answer, and the job as the process gets it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from lk_agents.foundation.errors import AlreadyAnsweredError
from lk_agents.job.spec import AcceptArguments, Credentials, JobSpec

if TYPE_CHECKING:
    from livekit.protocol.agent import Job
    from livekit.protocol.models import ParticipantInfo, Room

__all__ = ["JobAcceptArguments", "JobRequest", "RunningJobInfo"]


@dataclass
class JobAcceptArguments:
    """How the agent presents itself in the room.

    :param name: display name.
    :param identity: identity in the room; two participants of one identity throw each other out.
    :param metadata: free text for the other participants.
    :param attributes: participant attributes, or None for none.
    """

    name: str
    identity: str
    metadata: str
    attributes: dict[str, str] | None = None


@dataclass
class RunningJobInfo:
    """One job as its process gets it.

    ``url`` and ``token`` let the agent join the room. The three times are wall-clock seconds, 0.0 where unknown.

    :param fake_job: the job was simulated, the server knows nothing of it.
    :param credentials: server credentials that were given in code, for ``ctx.api``.
    :param job_credentials: ``"none"`` keeps ``ctx.api`` from using any.
    """

    accept_arguments: JobAcceptArguments
    job: Job
    url: str
    token: str = field(repr=False)
    worker_id: str = ""
    fake_job: bool = False
    credentials: Credentials | None = None
    job_credentials: Literal["inherit", "none"] = "inherit"
    offered_at: float = 0.0
    accepted_at: float = 0.0
    assigned_at: float = 0.0

    @classmethod
    def from_spec(cls, spec: JobSpec) -> RunningJobInfo:
        """Rebuild the job from the record that crossed the process boundary.

        :raises google.protobuf.message.DecodeError: ``spec.job`` is not a serialised job.
        """
        from livekit.protocol.agent import Job

        accept = spec.accept
        return cls(
            accept_arguments=JobAcceptArguments(
                name=accept.name,
                identity=accept.identity,
                metadata=accept.metadata,
                attributes=dict(accept.attributes) or None,
            ),
            job=Job.FromString(spec.job),
            url=spec.url,
            token=spec.token,
            worker_id=spec.worker_id,
            fake_job=spec.fake_job,
            credentials=spec.credentials,
            job_credentials=spec.job_credentials,
            offered_at=spec.offered_at,
            accepted_at=spec.accepted_at,
            assigned_at=spec.assigned_at,
        )

    def to_spec(self) -> JobSpec:
        """Return the record that crosses the process boundary."""
        accept = self.accept_arguments
        return JobSpec(
            job_id=self.job.id,
            job=self.job.SerializeToString(),
            url=self.url,
            token=self.token,
            worker_id=self.worker_id,
            accept=AcceptArguments(
                name=accept.name,
                identity=accept.identity,
                metadata=accept.metadata,
                attributes=dict(accept.attributes or {}),
            ),
            fake_job=self.fake_job,
            credentials=self.credentials,
            job_credentials=self.job_credentials,
            offered_at=self.offered_at,
            accepted_at=self.accepted_at,
            assigned_at=self.assigned_at,
        )


class JobRequest:
    """The server's question whether this worker takes a job; answer it once with :meth:`accept` or :meth:`reject`.

    :param job: the job that is offered.
    :param on_reject: carries a refusal to the server.
    :param on_accept: carries an acceptance to the server, and returns when the job has been given to a process.
    """

    def __init__(
        self,
        *,
        job: Job,
        on_reject: Callable[[], Awaitable[None]],
        on_accept: Callable[[JobAcceptArguments], Awaitable[None]],
    ) -> None:
        self._job = job
        self._on_reject = on_reject
        self._on_accept = on_accept
        self._answer: Literal["accepted", "rejected"] | None = None

    @property
    def id(self) -> str:
        """The job's id."""
        return self._job.id

    @property
    def job(self) -> Job:
        """The job that is offered."""
        return self._job

    @property
    def room(self) -> Room:
        """The room of the job, as the server saw it when it asked."""
        return self._job.room

    @property
    def publisher(self) -> ParticipantInfo:
        """The participant that the job is about; an empty message if it is about a whole room."""
        return self._job.participant

    @property
    def agent_name(self) -> str:
        """The name that the job was dispatched to; empty for automatic dispatch."""
        return self._job.agent_name

    @property
    def answered(self) -> bool:
        """Whether the request has been accepted or rejected."""
        return self._answer is not None

    async def accept(
        self,
        *,
        name: str = "",
        identity: str = "",
        metadata: str = "",
        attributes: dict[str, str] | None = None,
    ) -> None:
        """Take the job; returns when a process has been given it.

        :param name: display name of the agent.
        :param identity: its identity in the room; ``agent-`` and the job's id if empty.
        :param metadata: free text for the other participants.
        :param attributes: participant attributes.
        :raises AlreadyAnsweredError: the request was answered before.
        :raises AssignmentTimeoutError: the server sent no assignment in time.
        """
        self._note_answer("accepted")
        await self._on_accept(
            JobAcceptArguments(
                name=name, identity=identity or f"agent-{self.id}", metadata=metadata, attributes=attributes
            )
        )

    async def reject(self) -> None:
        """Refuse the job, so that the server asks the next worker.

        :raises AlreadyAnsweredError: the request was answered before.
        """
        self._note_answer("rejected")
        await self._on_reject()

    def _note_answer(self, answer: Literal["accepted", "rejected"]) -> None:
        if self._answer is not None:
            raise AlreadyAnsweredError(
                f"job request {self.id!r} was {self._answer} before and cannot be {answer} now: answer it once"
            )
        self._answer = answer
