"""What the server itself says of workers and jobs: its log, line by line, awaited instead of polled."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.e2e.journal import SOON

COMPONENTS = ("livekit", "livekit.agents", "livekit.room", "livekit.api")


@dataclass(frozen=True)
class Line:
    """One line: what happened, and the fields."""

    message: str
    fields: dict[str, Any]


class ServerLog:
    """The log of one server; lines come from a thread of the server's, tests of any loop await them."""

    def __init__(self) -> None:
        self._lines: list[Line] = []
        self._lock = threading.Lock()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def note(self, text: str) -> None:
        """Take a line of the server."""
        parts = text.rstrip("\n").split("\t")
        if len(parts) < 5 or parts[2] not in COMPONENTS:
            return
        try:
            fields = json.loads(parts[5]) if len(parts) > 5 else {}
        except ValueError:
            fields = {"text": parts[5]}
        with self._lock:
            self._lines.append(Line(parts[4], fields))
            for loop, event in self._waiting:
                loop.call_soon_threadsafe(event.set)

    def of(self, message: str, **fields: Any) -> list[Line]:
        """Return the lines of that message in which these fields have these values."""
        with self._lock:
            found = [line for line in self._lines if line.message == message]
        return [line for line in found if all(line.fields.get(name) == value for name, value in fields.items())]

    async def until(self, condition: Callable[[], bool], seconds: float = SOON) -> None:
        """Wait for a condition that lines make true."""
        waiting = (asyncio.get_running_loop(), event := asyncio.Event())
        with self._lock:
            self._waiting.add(waiting)
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    event.clear()
                    if not condition():
                        await event.wait()
        except TimeoutError:
            with self._lock:
                told = "\n".join(str(line) for line in self._lines[-40:])
            raise AssertionError(f"not in {seconds:g} s; the server wrote:\n{told}") from None
        finally:
            with self._lock:
                self._waiting.discard(waiting)

    async def one(self, message: str, *, seconds: float = SOON, **fields: Any) -> Line:
        """Wait for a line of that message and return the first."""
        await self.until(lambda: bool(self.of(message, **fields)), seconds)
        return self.of(message, **fields)[0]

    async def ended(self, job_id: str, seconds: float = SOON) -> tuple[str, str]:
        """Wait until the server notes the job's end; return status and error. It notes one end only."""
        line = await self.one("job ended", jobID=job_id, seconds=seconds)
        assert len(self.of("job ended", jobID=job_id)) == 1
        return line.fields["status"], line.fields["error"]
