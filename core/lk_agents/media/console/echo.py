"""Taking the agent's own voice out of what the microphone hears."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lk_agents.media.console.ports import INPUT_RATE

if TYPE_CHECKING:
    from livekit import rtc

__all__ = ["BLOCK_MS", "EchoCanceller"]

BLOCK_MS: Final = 10
"""Length of every block: the media library cancels echo in such blocks only."""
_DELAY_STEP_MS: Final = 5
"""Smaller changes of the delay are not worth a call: the library finds the rest by itself."""


class EchoCanceller:
    """The media library's echo canceller, between one speaker and one microphone.

    The two methods may be called from two threads. Blocks are 10 ms of 16-bit samples; the microphone's are 16 kHz,
    mono.
    """

    def __init__(self) -> None:
        from livekit import rtc

        self._frame: type[rtc.AudioFrame] = rtc.AudioFrame
        self._apm = rtc.AudioProcessingModule(echo_cancellation=True, high_pass_filter=True)
        self._output_seconds = 0.0
        self._told_ms: int | None = None

    def played(self, block: bytes, *, sample_rate: int, num_channels: int, latency_seconds: float) -> None:
        """Take note of what goes to the speaker.

        :param latency_seconds: until it is heard.
        """
        samples = sample_rate * BLOCK_MS // 1000
        self._output_seconds = latency_seconds
        self._apm.process_reverse_stream(self._frame(block, sample_rate, num_channels, samples))

    def heard(self, block: bytes, *, latency_seconds: float) -> bytes:
        """Return what the microphone has heard, without what the speaker has said.

        :param latency_seconds: since it was heard.
        """
        delay_ms = round(1000 * max(latency_seconds + self._output_seconds, 0.0))
        if self._told_ms is None or abs(delay_ms - self._told_ms) >= _DELAY_STEP_MS:
            self._told_ms = delay_ms
            self._apm.set_stream_delay_ms(delay_ms)
        frame = self._frame(bytearray(block), INPUT_RATE, 1, INPUT_RATE * BLOCK_MS // 1000)
        self._apm.process_stream(frame)
        return bytes(frame.data.cast("B"))
