"""What is still to be spoken, sentence by sentence; it outlives those who speak."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lk_agents.tts.sentences import SegmentEnd

if TYPE_CHECKING:
    from lk_agents.tts.sentences import SentenceCutter

__all__ = ["Script", "ScriptSegment", "Sentence"]

AHEAD_SENTENCES: Final = 2
"""The sentence that is spoken and the one after it, which its speaker may begin to synthesize."""


@dataclass(eq=False)
class ScriptSegment:
    """A segment: how many of its sentences are not finished, and whether it gets no more."""

    left: int = 0
    is_whole: bool = False

    @property
    def is_over(self) -> bool:
        """Whether all of it has been spoken."""
        return self.is_whole and not self.left


@dataclass(frozen=True, eq=False)
class Sentence:
    """A sentence and its number, which counts from 0 in the order of speaking."""

    number: int
    text: str
    segment: ScriptSegment


class Script:
    """The sentences that are not finished, two at most; the rest waits in the stream's input."""

    def __init__(self) -> None:
        self._sentences: deque[Sentence] = deque()
        self._written = 0
        self._has_ended = False
        self._changed = asyncio.Event()

    @property
    def first(self) -> Sentence | None:
        """The sentence that is spoken, or will be next, as far as it is known."""
        return self._sentences[0] if self._sentences else None

    @property
    def first_number(self) -> int:
        """The number of :attr:`first`, or what it will be."""
        return self._written - len(self._sentences)

    def is_done(self) -> bool:
        """Whether everything has been spoken and nothing more will come."""
        return self._has_ended and not self._sentences

    async def write(self, cutter: SentenceCutter, *, segment_over: Callable[[], None]) -> None:
        """Write down what is cut until that ends; waits while enough is written.

        :param segment_over: called when it shows only now that a segment, all of which has been spoken, is whole.
        """
        segment = ScriptSegment()
        try:
            while (cut := await cutter.next()) is not None:
                if isinstance(cut, SegmentEnd):
                    segment.is_whole = True
                    if segment.is_over:
                        segment_over()
                    segment = ScriptSegment()
                    continue
                while len(self._sentences) >= AHEAD_SENTENCES:
                    await self._changed.wait()
                segment.left += 1
                self._sentences.append(Sentence(self._written, cut, segment))
                self._written += 1
                self._tell()
        finally:
            self._has_ended = True
            self._tell()

    async def get(self, number: int) -> Sentence | None:
        """Return a sentence that is not finished, when it is there; None if it will not come."""
        while number >= self._written:
            if self._has_ended:
                return None
            await self._changed.wait()
        return self._sentences[number - self.first_number]

    def finish_first(self) -> ScriptSegment:
        """Take the first sentence, which has been spoken, off; returns its segment."""
        segment = self._sentences.popleft().segment
        segment.left -= 1
        self._tell()
        return segment

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
