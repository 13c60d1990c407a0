"""Who rehearses when: the process that gets the next job, as soon as that has been clear for a moment."""

from __future__ import annotations

import asyncio
from typing import Final

from lk_agents.ipc.entries import Entry
from lk_agents.ipc.messages import Rehearse

__all__ = ["Rehearsals"]

REHEARSE_AFTER_SECONDS: Final = 0.25
"""So long it has been clear which process gets the next job when that one rehearses: in a burst there is no time."""


class Rehearsals:
    """Tells one process at a time to rehearse, each once."""

    def __init__(self) -> None:
        self._next: Entry | None = None
        self._timer: asyncio.TimerHandle | None = None

    def next_is(self, entry: Entry | None) -> None:
        """Note which process gets the next job; None if there is none, or no job is taken any more."""
        if entry is self._next:
            return
        self._next = entry
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if entry is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(REHEARSE_AFTER_SECONDS, entry.handle.send, Rehearse())
