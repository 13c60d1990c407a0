"""From the server's question to a running process: ask, answer, await the assignment, hand the job over.

Every question gets one answer, in time: the server asks the next worker after a refusal, but leaves the room without
an agent after a silence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from lk_agents.foundation.clock import wall_seconds
from lk_agents.foundation.errors import AlreadyAnsweredError, AssignmentTimeoutError, PoolError, WorkerClosedError
from lk_agents.foundation.log import logger
from lk_agents.job.request import JobAcceptArguments, JobRequest
from lk_agents.job.spec import AcceptArguments, Credentials, JobSpec
from lk_agents.worker import protocol
from lk_agents.worker.admission import Admission, Slot

if TYPE_CHECKING:
    from livekit.protocol import agent

    from lk_agents.hooks.records import Reject
    from lk_agents.ipc.pool import JobPool
    from lk_agents.worker.config import WorkerConfig
    from lk_agents.worker.outbox import Outbox
    from lk_agents.worker.reports import JobReports

__all__ = ["ASSIGNMENT_TIMEOUT", "DispatchLimits", "Dispatcher"]

ASSIGNMENT_TIMEOUT: Final = 7.5

ATTRIBUTE_AGENT_NAME: Final = "lk.agent.name"
"""Participant attribute that clients look for; the server adds one of its own, ``lk.agent_name``."""


@dataclass(frozen=True, kw_only=True)
class DispatchLimits:
    """Deadlines after the answer, in seconds.

    :param assignment: from yes to the assignment; the server sends it at once or never.
    :param launch: from the assignment to a process that has the job; covers a cold start with prewarm.
    :param cancel: what ``request_fnc`` may still take when it is cancelled because the worker closes.
    """

    assignment: float = ASSIGNMENT_TIMEOUT
    launch: float = 60.0
    cancel: float = 2.0


class _Offer:
    """One question of the server, from asking to the hand-over."""

    def __init__(self, job: agent.Job, session: int, *, deadline: float, log_fields: Mapping[str, object]) -> None:
        self.job = job
        self.log_fields = log_fields
        self.session = session
        self.deadline = deadline
        self.offered_at = wall_seconds()
        self.accepted_at = 0.0
        self.answer: str | None = None
        self.asking: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.assignment: asyncio.Future[agent.JobAssignment] = asyncio.get_running_loop().create_future()


class Dispatcher:
    """Owns the offers that are not yet handed over.

    :param filter_request: asks the plugins; a refusal ends the question.
    :param worker_id: gives the id under which the server knows this worker now.
    """

    def __init__(
        self,
        config: WorkerConfig,
        *,
        admission: Admission,
        outbox: Outbox,
        reports: JobReports,
        pool: JobPool,
        filter_request: Callable[[JobRequest], Awaitable[Reject | None]],
        worker_id: Callable[[], str],
        limits: DispatchLimits | None = None,
    ) -> None:
        self._config = config
        self._admission = admission
        self._outbox = outbox
        self._reports = reports
        self._pool = pool
        self._filter_request = filter_request
        self._worker_id = worker_id
        self._limits = limits or DispatchLimits()
        self._offers: dict[str, _Offer] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # --- what the server says ------------------------------------------------------------------------

    def offered(self, request: agent.AvailabilityRequest, session: int) -> None:
        """Reserve a slot and ask filters and user, or refuse at once; the answer goes to that session's socket."""
        job = request.job
        fields = {
            "job_id": job.id,
            "dispatch_id": job.dispatch_id,
            "room_name": job.room.name,
            "agent_name": job.agent_name,
            "resuming": request.resuming,
        }
        reason = self._admission.reserve(job.id)
        if reason is not None:
            self._reports.answered(accepted=False)
            logger.info("a job is refused", extra=fields | {"reason": reason})
            self._outbox.put_for_session(session, protocol.availability(job.id, None))
            return
        logger.debug("a job is offered", extra=fields)
        loop = asyncio.get_running_loop()
        seconds = self._config.options.request_timeout
        offer = self._offers[job.id] = _Offer(job, session, deadline=loop.time() + seconds, log_fields=fields)
        offer.timer = loop.call_at(offer.deadline, self._deadline_passed, offer)
        offer.asking = self._start(self._ask(offer), name=f"job_request_{job.id}")

    def assigned(self, assignment: agent.JobAssignment) -> None:
        """Let the job that was accepted begin; one that nobody waits for is reported as failed."""
        job_id = assignment.job.id
        offer = self._offers.get(job_id)
        if offer is not None and offer.answer == "accepted":
            if not offer.assignment.done():
                offer.assignment.set_result(assignment)
        elif self._reports.owes(job_id):
            logger.warning("a job was assigned twice; the second time is skipped", extra={"job_id": job_id})
        else:
            # Silence would leave it running in the server's book-keeping, with nobody in the room.
            logger.warning("a job was assigned that nobody waits for", extra={"job_id": job_id})
            self._reports.begin(job_id)
            self._reports.fail(job_id, "the assignment came when the worker no longer waited for it")

    def disconnected(self) -> None:
        """Give up what was answered on that socket: its assignment cannot come any more."""
        for offer in self._offers.values():
            if offer.answer == "accepted" and not offer.assignment.done():
                error = AssignmentTimeoutError(f"the connection was lost before job {offer.job.id!r} was assigned")
                offer.assignment.set_exception(error)

    # --- asking --------------------------------------------------------------------------------------

    async def _ask(self, offer: _Offer) -> None:
        request = JobRequest(
            job=offer.job,
            on_reject=lambda: self._reject(offer),
            on_accept=lambda arguments: self._accept(offer, arguments),
        )
        try:
            refusal = await self._filter_request(request)
            if refusal is not None:
                self._refuse(offer, refusal.reason)
            else:
                await self._config.options.request_fnc(request)
        except (PoolError, AssignmentTimeoutError) as error:  # what accept() raises, and has told already
            logger.debug("accept() failed", extra={"job_id": offer.job.id, "error": str(error)})
        except Exception:  # noqa: BLE001  logged; the user's error must not reach the server's other questions
            logger.exception("the answer to a job failed", extra={"job_id": offer.job.id, "answer": offer.answer})
        if offer.answer is None:
            logger.warning("request_fnc ended without an answer: the job is refused", extra={"job_id": offer.job.id})
            self._refuse(offer, "request_fnc gave no answer")

    def _deadline_passed(self, offer: _Offer) -> None:
        if offer.answer is None:
            self._refuse_late(offer)
            if offer.asking is not None:
                offer.asking.cancel()

    def _refuse_late(self, offer: _Offer) -> None:
        seconds = self._config.options.request_timeout
        logger.warning(
            "request_fnc took too long: the job is refused",
            extra={"job_id": offer.job.id, "request_timeout": seconds},
        )
        self._refuse(offer, f"no answer within {seconds:g} s")

    # --- answering -----------------------------------------------------------------------------------

    def _refuse(self, offer: _Offer, reason: str) -> None:
        self._reports.answered(accepted=False)
        logger.info("a job is refused", extra={**offer.log_fields, "reason": reason})
        self._resolve(offer, "rejected")
        self._forget(offer)
        self._outbox.put_for_session(offer.session, protocol.availability(offer.job.id, None))

    def _resolve(self, offer: _Offer, answer: str) -> None:
        if offer.answer is not None:
            raise AlreadyAnsweredError(
                f"job request {offer.job.id!r} was {offer.answer} before and cannot be {answer} now: answer it once, "
                f"within {self._config.options.request_timeout:g} s"
            )
        offer.answer = answer
        if offer.timer is not None:
            offer.timer.cancel()

    async def _reject(self, offer: _Offer) -> None:
        self._refuse_once(offer, "request_fnc rejected it")

    def _refuse_once(self, offer: _Offer, reason: str) -> None:
        if offer.answer is not None:
            self._resolve(offer, "rejected")  # raises
        self._refuse(offer, reason)

    async def _accept(self, offer: _Offer, arguments: JobAcceptArguments) -> None:
        if offer.answer is None:
            self._check_still_wanted(offer)
        self._resolve(offer, "accepted")
        self._reports.answered(accepted=True)
        self._admission.hold(offer.job.id, Slot.ACCEPTED)
        offer.accepted_at = wall_seconds()
        attributes = dict(arguments.attributes or {})
        if self._config.options.agent_name:
            attributes.setdefault(ATTRIBUTE_AGENT_NAME, self._config.options.agent_name)
        accept = AcceptArguments(
            name=arguments.name, identity=arguments.identity, metadata=arguments.metadata, attributes=attributes
        )
        told = self._outbox.put_for_session(offer.session, protocol.availability(offer.job.id, accept))
        launching = self._start(self._launch(offer, accept, told=told), name=f"job_launch_{offer.job.id}")
        # Shielded: once the server has heard yes, a handler that is cancelled must not take the job with it.
        await asyncio.shield(launching)

    def _check_still_wanted(self, offer: _Offer) -> None:
        """Refuse, and raise, where a yes would come too late or during a drain."""
        if asyncio.get_running_loop().time() > offer.deadline:  # the loop was blocked, the timer is yet to run
            self._refuse_late(offer)
        elif self._admission.draining:
            self._refuse(offer, "the worker is draining")
            raise WorkerClosedError(f"job {offer.job.id!r} was refused instead of accepted: the worker is draining")

    # --- after the yes -------------------------------------------------------------------------------

    async def _launch(self, offer: _Offer, accept: AcceptArguments, *, told: bool) -> None:
        logger.info("a job is accepted", extra=offer.log_fields)  # only now, when the answer is on its way
        try:
            assignment = await self._assignment_of(offer, told=told)
        except BaseException:
            self._give_up(offer)
            raise
        self._offers.pop(offer.job.id, None)
        spec = JobSpec(
            job_id=offer.job.id,
            job=offer.job.SerializeToString(),
            url=assignment.url or self._config.url,
            token=assignment.token,
            worker_id=self._worker_id(),
            accept=accept,
            offered_at=offer.offered_at,
            accepted_at=offer.accepted_at,
            assigned_at=wall_seconds(),
        )
        await self.launch(spec)

    async def _assignment_of(self, offer: _Offer, *, told: bool) -> agent.JobAssignment:
        job_id = offer.job.id
        if not told:
            raise AssignmentTimeoutError(f"the connection was lost before job {job_id!r} was accepted")
        try:
            async with asyncio.timeout(self._limits.assignment):
                return await offer.assignment
        except TimeoutError as error:
            if _has_result(offer.assignment):  # it came in the moment of the deadline
                return offer.assignment.result()
            logger.warning("an accepted job was not assigned in time", extra={"job_id": job_id})
            raise AssignmentTimeoutError(
                f"the server sent no assignment for job {job_id!r} within {self._limits.assignment:g} s"
            ) from error

    def _give_up(self, offer: _Offer) -> None:
        """Free the slot of a job that was accepted but will not be launched."""
        self._forget(offer)
        if _has_result(offer.assignment):
            self._reports.begin(offer.job.id)
            self._reports.fail(offer.job.id, "the worker was closed before a process had the job")

    async def launch(self, spec: JobSpec) -> None:
        """Hand a job to the pool; returns when a process has it. A failure is reported to the server and raised.

        Cancelled, the job is withdrawn and reported as failed.

        :raises PoolError: no process could be had.
        """
        self._reports.begin(spec.job_id)
        self._admission.hold(spec.job_id, Slot.ACCEPTED)
        try:
            await self._pool.submit(self._with_credentials(spec), deadline_seconds=self._limits.launch)
        except asyncio.CancelledError:
            self._reports.fail(spec.job_id, "the worker was closed before a process had the job")
            raise
        except PoolError as error:
            logger.error("a job could not be started", extra={"job_id": spec.job_id, "cause": str(error)})
            self._reports.fail(spec.job_id, str(error))
            raise

    def _with_credentials(self, spec: JobSpec) -> JobSpec:
        config = self._config
        wanted = config.options.job_credentials
        sent = Credentials(api_key=config.api_key, api_secret=config.api_secret)
        given = sent if config.credentials_in_code and wanted == "inherit" else None
        return msgspec.structs.replace(spec, job_credentials=wanted, credentials=given)

    def _forget(self, offer: _Offer) -> None:
        self._offers.pop(offer.job.id, None)
        self._admission.release(offer.job.id)

    # --- tasks ---------------------------------------------------------------------------------------

    def _start(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # seen by whoever awaited accept(); logged where it happened

    def refuse_open(self, reason: str) -> None:
        """Refuse every question that is not answered yet, so that the server asks somebody else at once."""
        for offer in list(self._offers.values()):
            if offer.answer is None:
                self._refuse(offer, reason)
                if offer.asking is not None:
                    offer.asking.cancel()

    async def aclose(self) -> None:
        """End all tasks, within seconds; jobs that no process has yet are reported as failed."""
        self.refuse_open("the worker is closing")
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            _, stubborn = await asyncio.wait(self._tasks, timeout=self._limits.cancel)
            for task in stubborn:
                logger.error("a task ignores its cancellation and is given up", extra={"task": task.get_name()})


def _has_result(future: asyncio.Future[Any]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None
