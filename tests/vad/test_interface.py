"""The names of ``lk_agents.vad``, and what they promise without a stream."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lk_agents import vad
from lk_agents.foundation.errors import ConfigError
from lk_agents.metrics.records import VADMetrics
from lk_agents.vad import VAD, VADCapabilities, VADEvent, VADEventType, VADStream


class Deaf(VAD):
    """Has no streams."""

    def stream(self) -> VADStream:
        raise NotImplementedError


@pytest.mark.parametrize(
    "name", ["VAD", "VADCapabilities", "VADEvent", "VADEventType", "VADMetrics", "VADStream", "create"]
)
def test_the_public_names_can_be_had(name: str) -> None:
    assert getattr(vad, name).__name__ == name
    assert name in dir(vad)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="VADStraem"):
        vad.VADStraem  # noqa: B018


def test_the_metrics_are_those_of_the_metrics_package() -> None:
    assert vad.VADMetrics is VADMetrics


def test_importing_the_package_loads_neither_media_nor_numbers() -> None:
    code = "import sys; from lk_agents.vad import VAD, VADEvent; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert "lk_agents.vad.detector" in loaded
    assert {"livekit", "livekit.rtc", "numpy", "aiohttp"} & set(loaded) == set()


def test_the_kinds_of_events_are_texts() -> None:
    assert [kind.value for kind in VADEventType] == ["start_of_speech", "inference_done", "end_of_speech"]
    assert VADEventType("end_of_speech") is VADEventType.END_OF_SPEECH
    assert str(VADEventType.START_OF_SPEECH) == "start_of_speech"


def test_an_event_needs_only_what_all_events_have() -> None:
    event = VADEvent(VADEventType.END_OF_SPEECH, 512, 0.032, 1.5, 0.5)

    assert (event.samples_index, event.timestamp, event.speech_duration, event.silence_duration) == (
        512,
        0.032,
        1.5,
        0.5,
    )
    assert (event.frames, event.probability, event.inference_duration, event.speaking) == ([], 0.0, 0.0, False)
    assert (event.raw_accumulated_silence, event.raw_accumulated_speech) == (0.0, 0.0)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan")])
def test_an_interval_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(ConfigError, match="update_interval"):
        VADCapabilities(update_interval=seconds)


async def test_a_detector_has_a_label_and_may_have_nothing_to_prepare_or_close() -> None:
    deaf = Deaf(capabilities=VADCapabilities(update_interval=0.032))

    deaf.prewarm()
    await deaf.aclose()
    assert deaf.label == f"{Deaf.__module__}.Deaf"
    assert deaf.capabilities == VADCapabilities(update_interval=0.032)
