"""One text, spoken by whoever of several can."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from lk_agents.foundation.log import logger
from lk_agents.tts.audio import SynthesizedAudio, seconds_of
from lk_agents.tts.chunked import ChunkedStream
from lk_agents.tts.outlet import AudioResampler
from lk_agents.tts.text import is_speakable

if TYPE_CHECKING:
    from lk_agents.foundation.types import APIConnectOptions
    from lk_agents.streams.hedging import Contestant
    from lk_agents.tts.fallback import FallbackAdapter
    from lk_agents.tts.fallback_rules import Probe
    from lk_agents.tts.synthesizer import TTS

__all__ = ["FallbackChunkedStream"]


class FallbackChunkedStream(ChunkedStream):
    """A text that the members of a :class:`FallbackAdapter` speak, sentence by sentence."""

    _watched = False
    _measured = False

    def __init__(self, *, tts: FallbackAdapter, input_text: str, conn_options: APIConnectOptions) -> None:
        self._rules = tts._rules  # noqa: SLF001  adapter and stream are one thing in several files
        self._left: deque[str] = deque()
        self._heard_seconds = 0.0
        super().__init__(tts=tts, input_text=input_text, conn_options=conn_options)

    async def _run(self) -> None:
        sentences = self._rules.tokenizer.tokenize(self._input_text)
        self._left = deque(sentence for sentence in sentences if is_speakable(sentence))
        while self._left:
            probe = partial(self._rules.probe_text, text=self._left[0], conn_options=self._conn_options)
            await self._rules.members.first_hedged(partial(self._speak_with, probe=probe), probe=probe)

    async def _speak_with(self, member: TTS[Any], contestant: Contestant[TTS[Any], None], *, probe: Probe) -> None:
        """Let a member speak what is left; returns when it has, or has failed but some progress was made."""
        has_finished_one = False
        while self._left:
            self._heard_seconds = 0.0
            try:
                await self._speak(member, self._left[0], contestant)
            except Exception as error:
                if contestant.lane.has_lost:
                    raise
                is_enough = self._rules.forbids_fallback(self._heard_seconds)
                if not is_enough and not has_finished_one:
                    raise
                self._rules.members.failed(member, probe, error)
                if is_enough:
                    logger.warning("a text ends within a sentence", extra={"tts": self._label})
                    self._left.clear()
                return
            self._left.popleft()
            has_finished_one = True

    async def _speak(self, member: TTS[Any], sentence: str, contestant: Contestant[TTS[Any], None]) -> None:
        resampler = AudioResampler(self._tts.sample_rate)
        start = self._account.seconds
        options = self._rules.options(self._conn_options)
        async with member.synthesize(sentence, conn_options=options) as stream:
            while True:
                audio = await self._rules.next_audio(member, stream, was_heard=self._heard_seconds > 0)
                if audio is None:
                    break
                if audio.frame.samples_per_channel:
                    contestant.claim()
                self._heard_seconds += seconds_of(audio)
                await self._send(resampler.push(audio), start)
        contestant.claim()
        await self._send(resampler.flush(), start)

    async def _send(self, pieces: list[SynthesizedAudio], start_seconds: float) -> None:
        for piece in pieces:
            if piece.words:
                piece.words = [word.shifted(start_seconds) for word in piece.words]
            await self._event_ch.send(piece)
