"""The names of the package, its records, and what importing it costs."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from lk_agents import stt

NAMES = {
    "AudioDropped",
    "AvailabilityChangedEvent",
    "FallbackAdapter",
    "RecognitionUsage",
    "RecognizeStream",
    "STT",
    "STTCapabilities",
    "SpeechData",
    "SpeechEvent",
    "SpeechEventType",
    "SpeechStream",
    "StreamAdapter",
    "StreamAdapterWrapper",
    "TimedWord",
}


def test_every_name_is_there_and_listed() -> None:
    assert set(stt.__all__) >= NAMES
    assert all(getattr(stt, name) for name in stt.__all__)
    assert dir(stt) == sorted(stt.__all__)


def test_the_older_name_of_the_stream_is_the_stream() -> None:
    assert stt.SpeechStream is stt.RecognizeStream


def test_events_have_these_types() -> None:
    assert {each.name: each.value for each in stt.SpeechEventType} == {
        "START_OF_SPEECH": "start_of_speech",
        "INTERIM_TRANSCRIPT": "interim_transcript",
        "PREFLIGHT_TRANSCRIPT": "preflight_transcript",
        "FINAL_TRANSCRIPT": "final_transcript",
        "RECOGNITION_USAGE": "recognition_usage",
        "END_OF_SPEECH": "end_of_speech",
        "TURN_RESUMED": "turn_resumed",
        "END_OF_TURN": "end_of_turn",
    }
    assert isinstance(stt.SpeechEventType.FINAL_TRANSCRIPT, str)


@pytest.mark.parametrize(
    ("record", "positional", "by_keyword"),
    [
        (
            stt.SpeechData,
            ["language", "text", "start_time", "end_time", "confidence", "words", "speaker_id"],
            [],
        ),
        (stt.SpeechEvent, ["type", "request_id", "alternatives", "recognition_usage"], []),
        (stt.RecognitionUsage, ["audio_duration"], []),
        (stt.STTCapabilities, ["streaming", "interim_results"], ["end_of_turn", "aligned_words"]),
        (stt.AvailabilityChangedEvent, ["stt", "available"], []),
        (stt.AudioDropped, ["seconds", "total_seconds"], []),
        (stt.TimedWord, ["text", "start_time", "end_time", "confidence", "speaker"], []),
    ],
)
def test_records_have_these_fields_in_this_order(record: type, positional: list[str], by_keyword: list[str]) -> None:
    fields = dataclasses.fields(record)

    assert [each.name for each in fields if not each.kw_only] == positional
    assert [each.name for each in fields if each.kw_only] == by_keyword


def test_records_have_the_defaults_of_the_older_ones() -> None:
    assert stt.SpeechData("en", "hello") == stt.SpeechData("en", "hello", 0.0, 0.0, 0.0, [], None)
    assert stt.SpeechEvent(stt.SpeechEventType.END_OF_SPEECH) == stt.SpeechEvent(
        stt.SpeechEventType.END_OF_SPEECH, "", [], None
    )
    assert not stt.STTCapabilities(True, False).end_of_turn


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = "livekit.rtc", "aiohttp", "numpy", "av", "PIL"
    program = (
        "import sys, lk_agents.stt as s; [getattr(s, n) for n in s.__all__]; "
        f"print([m for m in {heavy} if m in sys.modules])"
    )

    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=20)

    assert found.stdout.strip() == "[]"
