"""One text, spoken."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lk_agents.foundation import clock
from lk_agents.foundation.errors import APIConnectionError, APIError
from lk_agents.metrics.publish import publish
from lk_agents.metrics.records import Error, TTSMetrics
from lk_agents.streams.watch import Owed
from lk_agents.tts.audio import SynthesizedAudio, seconds_of
from lk_agents.tts.spoken_stream import SpokenStream
from lk_agents.tts.text import is_speakable, parts_of, require_text
from lk_agents.utils.audio import combine_frames

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.foundation.types import APIConnectOptions
    from lk_agents.tts.synthesizer import TTS

__all__ = ["ChunkedStream"]


@dataclass
class _Account:
    """What has been heard of a text, and of the part of it that is being spoken."""

    text: str
    part_start: float = 0.0
    seconds: float = 0.0
    ttfb: float = -1.0
    request_id: str = ""

    @property
    def part_seconds(self) -> float:
        return self.seconds - self.part_start


class ChunkedStream(SpokenStream):
    """Speaks one text. Iterate over it to get the audio as it comes, or :meth:`collect` it.

    A provider implements ``_run()``: it has ``self._input_text`` spoken and sends the audio into ``self._event_ch``.
    It is called again after an :class:`APIError`, unless audio came already: what was heard is not repeated. Nothing
    is sent for a text without any letter or digit; no audio for any other text is an error; and no audio for
    ``conn_options.timeout`` seconds, at the beginning or later, ends the attempt.

    A text that is longer than ``tts.max_text_characters`` is spoken in parts, one call of ``_run()`` for each.

    Emits one ``metrics_collected`` on ``tts`` when it ends, however it ends.

    :param tts: who speaks.
    :param input_text: the text.
    :param conn_options: by default the synthesizer's own.
    :raises ConfigError: what is to be spoken is no text.
    """

    _measured = True
    """Whether it emits metrics; an adapter leaves that to those that it asks."""

    def __init__(self, *, tts: TTS[Any], input_text: str, conn_options: APIConnectOptions | None = None) -> None:
        require_text(input_text)
        self._input_text = input_text
        self._account = _Account(input_text)
        super().__init__(tts=tts, conn_options=conn_options)

    @property
    def input_text(self) -> str:
        """The text; while a long one is spoken in parts, the part."""
        return self._input_text

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        return self._task.done()

    @property
    def exception(self) -> BaseException | None:
        """What ended the stream; None if it was spoken, or closed, without an error.

        :raises asyncio.InvalidStateError: it has not ended.
        """
        return None if self._task.cancelled() else self._task.exception()

    async def collect(self) -> rtc.AudioFrame:
        """Return all the audio that has not been read yet as one frame.

        :raises ValueError: there is none.
        :raises APIError: the synthesis failed.
        """
        frames = [audio.frame async for audio in self]
        if not frames:
            raise ValueError(f"{self._label} gave no audio to collect: the text says nothing, or was read or closed")
        return combine_frames(frames)

    async def _main_task(self) -> None:
        try:
            for part in parts_of(self._account.text, self._tts.max_text_characters):
                self._input_text = part
                self._account.part_start = self._account.seconds
                self._retries.renew()
                await super()._main_task()
        except APIError as error:
            if self._account.seconds:
                error.retryable = False  # earlier parts were heard
            raise
        finally:
            self._input_text = self._account.text

    async def _attempt(self) -> None:
        if phase := await self._run_watched():
            raise self._given_up(phase)
        if not self._account.part_seconds:
            raise APIConnectionError(
                f"{self._label} gave no audio for a text of {len(self._input_text)} characters"
            ).located(provider=self._label, phase="first_output")

    def _owed(self) -> Owed | None:
        return self._owed_since("idle" if self._account.part_seconds else "first_output", self._attempt_at)

    def _may_retry(self, error: APIError) -> bool:  # noqa: ARG002  whatever it was
        return not self._account.part_seconds

    def _accept(self, event: SynthesizedAudio) -> SynthesizedAudio | None:
        self._check_format(event.frame)
        if not event.frame.samples_per_channel:
            return None
        self._heard_at = clock.monotonic()
        account = self._account
        if not account.seconds:
            account.ttfb = self._heard_at - self._created_at
        account.seconds += seconds_of(event)
        account.request_id = event.request_id
        if event.words and account.part_start:
            return replace(event, words=[word.shifted(account.part_start) for word in event.words])
        return event

    def _finished(self, *, cancelled: bool, error: BaseException | None) -> None:
        account = self._account
        if not self._measured or not is_speakable(account.text):
            return
        metrics = TTSMetrics(
            request_id=account.request_id,
            timestamp=clock.wall_seconds(),
            ttfb=account.ttfb,
            duration=clock.monotonic() - self._created_at,
            audio_duration=account.seconds,
            cancelled=cancelled,
            characters_count=len(account.text),
            label=self._label,
            streamed=False,
            error=None if error is None else Error.of(error, provider=self._label),
            provider=self._tts.provider,
            model=self._tts.model,
        )
        publish(self._tts, metrics)
