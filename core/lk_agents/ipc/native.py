"""Keeps the memory of native code, most of it the media SDK's, in proportion to one job."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from typing import Final

from lk_agents.foundation.settings import missing_variables

__all__ = ["give_back_memory", "limit_heaps"]

_HEAPS: Final = "MALLOC_ARENA_MAX"
_HEAPS_OF_A_JOB: Final = 2
_M_ARENA_MAX: Final = -8  # mallopt(3) of the GNU C library; others have no such call, or ignore what they do not know


def limit_heaps() -> None:
    """Let the threads of this process share two heaps: the C library gives them up to eight per core of the machine."""
    if missing_variables([_HEAPS]):
        with suppress(AttributeError, OSError, TypeError):
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _HEAPS_OF_A_JOB)


def give_back_memory() -> None:
    """Return to the system what native code has freed (measured: 0.1 to 0.3 ms); callable from any thread."""
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
