"""What can be set."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Final

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.types import NotGiven, NotGivenOr

__all__ = ["SAMPLE_RATES", "VADOptions"]

SAMPLE_RATES: Final = (8000, 16000)


@dataclass(frozen=True, kw_only=True)
class VADOptions:
    """What counts as speech, and what is kept of it. Durations are seconds; 0 is a value like any other.

    :param min_speech_duration: how long a run of speech must be before it counts as begun.
    :param min_silence_duration: how long it must be silent before the speech counts as ended.
    :param prefix_padding_duration: how much audio from before the speech is kept with it.
    :param max_buffered_speech: how much of one utterance is kept; the padding comes on top.
    :param activation_threshold: from which probability on a window is speech, 0 to 1.
    :param deactivation_threshold: the same while somebody speaks; a lower one bridges doubtful windows. None: the
        activation threshold.
    :param sample_rate: of the model, 8000 or 16000 Hz. Audio of any rate can be pushed.
    :raises ConfigError: a value is out of its range.
    """

    min_speech_duration: float = 0.05
    min_silence_duration: float = 0.55
    prefix_padding_duration: float = 0.5
    max_buffered_speech: float = 60.0
    activation_threshold: float = 0.5
    deactivation_threshold: float | None = None
    sample_rate: int = 16000

    def __post_init__(self) -> None:
        durations = ("min_speech_duration", "min_silence_duration", "prefix_padding_duration", "max_buffered_speech")
        for name in durations:
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name} is {getattr(self, name)!r}; it must be a number of seconds, 0 or more")
        if not 0 <= self.activation_threshold <= 1:
            raise ConfigError(f"activation_threshold is {self.activation_threshold!r}; it must lie between 0 and 1")
        if not 0 <= self.staying_threshold <= self.activation_threshold:
            raise ConfigError(
                f"deactivation_threshold is {self.deactivation_threshold!r}; it must lie between 0 and the "
                f"activation_threshold, {self.activation_threshold!r}"
            )
        if self.sample_rate not in SAMPLE_RATES:
            raise ConfigError(f"sample_rate is {self.sample_rate!r}; the model takes 8000 or 16000 Hz")

    @property
    def staying_threshold(self) -> float:
        """From which probability on a window is speech while somebody speaks."""
        return self.activation_threshold if self.deactivation_threshold is None else self.deactivation_threshold

    def changed(
        self, *, deactivation_threshold: NotGivenOr[float | None], **others: NotGivenOr[float | None]
    ) -> VADOptions:
        """Return these options with what is given changed.

        :param deactivation_threshold: None for the activation threshold, whatever that is or becomes.
        :param others: by name; None leaves one as it is.
        :raises ConfigError: a value is out of its range.
        """
        given: dict[str, Any] = {
            name: value for name, value in others.items() if not isinstance(value, NotGiven) and value is not None
        }
        if not isinstance(deactivation_threshold, NotGiven):
            given["deactivation_threshold"] = deactivation_threshold
        return replace(self, **given)
