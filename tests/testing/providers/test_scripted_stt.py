"""The scripted recogniser: what it hears when, what goes wrong, and what is recorded."""

from __future__ import annotations

import asyncio

import pytest

from lk_agents.foundation.errors import APIConnectionError, APITimeoutError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.stt import SpeechEvent, SpeechEventType
from lk_agents.testing import VirtualClock
from lk_agents.testing.providers import Break, BreakKind, Heard, ScriptedSTT, ScriptError, voice

SCRIPT = [Heard("good morning", 0.5, 1.3), Heard("how are you", 2.0, 3.2, language="de")]
FINAL = SpeechEventType.FINAL_TRANSCRIPT
ONCE = APIConnectOptions(max_retry=0)


async def hear(stt: ScriptedSTT, seconds: float = 4.0, **options: object) -> list[SpeechEvent]:
    async with stt.stream(**options) as stream:  # type: ignore[arg-type]
        for frame in voice(SCRIPT, seconds):
            stream.push_frame(frame)
        stream.end_input()
        return [event async for event in stream]


def finals(events: list[SpeechEvent]) -> list[str]:
    return [event.alternatives[0].text for event in events if event.type is FINAL]


async def test_a_final_comes_when_its_audio_has_been_pushed_and_not_before() -> None:
    audio = voice(SCRIPT, 4.0)
    async with ScriptedSTT(SCRIPT[:1]) as stt, stt.stream() as stream:
        for frame in audio[: round(1.48 / 0.02)]:
            stream.push_frame(frame)
        await asyncio.sleep(0.01)
        waiting = [await anext(stream) for _ in range(2)]
        assert [event.type for event in waiting] == ["start_of_speech", "interim_transcript"]

        stream.push_frame(audio[round(1.48 / 0.02)])

        assert (await anext(stream)).alternatives[0].text == "good morning"


async def test_the_language_is_that_of_the_utterance_or_what_was_asked_for() -> None:
    own = [event.alternatives[0].language for event in await hear(ScriptedSTT(SCRIPT)) if event.type is FINAL]
    asked = await hear(ScriptedSTT(SCRIPT), language="fr")

    assert own == ["en", "de"]
    assert {event.alternatives[0].language for event in asked if event.alternatives} == {"fr"}


async def test_a_recording_is_matched_by_its_sound_and_not_by_the_number_of_the_call() -> None:
    stt = ScriptedSTT(SCRIPT, streaming=False)
    audio = voice(SCRIPT, 4.0)

    second = await stt.recognize(audio[round(1.6 / 0.02) :])
    both = await stt.recognize(audio)

    assert second.alternatives[0].text == "how are you"
    assert both.alternatives[0].text == "good morning how are you"


async def test_without_streaming_it_opens_no_stream() -> None:
    with pytest.raises(NotImplementedError):
        ScriptedSTT(streaming=False).stream()


async def test_requests_are_recorded() -> None:
    stt = ScriptedSTT(SCRIPT)

    await hear(stt, language="en")
    await stt.recognize(voice(SCRIPT, 2.0), language="de")

    assert [(call.streamed, call.language) for call in stt.calls] == [(True, "en"), (False, "de")]
    assert [call.audio_seconds for call in stt.calls] == pytest.approx([0.0, 2.0])


async def test_an_error_at_a_position_is_made_good_by_another_attempt(lk_clock: VirtualClock) -> None:
    async with ScriptedSTT(SCRIPT, breaks=[Break(at=2.5)]) as stt:
        assert finals(await hear(stt)) == ["good morning", "how are you"]

    assert stt.breaks.attempts == 2


async def test_an_end_at_a_position_is_made_good_by_another_attempt(lk_clock: VirtualClock) -> None:
    async with ScriptedSTT(SCRIPT, breaks=[Break(at=1.7, kind=BreakKind.END)]) as stt:
        assert finals(await hear(stt)) == ["good morning", "how are you"]

    assert stt.breaks.attempts == 2


async def test_an_empty_transcript_comes_between_the_others() -> None:
    async with ScriptedSTT(SCRIPT, breaks=[Break(at=1.7, kind=BreakKind.EMPTY)]) as stt:
        events = await hear(stt)

    empty = [event for event in events if event.alternatives and not event.alternatives[0].text]
    assert [event.type for event in empty] == ["interim_transcript"]
    assert finals(events) == ["good morning", "how are you"]


async def test_a_recognition_takes_as_long_as_it_is_told(lk_clock: VirtualClock) -> None:
    await ScriptedSTT(SCRIPT, streaming=False, recognition_seconds=0.7).recognize(voice(SCRIPT, 4.0))

    assert lk_clock.monotonic() == pytest.approx(0.7)


async def test_a_stalled_recognition_ends_by_its_time_out(lk_clock: VirtualClock) -> None:
    stt = ScriptedSTT(SCRIPT, breaks=[Break(kind=BreakKind.STALL)])

    with pytest.raises(APITimeoutError):
        await stt.recognize(voice(SCRIPT, 4.0), conn_options=APIConnectOptions(max_retry=0, timeout=3))

    assert lk_clock.monotonic() == pytest.approx(3)


async def test_an_utterance_that_was_never_heard_is_an_error_at_the_end() -> None:
    with pytest.raises(ScriptError, match="'how are you' was never heard"):
        async with ScriptedSTT(SCRIPT) as stt:
            await hear(stt, 1.9)


async def test_a_break_that_never_struck_is_an_error_at_the_end() -> None:
    with pytest.raises(ScriptError, match=r"at=60.* has 1 times left"):
        async with ScriptedSTT(SCRIPT, breaks=[Break(at=60.0)]) as stt:
            await hear(stt)


async def test_another_error_is_not_covered_by_what_is_left_of_the_script() -> None:
    with pytest.raises(APIConnectionError):
        async with ScriptedSTT(SCRIPT, breaks=[Break()]) as stt:
            await hear(stt, conn_options=ONCE)
