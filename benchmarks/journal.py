"""What the agents write down, read by the side that measures."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.failure import MeasurementError
from benchmarks.waiting import comes_true

__all__ = ["Entry", "Journal"]


@dataclass(frozen=True)
class Entry:
    """One line: what happened, when (``CLOCK_MONOTONIC``), and in which process."""

    event: str
    at: float
    pid: int
    fields: dict[str, Any]


class Journal:
    """A file to which all processes of one worker append."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()
        self._read = 0
        self._entries: list[Entry] = []

    def of(self, event: str, **fields: Any) -> list[Entry]:
        """Return the entries of that event in which these fields have these values, the oldest first."""
        self._take()
        wanted = fields.items()
        return [entry for entry in self._entries if entry.event == event and wanted <= entry.fields.items()]

    def pids(self, event: str) -> list[int]:
        """Return the processes that wrote such an entry, each once, in the order in which they did."""
        return list(dict.fromkeys(entry.pid for entry in self.of(event)))

    async def until(self, condition: Callable[[], bool], *, what: str, seconds: float) -> None:
        """Wait for a condition that entries make true.

        :raises MeasurementError: it is still false after ``seconds``.
        """
        if not await comes_true(condition, seconds):
            raise MeasurementError(f"not reached in {seconds:g} s: {what}; noted: {self._summary()}")

    def _take(self) -> None:
        with self.path.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            fields = json.loads(line)
            self._entries.append(Entry(fields.pop("event"), fields.pop("at"), fields.pop("pid"), fields))

    def _summary(self) -> str:
        names: Sequence[str] = [entry.event for entry in self._entries]
        return ", ".join(f"{names.count(name)} {name}" for name in dict.fromkeys(names)) or "nothing"
