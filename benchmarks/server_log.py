"""What the server itself writes down of workers and jobs."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["JobEnd", "ServerLog"]

MESSAGE, FIELDS = 4, 5
REGISTERED: Final = "worker registered"
ENDED: Final = "job ended"


@dataclass(frozen=True)
class JobEnd:
    """How a job ended, as the server has it: a status of its own, and an error."""

    status: str
    error: str

    def __str__(self) -> str:
        return f"{self.status}, {self.error!r}" if self.error else f"{self.status} without a word"


class ServerLog:
    """Takes the lines of one server. They may come from any thread."""

    def __init__(self) -> None:
        self._registered: dict[str, float] = {}
        self._ends: dict[str, JobEnd] = {}

    def note(self, line: str) -> None:
        """Take a line; most are of no interest."""
        parts = line.rstrip("\n").split("\t")
        if len(parts) <= FIELDS or parts[MESSAGE] not in {REGISTERED, ENDED}:
            return
        fields: dict[str, Any] = json.loads(parts[FIELDS])
        if parts[MESSAGE] == REGISTERED:
            self._registered.setdefault(fields["agentName"], time.monotonic())
        else:
            self._ends.setdefault(fields["jobID"], JobEnd(fields["status"], fields["error"]))

    def registered(self, agent: str) -> float | None:
        """Return when the first worker of that agent name was noted."""
        return self._registered.get(agent)

    def end(self, job: str) -> JobEnd | None:
        """Return how the job ended, None if it has not. Only the first end counts for the server."""
        return self._ends.get(job)
