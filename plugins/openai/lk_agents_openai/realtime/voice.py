"""What the user has said lately on one connection: where that is lost, another one can be given it."""

from __future__ import annotations

from collections import deque
from typing import Final

from lk_agents_openai.realtime.api_proto import SAMPLE_RATE

__all__ = ["Voice"]

KEPT_SECONDS: Final = 30.0
SILENT_SECONDS: Final = 2.0
"""So much is kept while nobody speaks: the server notices later that somebody does."""
BYTES_PER_SECOND: Final = 2 * SAMPLE_RATE


class Voice:
    """Keeps the end of the audio that one connection was given. Positions are seconds of that audio.

    :param finds_turns: whether the server tells when somebody speaks; otherwise anything may be speech.
    """

    def __init__(self, *, finds_turns: bool) -> None:
        self._finds_turns = finds_turns
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._given = 0
        self._committed_at = 0.0
        self._commits: deque[tuple[float, float]] = deque()
        self._starts: dict[str, float] = {}
        self._ends: dict[str, float] = {}

    @property
    def seconds(self) -> float:
        """How much audio there was so far."""
        return self._given / BYTES_PER_SECOND

    @property
    def uncommitted_seconds(self) -> float:
        """How much of it is no item yet, as far as is known here."""
        return self.seconds - self._committed_at

    def push(self, samples: bytes) -> None:
        """Add audio: mono, 16 bit, 24 kHz."""
        self._pieces.append(samples)
        self._given += len(samples)
        self._held += len(samples)
        speaks = not self._finds_turns or self._starts.keys() - self._ends.keys()
        most = (KEPT_SECONDS if speaks else SILENT_SECONDS) * BYTES_PER_SECOND
        while self._held > most:
            self._held -= len(self._pieces.popleft())

    def started(self, item_id: str, at: float | None) -> None:
        """The user begins to say what will be that item."""
        self._starts[item_id] = self.seconds if at is None else at

    def stopped(self, item_id: str, at: float | None) -> None:
        """The user has said it."""
        self._ends[item_id] = self.seconds if at is None else at

    def commit(self) -> None:
        """The program ends the user's turn here."""
        self._commits.append((self._committed_at, self.seconds))
        self._committed_at = self.seconds

    def commit_refused(self) -> None:
        """The server has found nothing to end."""
        if self._commits:
            self._commits.popleft()

    def clear(self) -> None:
        """What is no item yet is forgotten by the server."""
        self._committed_at = self.seconds

    def of(self, item_id: str) -> bytes:
        """Return what the user says in an item, as far as it is still there; it is asked for once."""
        start, end = self._commits.popleft() if self._commits else (self._committed_at, self.seconds)
        self._committed_at = max(self._committed_at, end)
        start, end = self._starts.pop(item_id, start), self._ends.pop(item_id, end)
        first = (self._given - self._held) / BYTES_PER_SECOND
        held = b"".join(self._pieces)
        return held[_bytes(start - first) : _bytes(end - first)]


def _bytes(seconds: float) -> int:
    return 2 * max(round(seconds * SAMPLE_RATE), 0)
