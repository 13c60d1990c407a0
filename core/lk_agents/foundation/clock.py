"""Time, from one place, so that a test can own it.

Core code asks here and never the modules ``time`` and ``datetime`` (a lint enforces it). A task that runs under
:func:`use_clock` sees that clock, and so do the tasks it starts; threads of their own see the system's.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

__all__ = ["Clock", "SystemClock", "monotonic", "sleep_blocking", "use_clock", "wall_seconds"]


class Clock(Protocol):
    """A source of time."""

    def monotonic(self) -> float:
        """Return seconds that never go back, from an arbitrary zero."""

    def wall_seconds(self) -> float:
        """Return seconds since 1970-01-01 UTC."""


class SystemClock:
    """The machine's clocks."""

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()

    def wall_seconds(self) -> float:
        """Return the machine's seconds since 1970-01-01 UTC."""
        return time.time()


_current: ContextVar[Clock] = ContextVar("lk_agents_clock", default=SystemClock())  # noqa: B039  stateless


def monotonic() -> float:
    """Return seconds that never go back; only differences mean something."""
    return _current.get().monotonic()


def wall_seconds() -> float:
    """Return seconds since 1970-01-01 UTC."""
    return _current.get().wall_seconds()


def sleep_blocking(seconds: float) -> None:
    """Block the calling thread; never for use on an event loop."""
    time.sleep(seconds)


@contextmanager
def use_clock(clock: Clock) -> Iterator[None]:
    """Make ``clock`` the source of time for this context."""
    token = _current.set(clock)
    try:
        yield
    finally:
        _current.reset(token)
