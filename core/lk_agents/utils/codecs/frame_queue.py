"""Frames on their way from a thread to the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from livekit import rtc

__all__ = ["FrameQueue"]


class FrameQueue:
    """Holds frames that a thread makes until a task takes them; a thread that is too far ahead waits.

    :param max_seconds: how much audio lies ready at most, not counting the last frame.
    """

    def __init__(self, max_seconds: float) -> None:
        self._max_seconds = max_seconds
        self._changed = threading.Condition()
        self._frames: deque[rtc.AudioFrame] = deque()
        self._seconds = 0.0
        self._ended = False
        self._error: Exception | None = None
        self._traceback: TracebackType | None = None
        self._closed = False
        self._waiters: list[asyncio.Future[None]] = []

    def put(self, frame: rtc.AudioFrame) -> bool:
        """Add a frame; blocks while there is too much. For the thread.

        :returns: False when nobody wants any more frames.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._seconds < self._max_seconds)
            if self._closed:
                return False
            self._frames.append(frame)
            self._seconds += frame.duration
            self._wake()
            return True

    def end(self, error: Exception | None = None) -> None:
        """Tell that no frame follows, and why if that is an error. From any thread."""
        with self._changed:
            if not self._ended:
                self._ended = True
                self._error = error
                self._traceback = None if error is None else error.__traceback__
                self._wake()

    def close(self) -> None:
        """Drop the frames and want no more: a waiting thread goes on, and readers see the end. From any thread."""
        with self._changed:
            self._closed = True
            self._frames.clear()
            self._changed.notify_all()
            self._wake()

    async def get(self) -> rtc.AudioFrame:
        """Return the next frame; waits for one. Cancelled, it takes none.

        :raises StopAsyncIteration: there is no more.
        """
        while True:
            with self._changed:
                if self._closed:
                    raise StopAsyncIteration
                if self._frames:
                    return self._take()
                if self._ended:
                    if self._error is not None:
                        raise self._error.with_traceback(self._traceback)
                    raise StopAsyncIteration
                waiter = asyncio.get_running_loop().create_future()
                self._waiters.append(waiter)
            await waiter

    def _take(self) -> rtc.AudioFrame:
        frame = self._frames.popleft()
        self._seconds = self._seconds - frame.duration if self._frames else 0.0  # 0.0: no rounding adds up
        self._changed.notify()
        return frame

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            try:
                waiter.get_loop().call_soon_threadsafe(_finish, waiter)
            except RuntimeError:  # the loop has been closed, and who waited is gone
                self._closed = True


def _finish(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
