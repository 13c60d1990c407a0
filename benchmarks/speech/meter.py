"""The clock of the work, and the gate that keeps it in step."""

from __future__ import annotations

import asyncio
import gc
import time
from types import TracebackType
from typing import Self

__all__ = ["CPUTime", "Gate"]


class CPUTime:
    """Measures the CPU time that the whole process takes while the block lasts, all threads together."""

    seconds = 0.0

    def __enter__(self) -> Self:
        gc.collect()
        self._began = time.process_time()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = time.process_time() - self._began


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
