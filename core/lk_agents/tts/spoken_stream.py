"""What both kinds of synthesis have in common: every piece of audio is checked, weighed and waited for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final

from lk_agents.foundation import clock
from lk_agents.foundation.errors import APIError, APITimeoutError, PluginError
from lk_agents.streams.base import EventStream
from lk_agents.streams.watch import Owed, Watch
from lk_agents.tts.audio import SynthesizedAudio, seconds_of

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.foundation.types import APIConnectOptions
    from lk_agents.tts.synthesizer import TTS

__all__ = ["AHEAD_SECONDS", "SpokenStream"]

AHEAD_SECONDS: Final = 30.0
"""How much audio waits for a reader before the synthesizer waits."""


class SpokenStream(EventStream[SynthesizedAudio]):
    """A stream of speech in the format that its synthesizer declares, which owes something or may be quiet.

    :param tts: who speaks.
    :param conn_options: by default the synthesizer's own.
    """

    _weigh: ClassVar[Callable[[Any], float]] = seconds_of
    _bound = AHEAD_SECONDS
    _watched: ClassVar[bool] = True
    """Whether ``conn_options.timeout`` limits how long something is owed; adapters have limits of their own."""

    def __init__(self, *, tts: TTS[Any], conn_options: APIConnectOptions | None) -> None:
        self._tts = tts
        self._declared = (tts.sample_rate, tts.num_channels)
        self._defect: PluginError | None = None
        self._heard_at = self._room_at = clock.monotonic()
        super().__init__(conn_options=conn_options or tts._conn_options, label=tts.label)  # noqa: SLF001  its default

    async def __anext__(self) -> SynthesizedAudio:
        was_full = self._event_ch.full()
        audio = await super().__anext__()
        if was_full:
            self._room_at = clock.monotonic()
        return audio

    def _owed(self) -> Owed | None:
        """Return what the provider owes; None if it may be quiet."""
        raise NotImplementedError

    def _owed_since(self, phase: str, moment: float) -> Owed | None:
        """Return what has been owed since then, apart from the time in which the reader held the provider back."""
        if self._event_ch.full():
            return None
        return Owed(phase, max(moment, self._attempt_at, self._heard_at, self._room_at))

    async def _run_watched(self) -> str:
        """Let the provider work; returns the phase in which it was given up, an empty text if it ended by itself."""
        phase = ""
        if self._watched:
            phase = await Watch(seconds=self._conn_options.timeout, owed=self._owed).over(self._run())
        else:
            await self._run()
        if self._defect is not None:
            raise self._defect
        return phase

    def _given_up(self, phase: str) -> APITimeoutError:
        return APITimeoutError(f"{self._label} has given no audio for {self._conn_options.timeout:g} s").located(
            provider=self._label, phase=phase
        )

    def _attempt_failed(self, error: APIError) -> None:
        if self._defect is not None:  # plugins like to make an APIError of whatever happens
            raise self._defect from error

    def _check_format(self, frame: rtc.AudioFrame) -> None:
        if (frame.sample_rate, frame.num_channels) == self._declared:
            return
        rate, channels = self._declared
        self._defect = PluginError(
            f"{self._label} declares {channels} channel(s) at {rate} Hz and gave a frame of {frame.num_channels} "
            f"channel(s) at {frame.sample_rate} Hz: its frames must have the declared format"
        )
        raise self._defect
