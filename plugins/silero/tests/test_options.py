"""What can be set, and what cannot."""

from __future__ import annotations

from typing import Any

import pytest

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.types import NOT_GIVEN
from lk_agents_silero.options import VADOptions


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("min_speech_duration", -0.1),
        ("min_silence_duration", float("nan")),
        ("prefix_padding_duration", float("inf")),
        ("max_buffered_speech", -1),
        ("activation_threshold", 1.1),
        ("activation_threshold", -0.1),
        ("deactivation_threshold", 0.6),
        ("deactivation_threshold", -0.1),
        ("sample_rate", 44100),
    ],
)
def test_a_value_out_of_its_range_is_refused_by_name(name: str, value: float) -> None:
    options: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match=f"^{name} is {value}"):
        VADOptions(**options)


def test_zero_is_a_value_like_any_other() -> None:
    options = VADOptions().changed(
        min_speech_duration=0,
        min_silence_duration=0.0,
        prefix_padding_duration=0,
        max_buffered_speech=0,
        activation_threshold=0,
        deactivation_threshold=0,
    )

    assert options == VADOptions(
        min_speech_duration=0,
        min_silence_duration=0,
        prefix_padding_duration=0,
        max_buffered_speech=0,
        activation_threshold=0,
        deactivation_threshold=0,
    )


def test_what_is_not_given_stays() -> None:
    options = VADOptions(min_speech_duration=1, deactivation_threshold=0.2)

    changed = options.changed(deactivation_threshold=NOT_GIVEN, min_speech_duration=None, max_buffered_speech=NOT_GIVEN)

    assert changed == options


def test_the_threshold_for_staying_follows_the_other_until_it_is_set() -> None:
    options = VADOptions()
    assert options.staying_threshold == 0.5

    higher = options.changed(deactivation_threshold=NOT_GIVEN, activation_threshold=0.7)
    assert higher.staying_threshold == 0.7
    assert higher.changed(deactivation_threshold=0.3).staying_threshold == 0.3
    assert higher.changed(deactivation_threshold=0.3).changed(deactivation_threshold=None).staying_threshold == 0.7


def test_a_change_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"deactivation_threshold is 0\.4"):
        VADOptions(deactivation_threshold=0.4).changed(deactivation_threshold=NOT_GIVEN, activation_threshold=0.3)
