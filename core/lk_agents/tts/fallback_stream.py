"""Text in, piece by piece, spoken by whoever of several can."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from lk_agents.foundation.log import logger
from lk_agents.tts.fallback_attempt import StreamAttempt
from lk_agents.tts.outlet import SegmentOutlet
from lk_agents.tts.script import Script
from lk_agents.tts.sentences import SentenceCutter
from lk_agents.tts.text_stream import SynthesizeStream
from lk_agents.utils.aio.tasks import cancel_and_wait

if TYPE_CHECKING:
    from lk_agents.foundation.types import APIConnectOptions
    from lk_agents.streams.hedging import Contestant
    from lk_agents.tts.fallback import FallbackAdapter
    from lk_agents.tts.fallback_rules import Probe
    from lk_agents.tts.synthesizer import TTS

__all__ = ["FallbackSynthesizeStream"]


class FallbackSynthesizeStream(SynthesizeStream):
    """A stream that the members of a :class:`FallbackAdapter` speak, sentence by sentence."""

    _watched = False
    _measured = False

    def __init__(self, *, tts: FallbackAdapter, conn_options: APIConnectOptions | None = None) -> None:
        self._rules = tts._rules  # noqa: SLF001  adapter and stream are one thing in several files
        super().__init__(tts=tts, conn_options=conn_options)

    async def _run(self) -> None:
        script = Script()
        outlet = SegmentOutlet(self._event_ch)
        cutter = SentenceCutter(self._input_ch, self._rules.tokenizer)
        writing = asyncio.create_task(
            script.write(cutter, segment_over=outlet.end_segment), name=f"lk-tts-script {self._label}"
        )
        try:
            while (sentence := await script.get(script.first_number)) is not None:
                probe = partial(self._rules.probe_stream, text=sentence.text, conn_options=self._conn_options)
                speak = partial(self._speak_with, script=script, outlet=outlet, probe=probe)
                await self._rules.members.first_hedged(speak, probe=probe)
                if self._is_cut_short:
                    return
            await writing
        finally:
            await cancel_and_wait(writing)
            await cutter.aclose()

    async def _speak_with(
        self,
        member: TTS[Any],
        contestant: Contestant[TTS[Any], None],
        *,
        script: Script,
        outlet: SegmentOutlet,
        probe: Probe,
    ) -> None:
        """Let a member speak what is left; returns when it has, or has failed but some progress was made."""
        attempt = StreamAttempt(
            member,
            rules=self._rules,
            options=self._rules.options(self._conn_options),
            script=script,
            outlet=outlet,
            sample_rate=self._tts.sample_rate,
            claim=contestant.claim,
        )
        try:
            await attempt.run()
        except Exception as error:
            is_enough = self._rules.forbids_fallback(attempt.heard_seconds)
            if not is_enough and not attempt.finished:
                raise
            self._rules.members.failed(member, probe, error)
            if is_enough:
                logger.warning("a stream of speech ends within a sentence", extra={"tts": self._label})
                self._cut_short()
