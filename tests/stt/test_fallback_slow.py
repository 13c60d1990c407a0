"""Members that are alive and do nothing are replaced in time; those that merely have nothing to say are not."""

from __future__ import annotations

import asyncio

import pytest
from tests.stt.detecting import LoudnessVAD
from tests.stt.hearing import (
    END,
    FINAL,
    FRAME_SECONDS,
    INTERIM,
    START,
    USAGE,
    HearingStream,
    HearingSTT,
    RecordingSTT,
    broken,
    changes_of,
    frame,
    listen,
    said,
    said_by,
    silence,
    spoken,
    texts,
)

from lk_agents.foundation.errors import APIConnectionError, APITimeoutError
from lk_agents.foundation.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from lk_agents.stt import STT, FallbackAdapter, RecognitionUsage, SpeechData, SpeechEvent, StreamAdapter
from lk_agents.testing import VirtualClock

pytestmark = pytest.mark.usefixtures("lk_clock")

SENTENCES = ([1, 2], [3], [4, 5, 6])
FRAMES = len(spoken(*SENTENCES))


def over(*members: STT, attempt_timeout: float = 1.0, retries: int = 0) -> FallbackAdapter:
    return FallbackAdapter(members, vad=LoudnessVAD(), attempt_timeout=attempt_timeout, max_retry_per_stt=retries)


class ScriptedStream(HearingStream):
    """Takes all audio and does what it is told at certain moments, in seconds of audio."""

    _stt: ScriptedSTT

    async def _run(self) -> None:
        seconds = 0.0
        async for item in self._input_ch:
            if not isinstance(item, self._FlushSentinel):
                seconds += item.duration
                for event in self._stt.script.get(round(seconds, 1), []):
                    self._event_ch.send_nowait(event)


class ScriptedSTT(HearingSTT):
    def __init__(self, script: dict[float, list[SpeechEvent]], *, interim_results: bool = True) -> None:
        super().__init__(interim_results=interim_results)
        self.script = script

    def stream(
        self, *, language: str | None = None, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> HearingStream:
        self.streams.append(ScriptedStream(stt=self, conn_options=conn_options))
        return self.streams[-1]


def tells(type: str, text: str = "") -> SpeechEvent:
    alternatives = [SpeechData("en", text)] if text else []
    return SpeechEvent(
        {"start": START, "end": END, "interim": INTERIM, "final": FINAL}[type], alternatives=alternatives
    )


async def gave_up_at(adapter: FallbackAdapter, clock: VirtualClock, *, seconds: float = 30) -> list[float]:
    """Let somebody be silent in front of the adapter, and return when it gave up a member."""
    found: list[float] = []
    adapter.on("stt_availability_changed", lambda change: None if change.available else found.append(clock.monotonic()))
    async with adapter, adapter.stream() as stream:
        for _ in range(round(seconds / FRAME_SECONDS)):
            await asyncio.sleep(FRAME_SECONDS)
            stream.push_frame(frame(0))
    return found


@pytest.mark.parametrize("position", ["open", *range(1, FRAMES + 1), "end"])
async def test_a_member_that_stops_at_any_position_is_replaced_and_no_word_is_lost_or_repeated(
    position: int | str, lk_clock: VirtualClock
) -> None:
    async with over(HearingSTT({position: silence}, always=True), HearingSTT()) as adapter:
        events = await listen(adapter.stream(), *SENTENCES)

        assert said(events) == said_by(*SENTENCES)
        assert lk_clock.monotonic() < FRAMES * FRAME_SECONDS + 1.2


async def test_a_member_that_takes_no_audio_is_given_up_after_the_attempt_timeout(lk_clock: VirtualClock) -> None:
    assert await gave_up_at(over(HearingSTT({"open": silence}), HearingSTT()), lk_clock) == pytest.approx([1.1])


async def test_its_own_retries_do_not_make_a_member_less_slow(lk_clock: VirtualClock) -> None:
    failing = HearingSTT({"open": broken()}, always=True)

    assert await gave_up_at(over(failing, HearingSTT(), retries=9), lk_clock) == pytest.approx([1.1])


async def test_the_error_of_a_slow_member_tells_who_and_what() -> None:
    async with over(HearingSTT({"open": silence})) as adapter, adapter.stream() as stream:
        stream.push_frame(frame(1))
        with pytest.raises(APIConnectionError) as caught:
            await anext(stream)

    cause = caught.value.__cause__
    assert isinstance(cause, APITimeoutError)
    assert (cause.provider, cause.phase) == ("tests.stt.hearing.HearingSTT", "send")


async def test_a_member_that_does_not_end_after_its_input_is_given_up(lk_clock: VirtualClock) -> None:
    async with over(HearingSTT({"end": silence}, always=True)) as adapter, adapter.stream() as stream:
        stream.push_frame(frame(0))
        stream.end_input()
        with pytest.raises(APIConnectionError) as caught:
            await anext(stream)

    assert lk_clock.monotonic() == pytest.approx(1)
    assert isinstance(caught.value.__cause__, APITimeoutError)


async def test_a_member_that_still_tells_something_after_its_input_is_waited_for(lk_clock: VirtualClock) -> None:
    async def tell_slowly(stream: HearingStream) -> None:
        for number in range(4):
            await asyncio.sleep(0.9)
            stream._event_ch.send_nowait(tells("final", f"w{number}"))

    async with over(HearingSTT({"end": tell_slowly})) as adapter, adapter.stream() as stream:
        stream.push_frame(frame(0))
        stream.end_input()
        assert texts([event async for event in stream]) == ["w0", "w1", "w2", "w3"]

    assert lk_clock.monotonic() == pytest.approx(3.6)


async def test_usage_is_no_sign_of_life(lk_clock: VirtualClock) -> None:
    async def count(stream: HearingStream) -> None:
        while True:
            await asyncio.sleep(0.3)
            stream._event_ch.send_nowait(SpeechEvent(USAGE, recognition_usage=RecognitionUsage(0.3)))

    async with over(HearingSTT({"end": count})) as adapter, adapter.stream() as stream:
        stream.push_frame(frame(0))
        stream.end_input()
        with pytest.raises(APIConnectionError):
            async for _ in stream:
                pass

    assert lk_clock.monotonic() == pytest.approx(1)


async def test_minutes_of_silence_are_no_fault(lk_clock: VirtualClock) -> None:
    assert await gave_up_at(over(HearingSTT(), HearingSTT()), lk_clock, seconds=300) == []


async def test_a_start_without_a_transcript_is_too_slow(lk_clock: VirtualClock) -> None:
    adapter = over(ScriptedSTT({2.0: [tells("start")]}), HearingSTT())

    assert await gave_up_at(adapter, lk_clock) == pytest.approx([3.0])


@pytest.mark.parametrize(
    "script",
    [
        {2.0: [tells("start")], 2.9: [tells("interim", "he")]},
        {2.0: [tells("start")], 2.9: [tells("final", "hello")]},
        {2.0: [tells("start")], 2.9: [tells("end")]},
        {2.0: [tells("start")], 2.5: [tells("end")], 2.7: [tells("start")], 3.6: [tells("interim", "he")]},
        {2.0: [tells("start"), tells("interim", "he")]},
    ],
    ids=["an interim", "a final", "an end, so it was a noise", "another start", "both at once"],
)
async def test_a_start_that_something_follows_in_time_is_not(
    script: dict[float, list[SpeechEvent]], lk_clock: VirtualClock
) -> None:
    assert await gave_up_at(over(ScriptedSTT(script), HearingSTT()), lk_clock) == []


@pytest.mark.parametrize("text", ["", "  "], ids=["no text", "white space"])
async def test_an_empty_transcript_is_none(text: str, lk_clock: VirtualClock) -> None:
    nothing = SpeechEvent(INTERIM, alternatives=[SpeechData("en", text)])
    adapter = over(ScriptedSTT({2.0: [tells("start")], 2.5: [nothing], 2.9: [nothing]}), HearingSTT())

    assert await gave_up_at(adapter, lk_clock) == pytest.approx([3.0])


async def test_a_member_without_interims_may_have_to_hear_a_long_speech_to_its_end(lk_clock: VirtualClock) -> None:
    patient = ScriptedSTT({2.0: [tells("start")], 25.0: [tells("end"), tells("final", "hello")]}, interim_results=False)

    assert await gave_up_at(over(patient, HearingSTT()), lk_clock) == []


async def test_a_noise_does_not_cost_the_last_member(lk_clock: VirtualClock) -> None:
    deaf = ScriptedSTT({2.0: [tells("start")], 9.0: [tells("interim", "he"), tells("final", "hello")]})
    async with over(HearingSTT({"open": broken()}, always=True), deaf) as adapter:
        events = await listen(adapter.stream(), [], pause=200)

    assert [event.type for event in events] == [START, INTERIM, FINAL]
    assert lk_clock.monotonic() == pytest.approx(20)


async def test_a_member_that_understands_nothing_while_one_on_trial_does_is_too_slow(lk_clock: VirtualClock) -> None:
    """The first one broke and is on trial; the second takes all audio and says nothing; the third is good."""
    first, deaf, third = HearingSTT({1: broken()}), ScriptedSTT({}), HearingSTT()
    async with over(first, deaf, third) as adapter:
        changes = changes_of(adapter)
        events = await listen(adapter.stream(), [], [1], [2], [3], pause=8)

    assert changes == [(first, False), (first, True), (deaf, False)]
    assert said(events) == ["w1", "w2", "w3"]


async def test_a_member_that_was_quicker_than_the_one_on_trial_is_not() -> None:
    class Repaired(ScriptedSTT):
        def stream(
            self, *, language: str | None = None, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
        ) -> HearingStream:
            self.sessions += 1
            if self.sessions == 1:
                raise broken()
            return super().stream(language=language, conn_options=conn_options)

    slower, quick = Repaired({0.9: [tells("final", "hello")]}), ScriptedSTT({0.5: [tells("final", "hello")]})
    async with over(slower, quick, HearingSTT()) as adapter:
        changes = changes_of(adapter)
        events = await listen(adapter.stream(), [], pause=50)

    assert texts(events) == ["hello"]
    assert changes == [(slower, False), (slower, True)]


async def test_a_member_that_does_not_understand_what_the_one_before_had_begun_to_is_too_slow() -> None:
    first, deaf = HearingSTT({5: broken()}, *[{"open": broken()}] * 20), ScriptedSTT({})
    async with over(first, deaf, HearingSTT()) as adapter:
        changes = changes_of(adapter)
        events = await listen(adapter.stream(), [1, 2], [], [], [3], pause=8)

    assert said(events) == ["w1", "w2", "w3"]
    assert changes == [(first, False), (deaf, False)]


@pytest.mark.parametrize("wrapped", [True, False], ids=["by the user", "by the adapter"])
async def test_a_recognition_that_takes_too_long_is_done_by_the_next_member(
    wrapped: bool, lk_clock: VirtualClock
) -> None:
    slow = RecordingSTT(5.0)
    member = StreamAdapter(stt=slow, vad=LoudnessVAD()) if wrapped else slow
    async with over(member, RecordingSTT(0.1)) as adapter, adapter.stream() as stream:
        for each in spoken([1, 2], pause=2):
            await asyncio.sleep(FRAME_SECONDS)
            stream.push_frame(each)
        ended_at = lk_clock.monotonic()
        while (event := await anext(stream)).type != FINAL:
            pass

        assert event.alternatives[0].text == "w1 w2"
        assert lk_clock.monotonic() - ended_at == pytest.approx(1.1)


async def test_a_noise_that_a_recogniser_of_recordings_does_not_understand_is_no_fault() -> None:
    noise = RecordingSTT("")
    async with over(noise, HearingSTT()) as adapter:
        changes = changes_of(adapter)
        events = await listen(adapter.stream(), [1], [], [], pause=20)

    assert [event.type for event in events] == [START, END]
    assert changes == []


async def test_a_reader_that_takes_its_time_is_not_the_members_fault() -> None:
    member = HearingSTT()
    async with over(member) as adapter, adapter.stream() as stream:
        for number in range(1, 30):
            stream.push_frame(frame(number))
        await asyncio.sleep(10)
        stream.end_input()
        await asyncio.sleep(10)

        assert len(said([event async for event in stream])) == 29
    assert member.sessions == 1


async def test_a_member_that_fails_while_it_is_given_audio_fails_with_its_own_error() -> None:
    async def refuse_and_fail(stream: HearingStream) -> None:
        stream._input_ch.close()
        await asyncio.sleep(0.2)
        raise KeyError("its own")

    async with over(HearingSTT({1: refuse_and_fail})) as adapter, adapter.stream() as stream:
        for _ in range(5):
            stream.push_frame(frame(1))
        with pytest.raises(APIConnectionError) as caught:
            async for _ in stream:
                pass

    assert isinstance(caught.value.__cause__, KeyError)
