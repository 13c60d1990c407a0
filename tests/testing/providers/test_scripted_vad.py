"""The scripted detector: the same events as a real one, where the script has speech."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from lk_agents.foundation.errors import APIConnectionError, ConfigError
from lk_agents.testing.providers import Break, BreakKind, Heard, ScriptedVAD, voice
from lk_agents.vad import VADEvent, VADEventType

WINDOW = 0.032


async def detect(vad: ScriptedVAD, windows: int, rate: int = 16_000) -> list[VADEvent]:
    stream = vad.stream()
    for frame in voice([], windows * WINDOW, sample_rate=rate, frame_seconds=WINDOW):
        stream.push_frame(frame)
    stream.end_input()
    try:
        return [event async for event in stream]
    finally:
        await stream.aclose()


def bounds(events: Sequence[VADEvent]) -> list[tuple[str, float, float]]:
    return [
        (event.type.value, round(event.timestamp, 3), round(event.frames[0].duration, 3))
        for event in events
        if event.type is not VADEventType.INFERENCE_DONE
    ]


async def test_speech_after_silence_is_told_as_by_a_real_detector() -> None:
    events = await detect(ScriptedVAD([(30 * WINDOW, 50 * WINDOW)]), 90)

    assert [(name, at) for name, at, _ in bounds(events)] == [("start_of_speech", 1.024), ("end_of_speech", 2.176)]
    assert [event.speech_duration for event in events if event.type == "end_of_speech"] == [pytest.approx(0.64)]


async def test_speech_at_once_has_no_audio_from_before() -> None:
    events = await detect(ScriptedVAD([(0.0, 20 * WINDOW)]), 60)

    assert bounds(events) == [("start_of_speech", 0.064, 0.064), ("end_of_speech", 1.216, 1.216)]


async def test_a_single_window_is_too_short() -> None:
    assert bounds(await detect(ScriptedVAD([(30 * WINDOW, 31 * WINDOW)]), 60)) == []


async def test_a_short_pause_does_not_end_the_speech() -> None:
    vad = ScriptedVAD([(30 * WINDOW, 50 * WINDOW), (60 * WINDOW, 80 * WINDOW)])

    assert [name for name, *_ in bounds(await detect(vad, 120))] == ["start_of_speech", "end_of_speech"]


async def test_speech_that_is_open_at_the_end_gets_no_end() -> None:
    vad = ScriptedVAD([(30 * WINDOW, 50 * WINDOW)])

    assert [name for name, *_ in bounds(await detect(vad, 50))] == ["start_of_speech"]


async def test_without_a_script_it_hears_what_is_loud() -> None:
    stream = ScriptedVAD().stream()
    for frame in voice([Heard("hello", 1.0, 2.0)], 3.0):
        stream.push_frame(frame)
    stream.end_input()
    found = [event async for event in stream]
    await stream.aclose()

    starts = [event.timestamp for event in found if event.type is VADEventType.START_OF_SPEECH]
    assert starts == [pytest.approx(1.056, abs=0.04)]


async def test_every_window_has_a_verdict_of_its_own() -> None:
    events = await detect(ScriptedVAD([(WINDOW, 2 * WINDOW)]), 3)

    assert [event.is_speech for event in events] == [False, True, False]
    assert [event.probability for event in events] == [0.0, 1.0, 0.0]


async def test_an_utterance_of_a_script_is_where_there_is_speech() -> None:
    assert ScriptedVAD([Heard("hello", 1.0, 2.0)]).speech == [(1.0, 2.0)]


async def test_an_error_at_a_position_ends_the_stream() -> None:
    with pytest.raises(APIConnectionError):
        await detect(ScriptedVAD([], breaks=[Break(at=0.5)]), 60)


async def test_an_end_at_a_position_leaves_the_rest_unjudged() -> None:
    events = await detect(ScriptedVAD([], breaks=[Break(at=0.5, kind=BreakKind.END)]), 60)

    assert len(events) == 16


@pytest.mark.parametrize("speech", [(1.0, 1.0), (2.0, 1.0), (-1.0, 1.0)])
async def test_speech_that_cannot_be_is_refused(speech: tuple[float, float]) -> None:
    with pytest.raises(ConfigError):
        ScriptedVAD([speech])
