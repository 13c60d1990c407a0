"""The supervisor's one queue, and the translation of what children say into events of the machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from lk_agents.foundation.clock import monotonic
from lk_agents.foundation.log import logger
from lk_agents.ipc import records as m
from lk_agents.ipc.child_logs import emit_line
from lk_agents.ipc.counts import PoolCounts
from lk_agents.ipc.entries import Entry
from lk_agents.ipc.inference_desk import InferenceDesk
from lk_agents.ipc.launch import describe_exit
from lk_agents.ipc.messages import (
    Beat,
    FromChild,
    InferenceAnswer,
    InferenceAsk,
    JobEnded,
    JobEnding,
    JobStarted,
    LogLine,
    Mark,
    Measured,
    PermitAsk,
    PermitBack,
    Phase,
    Ready,
    StartFailed,
)
from lk_agents.ipc.permits import PermitDesk

__all__ = ["Inbox"]

Item = tuple[int, m.Event] | Callable[[], None]


class Inbox:
    """Implements ``LauncherSink``: everything ends up in one queue, stamped with the time it came.

    Log lines are re-emitted at once, what was measured is counted, permits and inference requests go to their desks:
    they change no executor.
    """

    def __init__(
        self, entries: Mapping[int, Entry], permits: PermitDesk, desk: InferenceDesk, counts: PoolCounts
    ) -> None:
        self._counts = counts
        self._entries = entries
        self._permits = permits
        self._desk = desk
        self._queue: asyncio.Queue[Item] = asyncio.Queue()

    async def take(self) -> Item:
        """Return the next item."""
        return await self._queue.get()

    def post(self, executor_id: int, event: m.Event) -> None:
        """Queue an event of one executor."""
        self._queue.put_nowait((executor_id, event))

    def post_call(self, call: Callable[[], None]) -> None:
        """Queue something that the supervisor's task is to do."""
        self._queue.put_nowait(call)

    def post_change(self) -> None:
        """Have the pool look at what it wants once more."""
        self._queue.put_nowait(_nothing)

    # --- LauncherSink
    def message(self, executor_id: int, message: FromChild) -> None:
        """See ``ExecutorSink``."""
        entry = self._entries.get(executor_id)
        if entry is None:
            return
        match message:
            case LogLine():
                emit_line(message, entry.log_fields())
            case PermitAsk():
                self._permits.ask(executor_id)
            case PermitBack():
                self._permits.give_back(executor_id)
            case InferenceAsk():
                self._desk.ask(message, entry.handle.send, owner=executor_id)
            case InferenceAnswer():
                self._desk.answered(message)
            case Mark(mark=mark):
                if entry.job is not None:
                    self._counts.marked(entry.job, entry.job.mark(mark.name, mark.at))
            case Measured():
                self._counts.measured(message)
            case _:
                self._post_translated(entry, message)

    def channel_lost(self, executor_id: int, error: str) -> None:
        """See ``ExecutorSink``."""
        self.post(executor_id, m.ChannelLost(at=monotonic(), error=error))

    def exited(self, executor_id: int, code: int | None, how: str) -> None:
        """See ``ExecutorSink``."""
        entry = self._entries.get(executor_id)
        if entry is not None and code is not None:
            how = describe_exit(code, entry.executor.pss_mb)
        self.post(executor_id, m.Exited(at=monotonic(), how=how, code=code))

    def not_started(self, executor_id: int, why: str) -> None:
        """See ``LauncherSink``."""
        self.post(executor_id, m.Exited(at=monotonic(), how=why, code=None, excused=True))

    def launcher_changed(self) -> None:
        """See ``LauncherSink``."""
        self.post_change()

    def launcher_lost(self) -> None:
        """See ``LauncherSink``."""
        self._counts.zygote_lost()

    def _post_translated(self, entry: Entry, message: FromChild) -> None:
        now = monotonic()
        event: m.Event
        match message:
            case Beat():
                event = _beat(message, now)
                if message.dropped_logs:
                    logger.warning("log lines were lost", extra={**entry.log_fields(), "lost": message.dropped_logs})
            case Phase(name=name):
                event = m.Progressed(at=now, name=name)
            case Ready():
                event = m.BecameReady(at=now)
            case StartFailed(phase=phase, error=error):
                event = m.StartFailure(at=now, error=f"{phase}: {error}")
                logger.error(
                    "a process could not start",
                    extra={**entry.log_fields(), "phase": phase, "error": error, "traceback": message.traceback},
                )
            case JobStarted():
                event = m.JobBegan(at=now)
            case JobEnding():
                event = m.JobEndBegan(at=now)
            case JobEnded(outcome=outcome):
                event = m.JobDone(at=now, outcome=outcome)
            case _:
                raise AssertionError(f"{message!r} is no message of a child")
        self.post(entry.executor_id, event)


def _beat(beat: Beat, now: float) -> m.BeatHeard:
    return m.BeatHeard(
        at=now,
        cpu_seconds=beat.cpu_seconds,
        bytes_read=beat.bytes_read,
        lag_seconds=beat.lag_seconds,
        pss_mb=beat.pss_kb / 1024 if beat.pss_kb >= 0 else None,
    )


def _nothing() -> None:
    """Do nothing: the pool looks at what it wants after every item."""
