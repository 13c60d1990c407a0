"""From the probabilities of single windows to speech with a beginning and an end.

Pure: nothing here hears audio, asks a model or reads a clock.
"""

from __future__ import annotations

from typing import Final

from lk_agents.vad.events import VADEvent, VADEventType
from lk_agents_silero.options import VADOptions

__all__ = ["Segmenter"]

OLD_SHARE: Final = 0.35
"""How much of the smoothed probability is the one before."""
ROUNDING: Final = 1e-9
"""A run of windows that is too short by rounding alone is long enough."""


class Segmenter:
    """Judges one window after the other.

    All lengths are kept in windows: seconds that are added up for an hour drift.

    :param options: may be replaced at any time; the next window is judged by the new ones.
    :param window_samples: length of a window at the model's rate.
    """

    def __init__(self, options: VADOptions, *, window_samples: int) -> None:
        self.options = options
        self._window_samples = window_samples
        self._window_seconds = window_samples / options.sample_rate
        self._samples_index = 0
        self._smoothed: float | None = None
        self._speaking = False
        self._speech_windows = self._silence_windows = 0  # since it began, or ended
        self._speech_run = self._silence_run = 0  # without a window of the other kind between

    @property
    def speaking(self) -> bool:
        """Whether somebody speaks."""
        return self._speaking

    @property
    def is_idle(self) -> bool:
        """Whether nobody speaks and the last window was no speech either: audio is kept as padding only."""
        return not self._speaking and not self._speech_run

    def restart(self, samples_index: int) -> None:
        """Begin anew; speech that was under way does not end, it is forgotten.

        :param samples_index: where the next window begins.
        """
        self._samples_index = samples_index
        self._smoothed = None
        self._speaking = False
        self._speech_windows = self._silence_windows = self._speech_run = self._silence_run = 0

    def judge(self, probability: float) -> list[VADEvent]:
        """Return what follows from the next window: its own event and, where it changes the state, a second one.

        The audio of the events is the caller's to add.

        :param probability: the model's, for this window alone.
        """
        if self._smoothed is None:
            self._smoothed = probability
        else:
            self._smoothed = OLD_SHARE * self._smoothed + (1 - OLD_SHARE) * probability
        self._samples_index += self._window_samples
        if self._speaking:
            self._speech_windows += 1
        else:
            self._silence_windows += 1
        is_speech = self._smoothed >= self._threshold()
        events = [self._inference_done(is_speech=is_speech)]
        if is_speech:
            self._speech_run += 1
            self._silence_run = 0
            if not self._speaking and self._lasts(self._speech_run, self.options.min_speech_duration):
                events.append(self._begin())
        else:
            self._silence_run += 1
            self._speech_run = 0
            if self._speaking and self._lasts(self._silence_run, self.options.min_silence_duration):
                events.append(self._end())
        return events

    def _threshold(self) -> float:
        return self.options.staying_threshold if self._speaking else self.options.activation_threshold

    def _lasts(self, windows: int, seconds: float) -> bool:
        return windows * self._window_seconds >= seconds - ROUNDING

    def _begin(self) -> VADEvent:
        self._speaking = True
        self._silence_windows = 0
        self._speech_windows = self._speech_run
        return self._event(VADEventType.START_OF_SPEECH)

    def _end(self) -> VADEvent:
        self._speaking = False
        self._silence_windows = self._silence_run
        self._speech_windows -= self._silence_run
        event = self._event(VADEventType.END_OF_SPEECH)
        self._speech_windows = 0
        return event

    def _inference_done(self, *, is_speech: bool) -> VADEvent:
        event = self._event(VADEventType.INFERENCE_DONE)
        assert self._smoothed is not None  # judge() has set it
        event.probability = self._smoothed
        event.is_speech = is_speech
        event.speaking = self._speaking
        event.raw_accumulated_silence = self._silence_run * self._window_seconds
        event.raw_accumulated_speech = self._speech_run * self._window_seconds
        return event

    def _event(self, kind: VADEventType) -> VADEvent:
        return VADEvent(
            type=kind,
            samples_index=self._samples_index,
            timestamp=self._samples_index / self.options.sample_rate,
            speech_duration=self._speech_windows * self._window_seconds,
            silence_duration=self._silence_windows * self._window_seconds,
            speaking=self._speaking,
        )
