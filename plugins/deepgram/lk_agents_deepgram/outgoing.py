"""What goes to Deepgram over one connection: audio in pieces of one size, and the few words that are said besides."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from lk_agents.streams.axis import TimeAxis
from lk_agents.streams.inputs import FlushSentinel
from lk_agents.utils.audio import AudioByteStream, Resampler
from lk_agents_deepgram.energy_filter import AudioEnergyFilter

if TYPE_CHECKING:
    from livekit import rtc

__all__ = ["CLOSE_STREAM", "FINALIZE", "KEEP_ALIVE", "Outgoing", "SentUsage"]

KEEP_ALIVE: Final = '{"type":"KeepAlive"}'
FINALIZE: Final = '{"type":"Finalize"}'
CLOSE_STREAM: Final = '{"type":"CloseStream"}'

PIECE_SECONDS: Final = 0.05
BYTES_PER_SAMPLE: Final = 2
USAGE_SECONDS: Final = 5.0
ROUNDING_SECONDS: Final = 1e-6


class SentUsage:
    """Adds up what one stream sends and reports it, every second of it once.

    :param report: told of seconds of audio.
    """

    def __init__(self, report: Callable[[float], None]) -> None:
        self._report = report
        self._sent_seconds = 0.0  # and not reported yet
        self._heard_seconds = 0.0  # while nothing was reported
        self._told = False

    def heard(self, seconds: float) -> None:
        """Note that audio was taken in, whether or not it is sent.

        That none of it was sent is told once, so that nobody takes silence about usage for not knowing it.
        """
        self._heard_seconds += seconds
        if not self._told and self._heard_seconds > USAGE_SECONDS + ROUNDING_SECONDS:
            self._tell()

    def sent(self, seconds: float) -> None:
        """Note that audio was sent, which is reported from 5 s on."""
        self._sent_seconds += seconds
        if self._sent_seconds >= USAGE_SECONDS - ROUNDING_SECONDS:
            self._tell()

    def flush(self) -> None:
        """Report what is not reported yet."""
        if self._sent_seconds:
            self._tell()

    def _tell(self) -> None:
        seconds, self._sent_seconds = self._sent_seconds, 0.0
        self._told = True
        self._report(seconds)


class Outgoing:
    """Makes the messages for one connection.

    :param sample_rate: of what is sent, in Hz; audio is resampled to it.
    :param energy_filter: judges what is silence, which is not sent; None to send all.
    :param usage: told what is taken in and sent.
    :param piece_seconds: how long the pieces are in which audio goes out.
    :param end_of_segment: what is said where a segment ends.
    """

    def __init__(
        self,
        sample_rate: int,
        energy_filter: AudioEnergyFilter | None,
        usage: SentUsage,
        *,
        piece_seconds: float = PIECE_SECONDS,
        end_of_segment: str = FINALIZE,
    ) -> None:
        self.axis = TimeAxis()
        """From seconds of the audio that was sent to seconds of the audio that was taken in."""
        self.sent_seconds = 0.0
        """How much audio there was to send."""
        self._rate = sample_rate
        self._filter = energy_filter
        self._usage = usage
        self._end_of_segment = end_of_segment
        self._resampler = Resampler(sample_rate, mono=True)
        self._pieces = AudioByteStream(sample_rate, 1, max(round(sample_rate * piece_seconds), 1))
        self._heard_seconds = 0.0
        self._held: tuple[float, rtc.AudioFrame] | None = None  # the silence before what comes next

    def encode(self, item: rtc.AudioFrame | FlushSentinel) -> list[bytes | str]:
        """Return the messages for one frame, or for the end of a segment."""
        if isinstance(item, FlushSentinel):
            return self._end_segment()
        position, seconds = self._heard_seconds, item.samples_per_channel / item.sample_rate
        self._heard_seconds += seconds
        self._usage.heard(seconds)
        if self._filter is None:
            return self._send(position, item)
        state = AudioEnergyFilter.State
        judged = self._filter.update(item)
        if judged in {state.END, state.SILENCE}:
            self._held = position, item
            return self._end_segment() if judged is state.END else []
        held, self._held = self._held, None
        return [*(self._send(*held) if held else ()), *self._send(position, item)]

    def finish(self) -> list[bytes | str]:
        """Return the messages that end the input."""
        return [*self._rest(), CLOSE_STREAM]

    def _end_segment(self) -> list[bytes | str]:
        messages = [*self._rest(), self._end_of_segment]
        self._usage.flush()
        return messages

    def _send(self, position: float, frame: rtc.AudioFrame) -> list[bytes | str]:
        self.axis.gave(position, frame.samples_per_channel / frame.sample_rate)
        return self._cut(self._resampler.push(frame))

    def _rest(self) -> list[bytes | str]:
        return [*self._cut(self._resampler.flush()), *self._messages(self._pieces.flush())]

    def _cut(self, frames: list[rtc.AudioFrame]) -> list[bytes | str]:
        return [message for frame in frames for message in self._messages(self._pieces.push(_samples(frame)))]

    def _messages(self, frames: list[rtc.AudioFrame]) -> list[bytes | str]:
        for frame in frames:
            seconds = frame.samples_per_channel / self._rate
            self.sent_seconds += seconds
            self._usage.sent(seconds)
        return [bytes(_samples(frame)) for frame in frames]


def _samples(frame: rtc.AudioFrame) -> memoryview:
    """Return the bytes of a frame's samples, without what its buffer may hold beyond them."""
    return frame.data.cast("B")[: frame.samples_per_channel * BYTES_PER_SAMPLE]
