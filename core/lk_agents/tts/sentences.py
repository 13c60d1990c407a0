"""Text as it is pushed, cut into sentences as they are asked for."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from lk_agents.streams.inputs import FlushSentinel
from lk_agents.tts.text import is_speakable
from lk_agents.utils.aio.channel import ChanClosed
from lk_agents.utils.aio.tasks import cancel_and_wait

if TYPE_CHECKING:
    from lk_agents.streams.inputs import TextInput
    from lk_agents.tokenize.tokenizer import SentenceStream, SentenceTokenizer

__all__ = ["SegmentEnd", "SentenceCutter"]

SLICE_CHARACTERS: Final = 1_024
"""How much text a tokenizer gets at once: it holds no more than this and one sentence, and never blocks for long."""


class SegmentEnd:
    """Comes after the last sentence of a segment."""


class SentenceCutter:
    """Cuts the input of a stream into sentences. Takes text only when a sentence is asked for and none is ready.

    :param source: where the text is taken from.
    :param tokenizer: finds the sentences; each segment gets a stream of its own.
    """

    def __init__(self, source: TextInput, tokenizer: SentenceTokenizer) -> None:
        self._source = source
        self._tokenizer = tokenizer
        self._slices: deque[str] = deque()
        self._segment: SentenceStream | None = None
        self._is_whole = False
        self._token: asyncio.Task[str | None] | None = None
        self._text: asyncio.Task[str | FlushSentinel | None] | None = None

    async def next(self) -> str | SegmentEnd | None:
        """Return the next sentence that has anything to say, or a :class:`SegmentEnd`; None when nothing more comes.

        Cancelled while it waits, it loses nothing.
        """
        while True:
            if self._segment is not None and self._token is None:
                self._token = asyncio.create_task(_next_token(self._segment), name="lk-tts-sentence")
            if not self._is_whole and self._text is None:
                self._text = asyncio.create_task(self._take(), name="lk-tts-text")
            waited = [task for task in (self._token, self._text) if task is not None]
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if self._token is not None and self._token.done():
                token, self._token = self._token.result(), None
                if token is None:
                    self._segment, self._is_whole = None, False
                    return SegmentEnd()
                if is_speakable(token):
                    return token
            elif self._text is not None and self._text.done():
                text, self._text = self._text.result(), None
                if text is None and self._segment is None:
                    return None
                self._feed(text)

    async def aclose(self) -> None:
        """Stop; what was not asked for is lost."""
        await cancel_and_wait(*(task for task in (self._token, self._text) if task is not None))
        if self._segment is not None:
            await self._segment.aclose()

    async def _take(self) -> str | FlushSentinel | None:
        if not self._slices:
            try:
                item = await self._source.recv()
            except ChanClosed:
                return None
            if isinstance(item, FlushSentinel):
                return item
            self._slices.extend(item[at : at + SLICE_CHARACTERS] for at in range(0, len(item), SLICE_CHARACTERS))
        return self._slices.popleft()

    def _feed(self, text: str | FlushSentinel | None) -> None:
        if isinstance(text, str):
            if self._segment is None:
                self._segment = self._tokenizer.stream()
            self._segment.push_text(text)
        elif self._segment is not None:
            self._segment.end_input()
            self._is_whole = True


async def _next_token(segment: SentenceStream) -> str | None:
    async for data in segment:
        return data.token
    return None
