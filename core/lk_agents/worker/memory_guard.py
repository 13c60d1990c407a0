"""Ends the largest job before the kernel ends all of them: the soft memory limit of a container."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

__all__ = ["MemoryGuard"]

LIMIT_SHARE: Final = 0.95
"""Above the share at which the worker says that it is full, so that no new job is ended for an old one."""


class MemoryGuard:
    """Has a job ended when memory is short; build it on the worker's loop.

    :param relieve: asked on the loop to end one job, with the reason; at every look while memory is short.
    """

    def __init__(self, relieve: Callable[[str], None]) -> None:
        self._relieve = relieve
        self._loop = asyncio.get_running_loop()

    def looked(self, share: float) -> None:
        """Take the used share of the memory limit; from any thread."""
        if share < LIMIT_SHARE:
            return
        try:
            self._loop.call_soon_threadsafe(self._relieve, f"{share:.0%} of the container's memory is in use")
        except RuntimeError:  # the loop has just been closed: there is no job any more
            return
