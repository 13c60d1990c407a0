"""The ends of jobs, as the server notes them in its log."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import NamedTuple

from tests.e2e.journal import SOON


class End(NamedTuple):
    """One end that the server noted of a job."""

    status: str
    error: str


class Ends:
    """All ends, by job; lines come from a thread of the server's.

    ``tests.e2e.server_log`` keeps every line and looks through all of them each time, too much for so many jobs.
    """

    def __init__(self) -> None:
        self._ends: dict[str, list[End]] = {}
        self._waiting: dict[str, tuple[asyncio.AbstractEventLoop, asyncio.Event]] = {}
        self._lock = threading.Lock()

    def note(self, text: str) -> None:
        """Take a line of the server."""
        parts = text.rstrip("\n").split("\t")
        if len(parts) < 6 or parts[4] != "job ended":
            return
        fields = json.loads(parts[5])
        job: str = fields["jobID"]
        with self._lock:
            self._ends.setdefault(job, []).append(End(fields["status"], fields["error"]))
            if job in self._waiting:
                loop, event = self._waiting[job]
                loop.call_soon_threadsafe(event.set)

    def of(self, job: str) -> list[End]:
        """Return what was noted of the job."""
        with self._lock:
            return list(self._ends.get(job, ()))

    async def wait(self, job: str) -> None:
        """Wait until an end of the job is noted."""
        event = asyncio.Event()
        with self._lock:
            self._waiting[job] = (asyncio.get_running_loop(), event)
        try:
            async with asyncio.timeout(SOON):
                if not self.of(job):
                    await event.wait()
        except TimeoutError:
            raise AssertionError(f"the server noted no end of {job} in {SOON:g} s") from None
        finally:
            with self._lock:
                del self._waiting[job]
