"""Reads what an agent has recorded, for ``plot``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lk_agents.foundation.errors import ConfigError
from lk_agents.voice.records import TurnRecord

__all__ = ["PlotData", "read_recording"]

EVENTS = {
    "user_started_speaking": ("user", True),
    "user_stopped_speaking": ("user", False),
    "agent_started_speaking": ("agent", True),
    "agent_stopped_speaking": ("agent", False),
}
"""Whose speech begins (True) or ends."""


@dataclass
class PlotData:
    """What there is to be drawn; all moments are seconds since the beginning of the recording.

    :param session: names the conversation; empty if nobody says.
    :param turns: each with the moment from which its stages count; None where nobody knows.
    :param speech: by who, from when until when.
    :param series: by name, such as ``"vad"``, moments and values.
    """

    session: str = ""
    turns: list[tuple[float | None, TurnRecord]] = field(default_factory=list)
    speech: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: {"user": [], "agent": []})
    series: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: {"vad": [], "volume": []})
    _open: dict[str, float] = field(default_factory=dict)

    @property
    def has_timeline(self) -> bool:
        """Whether there is more than the turns alone."""
        return any(self.speech.values()) or any(self.series.values())

    def take(self, line: dict[str, Any]) -> None:
        """Take one line.

        :raises ValueError: a turn lacks something, or a number is none.
        """
        at = float(line.get("at", 0.0))
        if "recording" in line:
            self.session = str(line.get("session", ""))
        elif "outcome" in line:  # a bare record
            self.turns.append((None, TurnRecord.from_dict(line)))
        elif "turn" in line:
            record = TurnRecord.from_dict(line["turn"])
            self.turns.append((None if record.ended is None else at - record.ended, record))
        elif line.get("event") in EVENTS:
            self._take_event(at, *EVENTS[line["event"]])
        for name, points in self.series.items():
            if name in line:
                points.append((at, float(line[name])))

    def end(self, at: float) -> None:
        """Close what nobody has closed."""
        for who, since in self._open.items():
            self.speech[who].append((since, max(at, since)))
        self._open.clear()

    def _take_event(self, at: float, who: str, begins: bool) -> None:
        if begins:
            self._open.setdefault(who, at)
        elif who in self._open:
            self.speech[who].append((self._open.pop(who), at))


def read_recording(path: Path) -> PlotData:
    """Read a file of an agent's recording, or of records of turns, one JSON object a line.

    A last line that was not written to its end is left out.

    :raises ConfigError: the file cannot be read, a line is something else, or there is nothing to be drawn.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    data = PlotData()
    latest = 0.0
    for number, line in _objects(path, lines):
        try:
            data.take(line)
            latest = max(latest, float(line.get("at", 0.0)))
        except (ValueError, TypeError, AttributeError) as error:
            raise ConfigError(f"{path}, line {number}, is no line of a recording: {error}") from error
    data.end(latest)
    if not data.turns and not data.has_timeline:
        raise ConfigError(f"{path} holds nothing to be drawn; record a conversation with plotting=True")
    return data


def _objects(path: Path, lines: list[str]) -> Iterable[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError as error:
            if number == len(lines) > 1:
                return
            raise ConfigError(f"{path}, line {number}, is no JSON: {error}; give a file of recorded turns") from error
        if not isinstance(found, dict):
            raise ConfigError(f"{path}, line {number}, is no JSON object; give a file of recorded turns")
        yield number, found
