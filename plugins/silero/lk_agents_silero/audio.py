"""Audio on its way to the model, and what is kept of it for the events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from lk_agents.utils.audio import mix_to_mono
from lk_agents_silero.options import VADOptions

if TYPE_CHECKING:
    from livekit import rtc

__all__ = ["SpeechBuffer", "Window", "WindowCutter"]

BYTES_PER_SAMPLE: Final = 2
RESAMPLED_AT_ONCE_SECONDS: Final = 0.1
"""How much audio is resampled in one go, so that a long frame does not hold the event loop."""


class Window(NamedTuple):
    """What the model judges at once, in 16-bit samples of one channel.

    :param for_model: at the rate of the model.
    :param heard: the same moment at the rate of the input.
    """

    for_model: bytes
    heard: bytes


class WindowCutter:
    """Cuts audio that comes in frames of any length into windows.

    :param input_rate: of the frames, in Hz.
    :param model_rate: of the model, in Hz.
    :param window_samples: length of a window at the model's rate.
    """

    def __init__(self, *, input_rate: int, model_rate: int, window_samples: int) -> None:
        self.input_rate = input_rate
        self._model_rate = model_rate
        self._window_samples = window_samples
        self._window_bytes = window_samples * BYTES_PER_SAMPLE
        self._pushed_samples = 0
        self._heard = bytearray()  # not cut yet, at the rate of the input
        self._begin()

    def push(self, frame: rtc.AudioFrame) -> None:
        """Add audio; several channels are mixed to one."""
        mono = mix_to_mono(frame)
        self._pushed_samples += mono.samples_per_channel
        self._heard += mono.data.cast("B")[: mono.samples_per_channel * BYTES_PER_SAMPLE]

    def take(self) -> Window | None:
        """Return the next window, or None if there is not enough audio for it."""
        heard_bytes = self._next_end() - self._cut_bytes
        if len(self._heard) < heard_bytes:
            return None
        if self._resampler is None:
            heard = self._cut(heard_bytes)
            return Window(heard, heard)
        while len(self._resampled) < self._window_bytes or self._given_bytes < heard_bytes:
            if not self._resample_more():
                return None
        self._given_bytes -= heard_bytes
        for_model = bytes(self._resampled[: self._window_bytes])
        del self._resampled[: self._window_bytes]
        return Window(for_model, self._cut(heard_bytes))

    def restart(self) -> int:
        """Drop the audio that is not cut yet; returns where the next window begins, at the model's rate."""
        self._heard.clear()
        self._begin()
        return round(self._pushed_samples * self._model_rate / self.input_rate)

    def _begin(self) -> None:
        self._windows = 0
        self._cut_bytes = 0  # by these windows
        self._given_bytes = 0  # to the resampler, of those not cut yet
        self._resampled = bytearray()
        self._resampler = self._make_resampler() if self.input_rate != self._model_rate else None

    def _make_resampler(self) -> rtc.AudioResampler:
        from livekit import rtc

        return rtc.AudioResampler(self.input_rate, self._model_rate, quality=rtc.AudioResamplerQuality.QUICK)

    def _next_end(self) -> int:
        """Return where the next window ends, in bytes of the input; a window may end within a sample, a stream not."""
        samples = (self._windows + 1) * self._window_samples * self.input_rate // self._model_rate
        return samples * BYTES_PER_SAMPLE

    def _cut(self, count: int) -> bytes:
        heard = bytes(self._heard[:count])
        del self._heard[:count]
        self._windows += 1
        self._cut_bytes += count
        return heard

    def _resample_more(self) -> bool:
        """Resample what comes next; False if there is nothing more."""
        assert self._resampler is not None
        most = int(RESAMPLED_AT_ONCE_SECONDS * self.input_rate) * BYTES_PER_SAMPLE
        piece = self._heard[self._given_bytes : self._given_bytes + most]
        if not piece:
            return False
        self._given_bytes += len(piece)
        for frame in self._resampler.push(piece):
            self._resampled += frame.data.cast("B")
        return True


class SpeechBuffer:
    """Keeps one utterance and the audio before it.

    :param rate: of the audio, in Hz.
    """

    def __init__(self, options: VADOptions, rate: int) -> None:
        self._rate = rate
        self._audio = bytearray()
        self._lost = False  # audio of this utterance
        self.resize(options)

    def resize(self, options: VADOptions) -> None:
        """Take other limits; what is there beyond them is dropped, as if it had come when the buffer was full."""
        self._padding_bytes = int(options.prefix_padding_duration * self._rate) * BYTES_PER_SAMPLE
        self._most_bytes = self._padding_bytes + int(options.max_buffered_speech * self._rate) * BYTES_PER_SAMPLE
        if len(self._audio) > self._most_bytes:
            self._lost = True
            del self._audio[self._most_bytes :]

    def slide(self, audio: bytes) -> None:
        """Add audio while nobody speaks: of all there is, the newest is kept, as long as the padding."""
        self._audio += audio
        if (surplus := len(self._audio) - self._padding_bytes) > 0:
            del self._audio[:surplus]

    def append(self, audio: bytes) -> bool:
        """Add audio to the utterance, as far as there is room; returns whether this is the first that is lost of it."""
        room = self._most_bytes - len(self._audio)
        if len(audio) <= room:
            self._audio += audio
            return False
        self._audio += audio[:room]
        first, self._lost = not self._lost, True
        return first

    def content(self) -> bytes:
        """Return all that is kept."""
        return bytes(self._audio)

    def end_utterance(self) -> None:
        """Keep the newest audio only, as padding; nothing if it does not reach to the present."""
        if self._lost:
            self.clear()
        self.slide(b"")

    def clear(self) -> None:
        """Drop everything."""
        self._audio.clear()
        self._lost = False
