"""What the worker has still to tell the server, and what becomes of it when the socket goes.

Three fates: an answer to an offer belongs to the socket that brought the offer and dies with it; the worker's status
is state, the latest counts and is told again on each new socket; a job's status is kept until it has been written.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from lk_agents.foundation.clock import monotonic
from lk_agents.foundation.log import logger

if TYPE_CHECKING:
    from livekit.protocol.agent import WorkerMessage

__all__ = ["CAPACITY", "JOB_CAPACITY", "Outbox", "Outgoing"]

CAPACITY: Final = 128
"""Answers and wishes that may wait; the oldest gives way."""

JOB_CAPACITY: Final = 1024
"""Jobs whose status may wait: all that a machine can run, ending at once. The oldest gives way."""


class Outgoing:
    """One message that waits to be written.

    ``settled`` is called once: when the message was written, or when there is no socket it could be written to.
    Before ``due``, in monotonic seconds, it is not written.
    """

    __slots__ = ("_settled", "due", "message")

    def __init__(self, message: WorkerMessage, settled: Callable[[], None] | None = None, *, due: float = 0.0) -> None:
        self.message = message
        self.due = due
        self._settled = settled

    def settle(self) -> None:
        """Call ``settled``, unless it was called before."""
        settled, self._settled = self._settled, None
        if settled is not None:
            settled()


class Outbox:
    """Holds unwritten messages; the connection's writer is the one who takes them out."""

    def __init__(self) -> None:
        self._for_socket: deque[Outgoing] = deque()
        self._worker_status: Outgoing | None = None
        self._unsaid_status = False
        self._job_status: dict[str, Outgoing] = {}
        self._requests: deque[Outgoing] = deque()
        self._session = 0
        self._open = False
        self._timer: asyncio.TimerHandle | None = None
        self._filled = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def session(self) -> int | None:
        """The number of the socket that is registered now, or None."""
        return self._session if self._open else None

    def open_session(self, first: Iterable[WorkerMessage] = ()) -> int:
        """Begin with a registered socket: ``first`` is written first, then the worker's status, then what was kept."""
        self._session += 1
        self._open = True
        self._for_socket.extend(Outgoing(message) for message in first)
        self._unsaid_status = self._worker_status is not None
        self._note()
        return self._session

    def close_session(self) -> None:
        """End with the socket: what belongs to it is dropped, job statuses are kept for the next one."""
        self._open = False
        self._for_socket.clear()
        for outgoing in self._job_status.values():
            outgoing.settle()
        self._note()

    def put_for_session(self, session: int | None, message: WorkerMessage) -> bool:
        """Queue a message for that very socket; False if it is gone, then nothing is queued."""
        if session is None or session != self.session:
            return False
        self._append(self._for_socket, Outgoing(message))
        return True

    def put_worker_status(self, message: WorkerMessage) -> None:
        """Replace the worker's status."""
        self._worker_status = Outgoing(message)
        self._unsaid_status = True
        self._note()

    def put_job_status(
        self, job_id: str, message: WorkerMessage, settled: Callable[[], None] | None = None, *, due: float = 0.0
    ) -> None:
        """Keep a job's status until it has been written; one of the same job that still waits is replaced.

        :param due: monotonic seconds before which it is not written.
        """
        outgoing = Outgoing(message, settled, due=due)
        if (replaced := self._job_status.pop(job_id, None)) is not None:
            replaced.settle()
        self._job_status[job_id] = outgoing
        if len(self._job_status) > JOB_CAPACITY:
            oldest = next(iter(self._job_status))
            logger.warning("a job's status is dropped: too many wait for the server", extra={"job_id": oldest})
            self._job_status.pop(oldest).settle()
        if not self._open:
            outgoing.settle()
        self._note()

    def put_request(self, message: WorkerMessage) -> None:
        """Queue a message that may be written to any socket."""
        self._append(self._requests, Outgoing(message))

    async def next(self) -> Outgoing:
        """Wait for a message and return it, without taking it out; for one task at a time."""
        while (outgoing := self._head()) is None:
            self._filled.clear()
            await self._filled.wait()
        return outgoing

    def written(self, outgoing: Outgoing) -> None:
        """Take a message out that was written; if it was replaced meanwhile, the new one stays."""
        for waiting in (self._for_socket, self._requests):
            if waiting and waiting[0] is outgoing:
                waiting.popleft()
        if self._worker_status is outgoing:
            self._unsaid_status = False
        for job_id, kept in self._job_status.items():
            if kept is outgoing:
                del self._job_status[job_id]
                break
        outgoing.settle()
        self._note()

    def untold_jobs(self) -> list[str]:
        """Return the jobs, by id, whose status has not been written yet."""
        return sorted(self._job_status)

    async def wait_empty(self) -> None:
        """Return when nothing waits that could be written; at once without a socket."""
        await self._empty.wait()

    def _head(self) -> Outgoing | None:
        if not self._open:
            return None
        if self._for_socket:
            return self._for_socket[0]
        if self._unsaid_status:
            return self._worker_status
        now = monotonic()
        for outgoing in self._job_status.values():
            if outgoing.due <= now:
                return outgoing
        return self._requests[0] if self._requests else None

    def _append(self, waiting: deque[Outgoing], outgoing: Outgoing) -> None:
        if len(waiting) >= CAPACITY:
            dropped = waiting.popleft()
            kind = dropped.message.WhichOneof("message")
            logger.warning("a message is dropped: too many wait for the server", extra={"kind": kind})
        waiting.append(outgoing)
        self._note()

    def _note(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._head() is not None:
            self._empty.clear()
            self._filled.set()
        elif self._open and self._job_status:  # written soon, but not yet
            self._empty.clear()
            delay = min(outgoing.due for outgoing in self._job_status.values()) - monotonic()
            self._timer = asyncio.get_running_loop().call_later(max(delay, 0.0), self._note)
        else:
            self._empty.set()
