"""SIGINT and SIGTERM of a command that owns its process.

The handlers only put the signal into a queue, so nothing is raised inside whatever code happens to run and no
``except`` can swallow the wish to stop. A thread reads the queue: the first signal asks for an orderly end, the
second one for a quick one. It works while the event loop is blocked, and so does the last resort: a forced end that
has not come about in time is made by ending the process.
"""

from __future__ import annotations

import asyncio
import os
import queue
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Final, Self

from lk_agents.foundation import clock
from lk_agents.foundation.log import logger

__all__ = ["FORCED_END_SECONDS", "StopSignals"]

FORCED_END_SECONDS: Final = 4.5
"""A second signal promises an end within 5 s; this leaves half a second for the interpreter's own end."""

_SIGNALS: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name))

Handler = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None


class StopSignals:
    """The signals while a block lasts; afterwards the handlers from before are back.

    ``asked`` and ``forced`` are set on the event loop given to :meth:`attach`; signals that came before are told
    then. Must be entered on the main thread, before ``asyncio.Runner``, which else installs a handler of its own.

    :param last_resort: called on a thread when a forced end does not come about; ends the process by default.
    """

    def __init__(
        self,
        *,
        forced_end_seconds: float = FORCED_END_SECONDS,
        last_resort: Callable[[], None] | None = None,
    ) -> None:
        self.asked = asyncio.Event()
        self.forced = asyncio.Event()
        self._forced_end_seconds = forced_end_seconds
        self._last_resort = last_resort or end_now
        self._seen: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._before: dict[int, Handler] = {}
        self._lock = threading.Lock()  # between the reading thread and attach()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._untold: list[asyncio.Event] = []
        self._thread = threading.Thread(target=self._read, name="lk-agents-signals", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._seen.put(None)
        self._thread.join(1.0)

    def attach(self) -> None:
        """Tell the running event loop from now on."""
        with self._lock:
            self._loop = asyncio.get_running_loop()
            for event in self._untold:
                event.set()
            self._untold.clear()

    def ask(self) -> None:
        """Ask for an orderly end, as a first signal does; call on the loop."""
        self.asked.set()

    def force(self) -> None:
        """Ask for a quick end, as a second signal does; call on the loop."""
        self.asked.set()
        self._seen.put(-1)

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  the signature is Python's
        self._seen.put(number)  # this call may interrupt itself, which SimpleQueue.put allows

    def _read(self) -> None:
        """Thread: tell the loop of each signal; after a forcing one, watch that the end comes."""
        count = 0
        while (number := self._seen.get()) is not None:
            count += 1
            if count == 1 and number > 0:
                self._tell(self.asked)
                continue
            self._tell(self.asked)
            self._tell(self.forced)
            self._await_end()
            return

    def _await_end(self) -> None:
        end = clock.monotonic() + self._forced_end_seconds
        try:
            while self._seen.get(timeout=max(0.0, end - clock.monotonic())) is not None:
                continue  # further signals change nothing
        except queue.Empty:
            self._last_resort()

    def _tell(self, event: asyncio.Event) -> None:
        with self._lock:
            if self._loop is None:
                self._untold.append(event)
                return
            try:
                self._loop.call_soon_threadsafe(event.set)
            except RuntimeError:  # the loop is closed: the end has come
                logger.debug("a signal came after the end of the event loop")


def end_now() -> None:
    """End every process below this one, then this one, with exit code 1; nothing is cleaned up."""
    import psutil

    children: list[psutil.Process] = []
    try:
        children = psutil.Process().children(recursive=True)
    except psutil.Error as error:
        logger.warning("the processes below this one cannot be listed", extra={"error": str(error)})
    for child in children:
        try:
            child.kill()
        except psutil.Error:
            continue  # gone already, which is what was wanted
    os._exit(1)
