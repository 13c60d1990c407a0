"""Where the text of a speech comes from, and how it is given to a synthesizer."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from lk_agents.foundation.errors import StreamInputError
from lk_agents.llm.stream import LLMStream
from lk_agents.tts.text import is_speakable
from lk_agents.utils.aio.tasks import cancel_and_wait, failure_of

if TYPE_CHECKING:
    from lk_agents.tts import TTS, SynthesizedAudio

__all__ = [
    "BeforeTTS",
    "BeforeTTSError",
    "FirstSentence",
    "SpeechSource",
    "SpeechText",
    "pieces_of",
    "synthesize",
    "to_be_spoken",
]

SpeechSource: TypeAlias = "str | LLMStream | AsyncIterable[str]"
"""What the agent says: a text, the answer of a model, or pieces of text."""
SpeechText: TypeAlias = "str | AsyncIterable[str]"
"""The text of a speech, as one or in pieces."""
BeforeTTS: TypeAlias = Callable[[SpeechText], "SpeechText | Awaitable[SpeechText]"]
"""Changes what the synthesizer is given, and nothing else."""

PRELUDE_CHARACTERS: Final = 256
"""How much of the beginning is kept while nothing of it can be spoken."""


class BeforeTTSError(Exception):
    """What changes a text has failed, and not who speaks it.

    :param error: how.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


async def pieces_of(source: SpeechSource, *, on_function_call: Callable[[], None]) -> AsyncGenerator[str, None]:
    """Give the pieces of a source, none of them empty.

    :param on_function_call: told of each chunk with calls that a model asks for.
    """
    if isinstance(source, str):
        if source:
            yield source
        return
    if not isinstance(source, LLMStream):
        async for piece in source:
            if piece:
                yield piece
        return
    async for chunk in source:
        for choice in chunk.choices:
            if choice.index == 0 and choice.delta.content:
                yield choice.delta.content
            if choice.delta.tool_calls:
                on_function_call()


async def to_be_spoken(text: SpeechText, before_tts: BeforeTTS | None) -> SpeechText:
    """Return what the synthesizer is given.

    :raises BeforeTTSError: ``before_tts`` fails, or returns None; the pieces that it returns may raise it, too.
    """
    if before_tts is None:
        return text
    with _blaming_the_callback():
        changed = before_tts(text)
        if inspect.isawaitable(changed):
            changed = await changed
        if changed is None:
            raise ValueError("before_tts_cb returned None: it must return the text, or pieces of text, to be spoken")
    return changed if isinstance(changed, str) else _changed(changed)


async def _changed(text: AsyncIterable[str]) -> AsyncGenerator[str, None]:
    with _blaming_the_callback():
        async with aclosing(_pieces(text)) as pieces:
            async for piece in pieces:
                yield piece


@contextmanager
def _blaming_the_callback() -> Iterator[None]:
    try:
        yield
    except (Exception, asyncio.CancelledError) as error:
        raise BeforeTTSError(failure_of(error)) from error


async def synthesize(
    tts: TTS[Any], text: SpeechText, *, on_request: Callable[[], None]
) -> AsyncGenerator[SynthesizedAudio, None]:
    """Speak a text while it comes; close the iterator to end it.

    While nothing of the text can be spoken, and if nothing ever can, the synthesizer is not asked. What the text, or
    the synthesizer, fails of is raised behind the audio of what was pushed before.

    :param tts: one that takes text piece by piece.
    :param on_request: told when the synthesizer is asked.
    """
    pieces = _pieces(text)
    prelude = ""
    try:
        async for piece in pieces:
            prelude = prelude + piece
            if is_speakable(piece):
                break
            prelude = prelude[-PRELUDE_CHARACTERS:]
        else:
            return
        on_request()
        stream = tts.stream()
        feeding = asyncio.get_running_loop().create_task(_feed(stream, prelude, pieces), name="lk-speech-feed")
        try:
            async for audio in stream:
                yield audio
            await feeding
        finally:
            await cancel_and_wait(feeding)
            await stream.aclose()
    finally:
        await pieces.aclose()


async def _feed(stream: Any, first: str, pieces: AsyncIterator[str]) -> None:
    try:
        stream.push_text(first)
        async for piece in pieces:
            stream.push_text(piece)
    except StreamInputError:
        try:
            stream.end_input()
        except StreamInputError:
            return  # it has ended: the reader of its audio knows why
        raise  # more than it holds; what it has is spoken
    except Exception:
        with suppress(StreamInputError):
            stream.end_input()
        raise
    with suppress(StreamInputError):
        stream.end_input()


async def _pieces(text: SpeechText) -> AsyncGenerator[str, None]:
    if isinstance(text, str):
        yield text
        return
    try:
        async for piece in text:
            yield piece
    finally:
        if (aclose := getattr(text, "aclose", None)) is not None:
            await aclose()


class FirstSentence:
    """Notices when the first sentence of a text is complete."""

    _END: Final = re.compile(r"\w[.!?\u2026][\"'\u201d\u2019)\]]{0,2}\s|[\u3002\uff01\uff1f]|\w\n")
    _LONGEST: Final = 5

    def __init__(self) -> None:
        self._tail = ""
        self._has_text = False
        self._is_complete = False

    def push(self, piece: str) -> bool:
        """Take a piece of the text; True if it completes the first sentence."""
        if self._is_complete:
            return False
        self._has_text = self._has_text or is_speakable(piece)
        text = self._tail + piece
        self._tail = text[-self._LONGEST :]
        self._is_complete = self._END.search(text) is not None
        return self._is_complete

    def end(self) -> bool:
        """Say that no more text comes; True if that completes the first sentence."""
        before, self._is_complete = self._is_complete, True
        return not before and self._has_text
