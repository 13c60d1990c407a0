"""What is spoken in the checks of synthesizers, and what they look at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar, Final

from lk_agents.metrics.records import TTSMetrics
from lk_agents.testing.conformance.case import Case, Trouble
from lk_agents.testing.conformance.frame import Conformance, opened, skip_unless
from lk_agents.tts import TTS, SynthesizedAudio, SynthesizeStream

if TYPE_CHECKING:
    from lk_agents.testing.providers.script import Break
    from lk_agents.testing.vendor import Fault

__all__ = [
    "PIECE_SECONDS",
    "SEGMENTS",
    "TEXT",
    "UNSPEAKABLE",
    "Spoken",
    "TTSCase",
    "TTSKit",
    "metrics_of",
    "push",
    "same_words",
]

TEXT: Final = "Our small robot sings in the kitchen every morning."
SEGMENTS: Final = ("Good morning to all of you.", "How are you feeling today?")
UNSPEAKABLE: Final = ("", "  \n", "🙂", "**", "…")
PIECE_SECONDS: Final = 0.02
"""How long the pieces of a scripted synthesizer are."""


class TTSCase(Case):
    """How a synthesizer is to speak in one check.

    :param streamed: whether it takes text piece by piece; otherwise it is given whole texts.
    """

    def __init__(self, *, streamed: bool, **case: Any) -> None:
        super().__init__(**case)
        self.streamed = streamed

    def breaks(self) -> list[Break]:
        """Return the trouble for a :class:`~lk_agents.testing.providers.ScriptedTTS`."""
        if self.trouble is None:
            return []
        return [self.trouble.as_break(self.trouble.after * PIECE_SECONDS)]


class TTSKit(Conformance):
    """What an author says of a synthesizer, and what the checks of it share."""

    finals_per_segment: ClassVar[int] = 1
    """How many pieces of a segment end it; never anything else."""
    length_tolerance_seconds: ClassVar[float] = 0.05
    """By how much two syntheses of one text may differ in length."""

    def provider(self, case: TTSCase) -> AbstractAsyncContextManager[TTS[Any]]:
        """Return what gives the synthesizer of one check, and closes it behind that.

        Write it as an asynchronous generator under ``@asynccontextmanager``. The vendor's server is run by
        ``case.serve(script)``; a provider without one plays ``case.trouble`` itself.
        """
        raise NotImplementedError

    async def change_options(self, tts: TTS[Any], stream: SynthesizeStream) -> None:
        """Change an option while the stream speaks, such that it still speaks; for synthesizers that can."""
        raise NotImplementedError

    # --- what checks use -------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _given(
        self, *, streamed: bool, trouble: Trouble | None = None, fault: Fault | None = None
    ) -> AsyncIterator[tuple[TTS[Any], TTSCase]]:
        case = TTSCase(streamed=streamed, trouble=trouble, fault=fault, socket=self.stream_exchange == "socket")
        self._is_impatient = case.is_silent
        async with opened(self.provider(case)) as tts:
            if streamed:
                skip_unless(tts.capabilities.streaming, "it takes whole texts only")
            yield tts, case

    async def _say(self, tts: TTS[Any], text: str) -> Spoken:
        async with tts.synthesize(text, conn_options=self.options) as stream:
            return Spoken([audio async for audio in stream])

    async def _say_in_pieces(self, tts: TTS[Any], *segments: str) -> Spoken:
        """Push texts, each as a segment and word by word, and return what is spoken."""
        async with tts.stream(conn_options=self.options) as stream:
            push(stream, *segments)
            stream.end_input()
            return Spoken([audio async for audio in stream])

    async def _seconds_of(self, text: str, *, streamed: bool) -> float:
        """Return how long a text is when nothing goes wrong."""
        async with self._given(streamed=streamed) as (tts, _):
            return (await (self._say_in_pieces(tts, text) if streamed else self._say(tts, text))).seconds

    def _require_format(self, spoken: Spoken, tts: TTS[Any]) -> None:
        assert spoken.pieces, "a text gave no audio"
        for audio in spoken.pieces:
            found = (audio.frame.sample_rate, audio.frame.num_channels)
            declared = (tts.sample_rate, tts.num_channels)
            assert found == declared, f"a frame has {found} (rate, channels) where {declared} is declared"


@dataclass
class Spoken:
    """The audio of one stream."""

    pieces: list[SynthesizedAudio] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """How long it is."""
        return sum(each.frame.samples_per_channel / each.frame.sample_rate for each in self.pieces)

    @property
    def segments(self) -> list[list[SynthesizedAudio]]:
        """The pieces, cut where the segment changes."""
        return [list(pieces) for _, pieces in groupby(self.pieces, key=lambda audio: audio.segment_id)]


def push(stream: SynthesizeStream, *segments: str) -> None:
    """Push texts word by word, each as a segment."""
    for text in segments:
        for number, word in enumerate(text.split(" ")):
            stream.push_text(f" {word}" if number else word)
        stream.flush()


def metrics_of(tts: TTS[Any]) -> list[TTSMetrics]:
    """Return the list into which the synthesizer's metrics go from now on."""
    metrics: list[TTSMetrics] = []
    tts.on("metrics_collected", metrics.append)
    return metrics


def same_words(texts: Sequence[str]) -> list[str]:
    """Return the words of texts that reached a vendor, however they were cut."""
    return " ".join(texts).split()
