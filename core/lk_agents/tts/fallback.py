"""Several synthesizers as one: who fails is replaced by the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.log import logger
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.streams.fallback import Members
from lk_agents.tts.audio import AvailabilityChangedEvent, TTSCapabilities
from lk_agents.tts.fallback_rules import FallbackRules
from lk_agents.tts.synthesizer import TTS

if TYPE_CHECKING:
    from lk_agents.metrics.records import TTSMetrics
    from lk_agents.tokenize.tokenizer import SentenceTokenizer
    from lk_agents.tts.fallback_chunked import FallbackChunkedStream
    from lk_agents.tts.fallback_stream import FallbackSynthesizeStream

__all__ = ["FallbackAdapter"]

ONCE: Final = APIConnectOptions(max_retry=0)


class FallbackAdapter(TTS[Literal["tts_availability_changed"]]):
    """Asks the first of its members that is available, and the next one when that fails or is too slow.

    Texts are spoken sentence by sentence: when a member fails, the next one begins the broken sentence again and goes
    on from there; what was finished is not said twice. A stream does not go back to an earlier member while the one
    that speaks works. A member that failed is unavailable to all streams of the adapter, is probed in the background
    with growing waits, and becomes available when it speaks again.

    Emits ``tts_availability_changed(AvailabilityChangedEvent)`` and the members' metrics; none of its own.

    :param tts: the members, by preference; all with the same number of channels. They stay their owner's: closing the
        adapter does not close them.
    :param attempt_timeout: seconds within which a member gives its first audio, its retries included, and then each
        next piece of what it was given to speak.
    :param max_retry_per_tts: how often a member tries again by itself before it has failed.
    :param retry_interval: seconds between its attempts, after the first retry.
    :param no_fallback_after_audio_duration: when so many seconds of the broken sentence were heard, nobody repeats it:
        the stream ends there, without an error. None to repeat it always.
    :param sample_rate: of the adapter, in Hz; by default the members' highest. Others are resampled.
    :param sentence_tokenizer: finds the sentences; by default :class:`lk_agents.tokenize.basic.SentenceTokenizer`.
    :param hedge: whether the next member is asked as well when one is slow to begin a text or stream: True for slower
        than 19 of 20 of its last ones (from the 20th on, and never before 0.1 s), a number for that many seconds. The
        first audio wins and goes on; the other is cancelled, and its metrics are marked as ``hedged``. A member for
        which that happens three times in a row becomes unavailable.
    :raises ConfigError: no member, members with different numbers of channels, or a value out of its range.
    """

    def __init__(
        self,
        tts: Sequence[TTS[Any]],
        *,
        attempt_timeout: float = 10.0,
        max_retry_per_tts: int = 1,
        retry_interval: float = 5,
        no_fallback_after_audio_duration: float | None = 3.0,
        sample_rate: int | None = None,
        sentence_tokenizer: SentenceTokenizer | None = None,
        hedge: bool | float = False,
    ) -> None:
        members = Members(tts, on_change=self._availability_changed, hedge=hedge)
        channels = {member.num_channels for member in members}
        if len(channels) > 1:
            found = ", ".join(f"{member.label}: {member.num_channels}" for member in members)
            raise ConfigError(f"the members of a fallback adapter need the same number of channels, but have {found}")
        super().__init__(
            capabilities=TTSCapabilities(
                streaming=all(member.capabilities.streaming for member in members),
                aligned_words=all(member.capabilities.aligned_words for member in members),
            ),
            sample_rate=max(member.sample_rate for member in members) if sample_rate is None else sample_rate,
            num_channels=channels.pop(),
            conn_options=ONCE,
        )
        self._rules = FallbackRules(
            members=members,
            tokenizer=sentence_tokenizer or _default_tokenizer(),
            attempt_timeout=attempt_timeout,
            max_retry=max_retry_per_tts,
            retry_interval=retry_interval,
            enough_seconds=no_fallback_after_audio_duration,
        )
        self._rules.options(ONCE)  # refuses what is out of range now and not at the first call
        for member in members:
            member.on("metrics_collected", self._forward)

    def synthesize(self, text: str, *, conn_options: APIConnectOptions | None = None) -> FallbackChunkedStream:
        """Begin to speak ``text``.

        :param conn_options: by default all members are asked once; each further attempt asks all of them again.
        """
        from lk_agents.tts.fallback_chunked import FallbackChunkedStream

        return FallbackChunkedStream(tts=self, input_text=text, conn_options=conn_options or self._conn_options)

    def stream(self, *, conn_options: APIConnectOptions | None = None) -> FallbackSynthesizeStream:
        """Return a stream that takes text piece by piece.

        :param conn_options: by default all members are asked once; each further attempt asks all of them again.
        :raises NotImplementedError: a member does not stream.
        """
        from lk_agents.tts.fallback_stream import FallbackSynthesizeStream

        if whole := [member.label for member in self._rules.members if not member.capabilities.streaming]:
            raise NotImplementedError(
                f"{', '.join(whole)} in a fallback adapter cannot take text piece by piece: put each, or the adapter, "
                f"into a tts.StreamAdapter"
            )
        return FallbackSynthesizeStream(tts=self, conn_options=conn_options)

    def prewarm(self) -> None:
        """Prepare the first member; the others are asked only if it fails."""
        next(iter(self._rules.members)).prewarm()

    async def aclose(self) -> None:
        """End the probes, and emit the members' metrics no more; the members stay open."""
        for member in self._rules.members:
            member.off("metrics_collected", self._forward)
        await self._rules.members.aclose()

    def _availability_changed(self, member: TTS[Any], available: bool) -> None:
        try:
            self.emit("tts_availability_changed", AvailabilityChangedEvent(member, available))
        except TypeError:  # a listener with wrong parameters must not break the fallback
            logger.exception("a callback of tts_availability_changed failed", extra={"tts": self._label})

    def _forward(self, metrics: TTSMetrics) -> None:
        self.emit("metrics_collected", metrics)


def _default_tokenizer() -> SentenceTokenizer:
    from lk_agents.tokenize.basic import SentenceTokenizer

    return SentenceTokenizer()
