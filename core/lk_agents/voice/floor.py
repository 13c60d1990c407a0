"""Who speaks next: the speeches that wait, in their order. Pure: no clock, nothing waits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from lk_agents.voice.signals import SpeechKind

__all__ = ["Entry", "Floor", "Phase"]


class Phase(StrEnum):
    """How far a speech in line has come."""

    PREPARING = "preparing"
    READY = "ready"
    """Its first audio is there, or it is known that it has none."""
    PLAYING = "playing"
    PAUSED = "paused"
    SILENT = "silent"
    """Its audio is over; it may still have functions to call and an answer to give."""


@dataclass(slots=True)
class Entry:
    """A speech in line.

    :param speech: its id.
    :param audible: whether it has audio, as far as is known.
    :param since: from when on what the user says may interrupt it; None for ever.
    :param is_open: something may still be added under it.
    :param superseded: nobody waits any more for what its functions say.
    :param is_stopping: it was told to end, and its audio is not over yet.
    """

    speech: str
    kind: SpeechKind
    interruptible: bool
    phase: Phase = Phase.PREPARING
    audible: bool = True
    since: float | None = None
    is_open: bool = True
    superseded: bool = False
    is_stopping: bool = False
    before: list[Entry] = field(default_factory=list)
    """What goes before its audio."""
    children: list[Entry] = field(default_factory=list)
    """What comes behind its audio, before everything else."""

    @property
    def is_active(self) -> bool:
        """Whether it has the floor with its own audio."""
        return self.phase in (Phase.PLAYING, Phase.PAUSED)

    @property
    def is_unheard(self) -> bool:
        """Whether it waits for its audio, or for the floor."""
        return self.phase in (Phase.PREPARING, Phase.READY)

    def walk(self) -> Iterator[Entry]:
        """Give it and all under it, in the order in which they are heard."""
        for each in self.before:
            yield from each.walk()
        yield self
        for each in self.children:
            yield from each.walk()


class Floor:
    """The line of speeches. One has the floor; a speech under another one goes before those behind that one."""

    def __init__(self) -> None:
        self._line: list[Entry] = []
        self._entries: dict[str, Entry] = {}

    def __iter__(self) -> Iterator[Entry]:
        for root in self._line:
            yield from root.walk()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, speech: str) -> Entry | None:
        """Return a speech in line or held; None once it has left."""
        return self._entries.get(speech)

    @property
    def active(self) -> Entry | None:
        """The speech that is being heard, or paused."""
        return next((entry for entry in self if entry.is_active), None)

    def hold(self, entry: Entry) -> None:
        """Know a speech that is not in line yet; what belongs to it can be put under it already."""
        self._entries[entry.speech] = entry

    def enter(self, entry: Entry) -> None:
        """Put a held speech at the end of the line, with all under it."""
        self._line.append(entry)

    def take_out(self, entry: Entry) -> None:
        """Take a speech out of line and hold it; what is being heard under it keeps the floor."""
        heard = next((each for each in entry.walk() if each.is_active), None)
        self._unlink(entry)
        if heard is not None:
            self._unlink(heard)
            self._line.insert(0, heard)

    def add(self, entry: Entry, *, parent: str | None = None, first: bool = False) -> None:
        """Put a speech in line: at its end, or under one that is there."""
        above = None if parent is None else self._entries.get(parent)
        if above is None:
            self._line.append(entry)
        elif first and above.is_unheard:
            above.before.append(entry)
        else:
            above.children.append(entry)
        self._entries[entry.speech] = entry

    def remove(self, speech: str) -> list[Entry]:
        """Forget a speech with all under it but what is being heard; returns them."""
        entry = self._entries.get(speech)
        if entry is None:
            return []
        self.take_out(entry)
        gone = list(entry.walk())
        for each in gone:
            del self._entries[each.speech]
        return gone

    def next(self) -> Entry | None:
        """Return who may be heard now; None if nobody has audio yet, or somebody is being heard."""
        for root in self._line:
            candidate = self._candidate(root)
            if candidate is not None:
                return candidate if candidate.phase is Phase.READY else None
            if not self._is_over(root):
                return None
        return None

    def sweep(self) -> None:
        """Let those leave the line that are over with all under them."""
        while self._line and self._is_over(self._line[0]):
            self.remove(self._line[0].speech)

    def _candidate(self, entry: Entry) -> Entry | None:
        """Return the first in a branch that is not silent."""
        for each in entry.before:
            if (found := self._candidate(each)) is not None:
                return found
        if entry.phase is not Phase.SILENT:
            return entry
        for each in entry.children:
            if (found := self._candidate(each)) is not None:
                return found
        return None

    def _is_over(self, entry: Entry) -> bool:
        own = entry.phase is Phase.SILENT and (not entry.is_open or entry.superseded)
        return own and all(self._is_over(each) for each in (*entry.before, *entry.children))

    def _unlink(self, entry: Entry) -> None:
        for siblings in self._places():
            for i, each in enumerate(siblings):
                if each is entry:
                    del siblings[i]
                    return

    def _places(self) -> Iterator[list[Entry]]:
        yield self._line
        for entry in self._entries.values():
            yield entry.before
            yield entry.children
