"""The worker that the watcher of ``dev`` starts: a fresh interpreter with the same command, and a channel to it."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from lk_agents.cli.reload_protocol import Force, FromWorker, Hello, Resume, Stop, decode_from_worker
from lk_agents.foundation.errors import ProtocolError
from lk_agents.foundation.log import logger
from lk_agents.ipc.channel import StreamChannel
from lk_agents.job.spec import JobSpec

__all__ = ["NO_CHANNEL", "WorkerProcess", "describe_exit"]

NO_CHANNEL: Final = -1
"""Number of the descriptor where none can be passed on (Windows): jobs are not carried over there."""

_LOADING_STOP_SECONDS: Final = 5.0
_FORCED_STOP_SECONDS: Final = 3.5
_LAST_WORDS_SECONDS: Final = 1.0
"""How long the channel of an ended worker may be held open by a process that inherited it."""


class WorkerProcess:
    """One worker process. Use :meth:`start`; every started one must be waited for by :meth:`wait` or :meth:`stop`.

    :param on_message: called on the loop with each message of the worker.
    """

    def __init__(self, on_message: Callable[[FromWorker], None]) -> None:
        self._on_message = on_message
        self._process_or_none: asyncio.subprocess.Process | None = None
        self._channel: StreamChannel[FromWorker] | None = None
        self._channel_ended = asyncio.Event()
        self._stop_seconds: float | None = None
        """How long a stop may take; None until the user's file has been loaded."""

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        environment: Mapping[str, str],
        on_message: Callable[[FromWorker], None],
    ) -> WorkerProcess:
        """Start ``command`` with the number of its end of the channel as the last argument."""
        worker = cls(on_message)
        if sys.platform.startswith("win"):
            worker._process_or_none = await asyncio.create_subprocess_exec(*command, str(NO_CHANNEL), env=environment)
            return worker
        ours, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            try:
                worker._process_or_none = await asyncio.create_subprocess_exec(
                    *command, str(number), env=environment, pass_fds=(number,)
                )
            except BaseException:
                ours.close()
                raise
        ours.setblocking(False)
        worker._channel = StreamChannel(decode_from_worker, worker._heard, worker._ended)
        await worker._channel.open(ours)
        return worker

    @property
    def _process(self) -> asyncio.subprocess.Process:
        assert self._process_or_none is not None, "start() gives it a process"
        return self._process_or_none

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def resume(self, jobs: Sequence[JobSpec], reload_count: int) -> None:
        """Hand over the jobs that ran before the restart."""
        self._send(Resume(jobs=list(jobs), reload_count=reload_count))

    async def wait(self) -> int:
        """Wait for the end and return the exit code, minus the signal's number where one ended it.

        What the worker said last has been heard then.
        """
        code = await self._process.wait()
        if self._channel is not None:
            try:
                async with asyncio.timeout(_LAST_WORDS_SECONDS):
                    await self._channel_ended.wait()
            except TimeoutError:
                logger.debug("the channel of the ended worker is still open", extra={"worker_pid": self.pid})
            self._channel.close()
        return code

    async def stop(self, reason: str, forced: asyncio.Event) -> int:
        """Have it end, jobs with their full time, and return its exit code; once ``forced`` is set, within seconds."""
        waiting = asyncio.create_task(self.wait(), name="worker-process-end")
        hurry = asyncio.create_task(forced.wait(), name="worker-process-forced")
        try:
            await asyncio.wait({waiting, hurry}, timeout=self._ask_to_end(reason), return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done() and hurry.done():
                self._send(Force())
                await asyncio.wait({waiting}, timeout=_FORCED_STOP_SECONDS)
            if not waiting.done():
                logger.warning("the worker did not end in time and is killed", extra={"worker_pid": self.pid})
                self._signal(self._process.kill)
            return await waiting
        finally:
            hurry.cancel()
            waiting.cancel()

    def let_go(self) -> None:
        """Close the channel; a worker that still runs takes that as the wish to stop. Idempotent."""
        if self._channel is not None:
            self._channel.close()

    def _ask_to_end(self, reason: str) -> float:
        """Ask in the way that fits; return the seconds that it may take."""
        if self._channel is None or self._stop_seconds is None:  # still loading the user's file: nothing to end
            self._signal(self._process.terminate)
            return _LOADING_STOP_SECONDS
        self._send(Stop(reason=reason))
        return self._stop_seconds

    def _send(self, message: Resume | Stop | Force) -> None:
        if self._channel is not None:
            self._channel.send(message)

    def _heard(self, message: FromWorker) -> None:
        if isinstance(message, Hello):
            self._stop_seconds = message.stop_seconds
        self._on_message(message)

    def _ended(self, error: ProtocolError | None) -> None:
        self._channel_ended.set()
        if error is not None:
            logger.error("the worker broke the rules of its channel", extra={"error": str(error)})

    def _signal(self, send: Callable[[], None]) -> None:
        try:
            send()
        except ProcessLookupError:
            logger.debug("the worker had ended already", extra={"worker_pid": self.pid})


def describe_exit(code: int) -> str:
    """Return an exit code in words."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"
