"""The worker's words to the server and the server's to the worker; builds and reads messages, touches nothing.

One protobuf message stands in one binary frame. The server closes the socket at anything it does not know, and
may itself send what we do not know: that is skipped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

from google.protobuf.message import DecodeError
from livekit.protocol import agent, models

from lk_agents.foundation.errors import ProtocolError
from lk_agents.foundation.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lk_agents.job.spec import AcceptArguments
    from lk_agents.worker.options import WorkerOptions

__all__ = [
    "agent_url",
    "availability",
    "job_status",
    "migrate",
    "parse",
    "ping",
    "register",
    "simulate",
    "worker_status",
]

_WEBSOCKET_SCHEMES: Final = {"http": "ws", "https": "wss"}


def agent_url(url: str) -> str:
    """Return the address of the worker's websocket below ``url``, whose base path is kept."""
    parts = urlsplit(url)
    scheme = _WEBSOCKET_SCHEMES.get(parts.scheme, parts.scheme)
    return urlunsplit((scheme, parts.netloc, f"{parts.path.rstrip('/')}/agent", "", ""))


def register(options: WorkerOptions) -> agent.WorkerMessage:
    """Return the first message of a connection."""
    may = options.permissions
    permissions = models.ParticipantPermission(
        can_publish=may.can_publish,
        can_subscribe=may.can_subscribe,
        can_publish_data=may.can_publish_data,
        can_update_metadata=may.can_update_metadata,
        can_publish_sources=may.can_publish_sources,  # type: ignore[arg-type]  # numbers of an open enum
        hidden=may.hidden,
        agent=True,
    )
    return agent.WorkerMessage(
        register=agent.RegisterWorkerRequest(
            type=options.worker_type.value,  # type: ignore[arg-type]  # numbers of an open enum
            allowed_permissions=permissions,
            agent_name=options.agent_name,
            version=__version__,
        )
    )


def availability(job_id: str, accept: AcceptArguments | None) -> agent.WorkerMessage:
    """Return the answer to an offer: yes with ``accept``, no without."""
    answer = agent.AvailabilityResponse(job_id=job_id, available=accept is not None)
    if accept is not None:
        answer.participant_identity = accept.identity
        answer.participant_name = accept.name
        answer.participant_metadata = accept.metadata
        answer.participant_attributes.update(accept.attributes)
    return agent.WorkerMessage(availability=answer)


def worker_status(*, full: bool, load: float, job_count: int, draining: bool = False) -> agent.WorkerMessage:
    """Return the worker's state; the load always goes with it, because the server takes a missing one for 0."""
    status = agent.WorkerStatus.WS_FULL if full else agent.WorkerStatus.WS_AVAILABLE
    return agent.WorkerMessage(
        update_worker=agent.UpdateWorkerStatus(status=status, load=load, job_count=job_count, draining=draining)
    )


def job_status(job_id: str, status: agent.JobStatus, error: str = "") -> agent.WorkerMessage:
    """Return the state of one job."""
    return agent.WorkerMessage(update_job=agent.UpdateJobStatus(job_id=job_id, status=status, error=error))


def migrate(job_ids: Iterable[str]) -> agent.WorkerMessage:
    """Return the list of jobs that go on here although the socket is a new one."""
    return agent.WorkerMessage(migrate_job=agent.MigrateJobRequest(job_ids=list(job_ids)))


def simulate(room: models.Room, participant: models.ParticipantInfo | None = None) -> agent.WorkerMessage:
    """Return the wish for a job of our own; ``room`` is required, the server breaks without it."""
    request = agent.SimulateJobRequest(room=room)
    if participant is not None:
        request.participant.CopyFrom(participant)
    return agent.WorkerMessage(simulate_job=request)


def ping(timestamp_ms: int) -> agent.WorkerMessage:
    """Return a question that the server answers at once."""
    return agent.WorkerMessage(ping=agent.WorkerPing(timestamp=timestamp_ms))


def parse(frame: bytes) -> agent.ServerMessage:
    """Read one frame; a kind of message that we do not know comes back with no field set.

    :raises ProtocolError: the frame is no ServerMessage.
    """
    try:
        return agent.ServerMessage.FromString(frame)
    except DecodeError as error:
        raise ProtocolError(f"the server sent {len(frame)} bytes that are no ServerMessage: {error}") from error
