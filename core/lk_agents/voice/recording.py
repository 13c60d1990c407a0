"""Writes down what happens in a conversation, for ``lk-agents plot``: one JSON object a line, nothing that was said.

=================================  =================================================================================
``{"recording": 1, …}``            the first line: ``session``, and ``timestamp``, the wall clock at the beginning
``{"at": s, "event": name}``       somebody started or stopped speaking
``{"at": s, "vad": p}``            how probable it is that the user speaks, 0 to 1, at most ten times a second
``{"at": s, "turn": record}``      a turn has ended; ``record`` is :meth:`TurnRecord.to_dict`
``{"at": s, "dropped": count}``    so many lines are missing here, because writing took too long
=================================  =================================================================================

``at`` is in seconds since the beginning.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation import clock
from lk_agents.foundation.log import logger
from lk_agents.foundation.recordings import recording_name

if TYPE_CHECKING:
    from lk_agents.voice.records import TurnRecord

__all__ = ["Recording", "recording_path"]

FORMAT: Final = 1
WRITE_SECONDS: Final = 1.0
"""Lines are written together, so often; what is lost with the process is no more."""
SERIES_SECONDS: Final = 0.1
MAX_LINES: Final = 10_000
CLOSE_SECONDS: Final = 5.0
_ROUNDING_SECONDS: Final = 1e-6


def recording_path(plotting: bool | str | Path, session: str) -> Path | None:
    """Return where an agent records: the path that it was given, a file in the current folder for True, else None."""
    if plotting is True:
        return Path(recording_name(session))
    return Path(plotting) if plotting else None


class Recording:
    """Records one conversation; build it in a running event loop. An older file of the same name is replaced.

    Nothing is written on the event loop: lines are gathered, and a thread appends them once a second. Between two times
    the file is closed, so it is closed whatever ends the program. If it cannot be written, this is logged once and
    nothing more is recorded; the conversation never notices.

    :param path: the file.
    :param session: names the conversation.
    """

    def __init__(self, path: Path, *, session: str) -> None:
        self._path = path
        self._began_at = clock.monotonic()
        self._lines: list[str] = []
        self._dropped = 0
        self._latest_vad_at = float("-inf")
        self._writing: asyncio.Task[None] | None = None
        self._begun = False
        self._closed = False
        self._hurry = asyncio.Event()
        self._add({"recording": FORMAT, "session": session, "timestamp": clock.wall_seconds()})

    def event(self, name: str) -> None:
        """Somebody started or stopped speaking; ``name`` is the agent's event, such as ``"user_started_speaking"``."""
        self._note(event=name)

    def vad(self, probability: float) -> None:
        """Note how probable it is that the user speaks; what comes within a tenth of a second is left out."""
        now = clock.monotonic()
        if now - self._latest_vad_at >= SERIES_SECONDS - _ROUNDING_SECONDS:
            self._latest_vad_at = now
            self._note(vad=round(probability, 3))

    def turn(self, record: TurnRecord) -> None:
        """A turn has just ended."""
        self._note(turn=record.to_dict())

    async def aclose(self) -> None:
        """Write what is left and record nothing more; any number of times. Takes 5 s at most.

        Cancelled, it stops waiting; what is being written is written by its thread.
        """
        if not self._closed:
            self._closed = True
            self._tell_of_gap()
        self._hurry.set()
        if self._writing is None:
            return
        done, _ = await asyncio.wait([self._writing], timeout=CLOSE_SECONDS)
        if not done:
            logger.warning("a recording could not be written to its end", extra={"seconds": CLOSE_SECONDS})
            self._writing.cancel()

    # --- writing -----------------------------------------------------------------------------------------------------

    def _note(self, **told: Any) -> None:
        if self._closed:
            return
        if len(self._lines) >= MAX_LINES:
            self._dropped += 1
            return
        self._tell_of_gap()
        self._add({"at": self._at(), **told})

    def _tell_of_gap(self) -> None:
        if self._dropped:
            self._dropped, dropped = 0, self._dropped
            self._add({"at": self._at(), "dropped": dropped})

    def _at(self) -> float:
        return round(clock.monotonic() - self._began_at, 4)

    def _add(self, line: dict[str, Any]) -> None:
        self._lines.append(json.dumps(line, ensure_ascii=False))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write_all(), name="lk-recording")

    async def _write_all(self) -> None:
        """Write until there is nothing to be written for the moment."""
        while self._lines:
            try:
                async with asyncio.timeout(WRITE_SECONDS):
                    await self._hurry.wait()
            except TimeoutError:
                pass  # it is time
            lines, self._lines = self._lines, []
            try:
                await asyncio.to_thread(self._write, "".join(f"{line}\n" for line in lines))
            except OSError:
                self._closed = True
                self._lines.clear()
                logger.exception("a recording cannot be written; nothing more is recorded")

    def _write(self, text: str) -> None:
        with self._path.open("a" if self._begun else "w", encoding="utf-8") as file:
            file.write(text)
        self._begun = True
