"""The clock of the work, and the gate that keeps it in step."""

from __future__ import annotations

import asyncio
import gc
import time
from types import TracebackType
from typing import Final, Self

__all__ = ["CPUTime", "Gate"]

WAKING_SECONDS: Final = 0.5
"""A processor that has rested is half as fast for some tenths of a second, and the threads that numpy's import starts
spin for a while: whoever has just imported something, or little, would be measured on another machine than the rest."""


class CPUTime:
    """Measures the CPU time that the whole process takes while the block lasts, all threads together.

    Before it begins the processor is kept busy for half a second.
    """

    seconds = 0.0

    def __enter__(self) -> Self:
        gc.collect()
        _keep_busy(WAKING_SECONDS)
        self._began = time.process_time()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = time.process_time() - self._began


def _keep_busy(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        sum(range(1000))


class Gate:
    """Lets the next audio in when the last has gone all the way: none piles up, and none is worked off in batches."""

    def __init__(self) -> None:
        self._missing = 0
        self._passed: asyncio.Future[None] | None = None

    def expect(self, count: int) -> asyncio.Future[None]:
        """Return what is done when that many have arrived."""
        self._missing = count
        self._passed = asyncio.get_running_loop().create_future()
        return self._passed

    def arrive(self) -> None:
        """Say that one has arrived."""
        self._missing -= 1
        if not self._missing and self._passed is not None and not self._passed.done():
            self._passed.set_result(None)
