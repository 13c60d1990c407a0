"""Showing a segment word by word, in step with what is heard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from lk_agents.foundation.ids import short_id
from lk_agents.foundation.log import logger
from lk_agents.tokenize import PUNCTUATIONS
from lk_agents.transcription.aligner import SpokenWord, letter_count

if TYPE_CHECKING:
    from lk_agents.tokenize import WordTokenizer
    from lk_agents.transcription.publisher import Publisher
    from lk_agents.transcription.segment import Segment

__all__ = ["SegmentShow"]

_PUNCTUATION: Final = "".join(PUNCTUATIONS)
_TOLD_WAIT_SECONDS: Final = 0.01  # the shortest wait for a player that stands still
_ROUNDING_SECONDS: Final = 1e-6


class SegmentShow:
    """Publishes segments, one after the other, each sentence growing by words and then as it was written.

    Whoever changes a segment, or ``closed``, rings; one task waits for that.

    :param words: cuts sentences into words.
    :param hyphenate: gives the syllables of a word.
    :param language: told with each piece.
    """

    def __init__(
        self,
        publisher: Publisher,
        *,
        words: WordTokenizer,
        hyphenate: Callable[[str], Sequence[str]],
        language: str,
    ) -> None:
        self._publisher = publisher
        self._words = words
        self._hyphenate = hyphenate
        self._language = language
        self._news = asyncio.Event()
        self.closed = False
        """Nothing is waited for any more: what is left of a segment is shown at once."""

    def ring(self) -> None:
        """Say that something has changed."""
        self._news.set()

    async def wait_for_news(self, seconds: float | None) -> None:
        """Wait until somebody rings, that many seconds at most."""
        self._news.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return

    async def show(self, segment: Segment) -> None:
        """Show a segment, from its first sentence to the end of its text."""
        async for token in segment.sentences:
            sentence = token.token
            segment_id = short_id("SG_")
            try:
                await self._show_growing(segment, segment_id, sentence)
            except Exception:  # noqa: BLE001  a tokenizer of the user's; the sentence is shown all the same
                logger.exception("a sentence cannot be shown word by word")
            segment.show_sentence(sentence)
            await self._publisher.publish(segment_id, sentence, final=True, language=self._language)
            if not segment.aligner.has_words:
                await self._until(segment, segment.clock.now() + segment.pace.pause_seconds)

    async def _show_growing(self, segment: Segment, segment_id: str, sentence: str) -> None:
        at, real_speed = segment.clock.now(), segment.aligner.syllables_per_second
        shown: list[str] = []
        letters = segment.letters
        for word in self._words.tokenize(sentence):
            if segment.finished:
                break
            shown.append(word)
            letters += letter_count(word)
            syllables = len(self._hyphenate(word))
            spoken = await self._spoken(segment, letters)
            if spoken is None:
                before, seconds = segment.pace.word(syllables, elapsed=at, real_speed=real_speed)
                await self._until(segment, at + before)
                await self._show_words(segment, segment_id, shown)
                at += seconds
                await self._until(segment, at)
            else:
                await self._show_timed(segment, segment_id, shown, spoken)
                at = max(at, spoken.end_seconds)
            segment.pace.syllables += syllables
        if segment.aligner.has_words:
            await self._until(segment, at, or_finished=True)

    async def _show_timed(self, segment: Segment, segment_id: str, shown: list[str], spoken: SpokenWord) -> None:
        await self._until(segment, spoken.middle_seconds, or_finished=True)
        following = segment.aligner.spoken(spoken.letters + 1)
        if following is None or following.middle_seconds > segment.clock.now():  # else it is shown with that one
            await self._show_words(segment, segment_id, shown)

    async def _show_words(self, segment: Segment, segment_id: str, words: list[str]) -> None:
        text = self._words.format_words(words).rstrip(_PUNCTUATION)
        segment.show_words(text)
        await self._publisher.publish(segment_id, text, final=False, language=self._language)

    async def _spoken(self, segment: Segment, letters: int) -> SpokenWord | None:
        """Return when a word is spoken; waits where that will yet be told. None if it must be estimated."""
        while segment.aligner.has_words:
            spoken = segment.aligner.spoken(letters)
            if spoken is not None or segment.finished or segment.aligner.audio_ended or self.closed:
                return spoken
            await self.wait_for_news(None)
        return None

    async def _until(self, segment: Segment, moment: float, *, or_finished: bool = False) -> None:
        """Wait until so many seconds of the segment were heard; returns at once when all is closed."""
        while not self.closed and not (or_finished and segment.finished):
            rest = moment - segment.clock.now()
            if rest <= _ROUNDING_SECONDS:
                return
            if segment.clock.is_told:
                rest = max(rest, _TOLD_WAIT_SECONDS)
            await self.wait_for_news(rest if segment.clock.runs else None)
