"""One member of a fallback adapter, and what it speaks of a script before it is done or fails."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation.errors import APIConnectionError
from lk_agents.tts.audio import SynthesizedAudio, seconds_of
from lk_agents.tts.outlet import AudioResampler
from lk_agents.utils.aio.tasks import cancel_and_wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from lk_agents.foundation.types import APIConnectOptions
    from lk_agents.tts.fallback_rules import FallbackRules
    from lk_agents.tts.outlet import SegmentOutlet
    from lk_agents.tts.script import Script
    from lk_agents.tts.synthesizer import TTS
    from lk_agents.tts.text_stream import SynthesizeStream

__all__ = ["StreamAttempt"]

GOODBYE_SECONDS: Final = 1.0
"""How long a member may take to end once it has spoken everything."""


class StreamAttempt:
    """Gives a member sentence after sentence, each flushed, and hands on what it says.

    :param script: what is to be spoken.
    :param outlet: where to.
    :param sample_rate: of what is handed on, in Hz.
    :param claim: called before anything is handed on; raises where another member was faster.
    """

    def __init__(
        self,
        member: TTS[Any],
        *,
        rules: FallbackRules,
        options: APIConnectOptions,
        script: Script,
        outlet: SegmentOutlet,
        sample_rate: int,
        claim: Callable[[], None],
    ) -> None:
        self.heard_seconds = 0.0
        """How much was heard of the sentence that is spoken."""
        self.finished = 0
        """How many sentences it has spoken."""
        self._member = member
        self._rules = rules
        self._options = options
        self._script = script
        self._outlet = outlet
        self._sample_rate = sample_rate
        self._claim = claim
        self._given = script.first_number
        self._patience: asyncio.Timeout | None = None
        self._feed_error: Exception | None = None
        self._resampler = AudioResampler(sample_rate)
        outlet.begin_sentence()

    async def run(self) -> None:
        """Return when the script is done.

        :raises Exception: the member failed, or did not speak in time.
        """
        stream = self._member.stream(conn_options=self._options)
        feeding = asyncio.create_task(self._feed(stream), name=f"lk-tts-feed {self._member.label}")
        try:
            while not self._script.is_done():
                audio = await self._next(stream)
                if audio is not None:
                    await self._hand_on(audio)
                elif self._script.is_done():
                    return
                else:
                    raise self._feed_error or APIConnectionError(
                        f"{self._member.label} ended before it had spoken everything"
                    ).located(provider=self._member.label, phase="receive")
            await self._say_goodbye(stream)
        finally:
            await cancel_and_wait(feeding)
            await stream.aclose()

    async def _feed(self, stream: SynthesizeStream) -> None:
        try:
            while (sentence := await self._script.get(self._given)) is not None:
                stream.push_text(sentence.text)
                stream.flush()
                self._given += 1
                if sentence is self._script.first:
                    self._be_patient()
            stream.end_input()
            if self._script.is_done():
                self._be_patient()
        except Exception as error:  # noqa: BLE001  the reader tells it, unless the stream knows better why it ended
            self._feed_error = error
            await stream.aclose()

    async def _next(self, stream: SynthesizeStream) -> SynthesizedAudio | None:
        """Return the next piece; None if the member has ended, or takes too long to end."""
        try:
            async with asyncio.timeout(None) as self._patience:
                self._be_patient()
                return await anext(stream, None)
        except TimeoutError:
            if self._patience is None or not self._patience.expired():
                raise
            if self._script.is_done():
                return None
            raise self._rules.too_quiet(self._member, was_heard=self.heard_seconds > 0) from None
        finally:
            self._patience = None

    def _be_patient(self) -> None:
        """Limit the wait for the next piece, from now, if the member owes one."""
        first = self._script.first
        if self._patience is None or self._patience.expired():
            return
        if first is not None and first.number < self._given:
            seconds = self._rules.attempt_timeout
        elif self._script.is_done():
            seconds = GOODBYE_SECONDS
        else:
            return
        self._patience.reschedule(asyncio.get_running_loop().time() + seconds)

    async def _hand_on(self, audio: SynthesizedAudio) -> None:
        sentence = self._script.first
        if sentence is None or sentence.number >= self._given:
            return  # it speaks without having been asked
        if audio.frame.samples_per_channel or audio.is_final:
            self._claim()
        self.heard_seconds += seconds_of(audio)
        pieces = self._resampler.push(audio)
        if not audio.is_final:
            for piece in pieces:
                await self._outlet.send(piece)
            return
        *pieces, last = [*pieces, *self._resampler.flush()]  # resampled audio ends only here
        for piece in pieces:
            await self._outlet.send(piece)
        await self._end_sentence(last)

    async def _end_sentence(self, last: SynthesizedAudio) -> None:
        segment = self._script.finish_first()
        self.finished += 1
        await self._outlet.end_sentence(last, is_last=segment.is_over)
        if segment.is_over:
            self._outlet.end_segment()
        self.heard_seconds = 0.0
        self._resampler = AudioResampler(self._sample_rate)
        self._outlet.begin_sentence()

    async def _say_goodbye(self, stream: SynthesizeStream) -> None:
        """Let the member end by itself, so that it can keep its connection; what it still says is dropped."""
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                async for _ in stream:
                    pass
        except Exception:  # noqa: BLE001  everything has been spoken: nobody needs to know
            return
