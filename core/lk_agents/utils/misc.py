"""Small helpers that need no file of their own."""

from __future__ import annotations

from collections import deque
from typing import TypeGuard, TypeVar

from lk_agents.foundation import clock, ids
from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.types import NotGiven, NotGivenOr

__all__ = ["MovingAverage", "is_given", "shortuuid", "time_ms"]

T = TypeVar("T")


def time_ms() -> int:
    """Return the milliseconds since 1970-01-01 UTC, rounded."""
    return round(clock.wall_seconds() * 1000)


def shortuuid(prefix: str = "") -> str:
    """Return ``prefix`` followed by 12 hexadecimal digits that no other call gives."""
    return ids.short_id(prefix)


def is_given(obj: NotGivenOr[T]) -> TypeGuard[T]:
    """Return whether a parameter was given at all; None counts as given."""
    return not isinstance(obj, NotGiven)


class MovingAverage:
    """The mean of the last ``window_size`` samples.

    :raises ConfigError: ``window_size`` is not positive.
    """

    def __init__(self, window_size: int) -> None:
        if window_size < 1:
            raise ConfigError(f"window_size is {window_size!r}; it must be 1 or more")
        self._samples: deque[float] = deque(maxlen=window_size)

    def add_sample(self, sample: float) -> None:
        """Take in one sample; the oldest one beyond the window falls out."""
        self._samples.append(sample)

    def get_avg(self) -> float:
        """Return the mean of the samples in the window, 0 if there are none."""
        return sum(self._samples) / len(self._samples) if self._samples else 0.0

    def size(self) -> int:
        """Return how many samples the window holds at the moment."""
        return len(self._samples)

    def reset(self) -> None:
        """Forget all samples."""
        self._samples.clear()
