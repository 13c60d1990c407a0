"""Which of several requests for the same thing a measurement belongs to; see ``streams.hedging``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["Lane", "has_lost", "within_lane"]


class Lane:
    """One of the requests; it may be made for another one, beside which there is a further one as well."""

    __slots__ = ("_above", "_has_lost")

    def __init__(self) -> None:
        self._above = _lane.get()
        self._has_lost = False

    @property
    def has_lost(self) -> bool:
        """Whether another one was faster: what comes of this one is used by nobody, and costs all the same."""
        return self._has_lost or (self._above is not None and self._above.has_lost)

    def lose(self) -> None:
        """Note that another one was faster."""
        self._has_lost = True


_lane: ContextVar[Lane | None] = ContextVar("lk_agents_lane", default=None)


@contextmanager
def within_lane(lane: Lane) -> Iterator[None]:
    """Let what begins in the block, tasks and streams, belong to a request."""
    token = _lane.set(lane)
    try:
        yield
    finally:
        _lane.reset(token)


def has_lost() -> bool:
    """Tell whether what runs here belongs to a request that has lost."""
    lane = _lane.get()
    return lane is not None and lane.has_lost
