"""Several recognisers as one that listens: the next one goes on where the one that failed stood."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest
from tests.stt.detecting import LoudnessVAD
from tests.stt.hearing import (
    END,
    FRAME_SECONDS,
    START,
    USAGE,
    HearingStream,
    HearingSTT,
    Leave,
    RecordingSTT,
    broken,
    changes_of,
    finals,
    frame,
    listen,
    metrics_of,
    said,
    said_by,
    samples,
    silence,
    spoken,
    texts,
)

from lk_agents.foundation.errors import APIConnectionError, StreamInputError
from lk_agents.foundation.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from lk_agents.stt import (
    STT,
    AudioDropped,
    FallbackAdapter,
    RecognitionUsage,
    SpeechEvent,
    StreamAdapter,
)
from lk_agents.testing import VirtualClock

pytestmark = pytest.mark.usefixtures("lk_clock")

SENTENCES = ([1, 2], [3], [4, 5, 6])
FRAMES = len(spoken(*SENTENCES))


def over(*members: STT, attempt_timeout: float = 10.0, retries: int = 0) -> FallbackAdapter:
    return FallbackAdapter(members, vad=LoudnessVAD(), attempt_timeout=attempt_timeout, max_retry_per_stt=retries)


def dead(*, interim_results: bool = True) -> HearingSTT:
    """Return a member that cannot even be reached."""
    return HearingSTT({"open": broken()}, always=True, interim_results=interim_results)


async def test_a_member_that_fails_at_once_is_replaced_although_the_input_has_ended() -> None:
    async with over(dead(), HearingSTT()) as adapter, adapter.stream() as stream:
        stream.push_frame(frame(1))
        stream.end_input()
        assert texts([event async for event in stream]) == ["w1"]


async def test_without_any_audio_no_member_is_asked() -> None:
    member = HearingSTT()
    async with over(dead(), member) as adapter, adapter.stream() as stream:
        stream.flush()
        stream.end_input()
        assert [event async for event in stream] == []

    assert member.streams == []


async def test_a_flush_before_the_first_audio_is_no_sign_of_a_slow_member() -> None:
    member = HearingSTT()
    async with over(member, attempt_timeout=1) as adapter, adapter.stream() as stream:
        changes = changes_of(adapter)
        stream.flush()
        await asyncio.sleep(5)
        stream.push_frame(frame(1))
        stream.end_input()
        assert texts([event async for event in stream]) == ["w1"]

    assert changes == []


@pytest.mark.parametrize("timed", [True, False], ids=["with times", "without times"])
@pytest.mark.parametrize("position", ["open", *range(1, FRAMES + 1), "end"])
async def test_a_member_that_breaks_at_any_position_costs_no_word_and_repeats_none(
    position: int | str, timed: bool
) -> None:
    first = HearingSTT({position: broken()}, always=True, timed=timed)
    second = HearingSTT(timed=timed)
    async with over(first, second) as adapter:
        changes = changes_of(adapter)
        events = await listen(adapter.stream(), *SENTENCES)

    assert said(events) == said_by(*SENTENCES)
    assert changes[0] == (first, False)
    assert second.sessions == 1


@pytest.mark.parametrize("position", range(1, FRAMES + 1))
async def test_times_and_order_stay_those_of_one_stream(position: int) -> None:
    unbroken = finals(await listen(HearingSTT(with_words=True).stream(), *SENTENCES))
    members = HearingSTT({position: broken()}, always=True, with_words=True), HearingSTT(with_words=True)
    async with over(*members) as adapter:
        events = await listen(adapter.stream(), *SENTENCES)

    heard = finals(events)
    assert [each.text for each in heard] == [each.text for each in unbroken]
    assert [each.start_time for each in heard] == pytest.approx([each.start_time for each in unbroken])
    assert [each.end_time for each in heard] == pytest.approx([each.end_time for each in unbroken])
    for one, other in zip(heard, unbroken, strict=True):
        assert [word.start_time for word in one.words] == pytest.approx([word.start_time for word in other.words])
    borders = [event.type for event in events if event.type in {START, END}]
    assert all(one != other for one, other in pairwise(borders))
    assert (borders[0], borders[-1]) == (START, END)


@pytest.mark.parametrize("position", range(1, FRAMES + 1))
async def test_two_members_in_a_row_that_break_cost_no_word_either(position: int) -> None:
    members = [HearingSTT({position: broken()}, always=True) for _ in range(2)]
    async with over(*members, HearingSTT()) as adapter:
        events = await listen(adapter.stream(), *SENTENCES)

    assert said(events) == said_by(*SENTENCES)


@pytest.mark.parametrize("position", ["open", *range(1, FRAMES + 1), "end"])
async def test_adapters_nest_and_lose_nothing(position: int | str) -> None:
    broken_inside = HearingSTT({position: broken()}, always=True)
    async with over(broken_inside, HearingSTT()) as inner, over(dead(), inner) as outer:
        events = await listen(outer.stream(), *SENTENCES)

    assert said(events) == said_by(*SENTENCES)


async def test_a_single_good_member_behind_the_adapter_tells_the_same_as_without_it() -> None:
    alone = await listen(HearingSTT(with_words=True).stream(), *SENTENCES)
    async with over(HearingSTT(with_words=True)) as adapter:
        wrapped = await listen(adapter.stream(), *SENTENCES)

    assert wrapped == alone


async def test_members_get_the_language_and_the_adapters_options() -> None:
    member = HearingSTT()
    async with over(member, attempt_timeout=4, retries=2) as adapter:
        await listen(adapter.stream(language="de", conn_options=APIConnectOptions(max_retry=9)), [1])

    assert member.opened == [("de", APIConnectOptions(max_retry=2, timeout=4, retry_interval=5))]


async def test_flushes_reach_the_member_and_so_does_the_end_of_the_input() -> None:
    member = HearingSTT()
    async with over(member) as adapter, adapter.stream() as stream:
        stream.push_frame(frame(1))
        stream.flush()
        stream.end_input()
        assert texts([event async for event in stream]) == ["w1"]

    assert member.flushes == 3  # one of the caller's, one of the adapter's end of input, one of its own


async def test_all_audio_that_no_final_has_told_of_goes_to_the_next_member_but_10_seconds_at_most() -> None:
    second = HearingSTT()
    async with over(HearingSTT({200: broken()}, always=True), second) as adapter, adapter.stream() as stream:
        for number in range(200):
            await stream.feed(frame(number))
        await asyncio.sleep(1)

        assert samples(*second.given)[::100] == list(range(100, 200))


async def test_if_all_fail_that_is_the_error_and_what_was_told_before_is_handed_out() -> None:
    last = broken()
    async with over(dead(), HearingSTT({2: last})) as adapter:
        changes = changes_of(adapter)
        stream = adapter.stream()
        stream.push_frame(frame(1))
        stream.push_frame(frame(1))

        told = [(await anext(stream)).type for _ in range(3)]
        with pytest.raises(APIConnectionError, match="all members failed") as caught:
            await anext(stream)

    assert told == [START, "interim_transcript", END]
    assert caught.value.__cause__ is not None
    assert str(caught.value.__cause__) == str(last)
    assert len(changes) == 2


async def test_any_error_whatever_it_is_moves_on() -> None:
    async with over(HearingSTT({3: KeyError("a defect")}, always=True), HearingSTT()) as adapter:
        assert said(await listen(adapter.stream(), [1, 2])) == ["w1", "w2"]


async def test_a_member_whose_stream_ends_in_the_middle_of_the_input_has_failed() -> None:
    first = HearingSTT({4: Leave()})
    async with over(first, HearingSTT()) as adapter:
        changes = changes_of(adapter)
        events = await listen(adapter.stream(), *SENTENCES)

    assert said(events) == said_by(*SENTENCES)
    assert changes[0] == (first, False)


async def test_a_member_that_ends_before_it_has_taken_all_of_an_ended_input_has_failed_too() -> None:
    async with over(HearingSTT({4: Leave()}, always=True), HearingSTT()) as adapter, adapter.stream() as stream:
        for each in spoken(*SENTENCES):
            stream.push_frame(each)
        stream.end_input()

        assert said([event async for event in stream]) == said_by(*SENTENCES)


async def test_a_long_stream_gives_everybody_a_new_chance_when_the_last_member_fails() -> None:
    """The first one fails at once and is repaired later; the second breaks after many finals."""
    first = HearingSTT({"open": broken()}, always=True)
    second = HearingSTT({40: broken()}, always=True)
    async with over(first, second) as adapter:
        sentences = [[number] for number in range(1, 20)]
        stream = adapter.stream()
        listening = asyncio.create_task(listen(stream, *sentences), name="listen")
        await asyncio.sleep(3.5)
        first.always = False
        events = await listening

    assert said(events) == said_by(*sentences)
    assert len(second.given) < len(first.given)


@pytest.mark.parametrize("trouble", [broken(), Leave()], ids=["breaks", "ends"])
async def test_a_provider_that_hangs_up_after_minutes_of_silence_does_not_end_the_stream(trouble: Exception) -> None:
    member = HearingSTT({800: trouble}, always=True)
    async with over(member) as adapter:
        events = await listen(adapter.stream(), [], [], [1], pause=800)

    assert texts(events) == ["w1"]
    assert member.sessions > 2


async def test_members_that_only_recognise_recordings_work_with_the_detector() -> None:
    recordings = RecordingSTT()
    async with over(dead(), recordings) as adapter:
        metrics = metrics_of(adapter)
        events = await listen(adapter.stream(), *SENTENCES)

    assert said(events) == said_by(*SENTENCES)
    assert [(one.streamed, one.label) for one in metrics] == [(False, recordings.label)] * 3


@pytest.mark.parametrize("position", [1, 2, 3])
async def test_a_recording_that_one_member_cannot_recognise_is_recognised_by_the_next(position: int) -> None:
    good: list[str | Exception | float | None] = [None] * (position - 1)
    first = RecordingSTT(*good, broken())
    async with over(StreamAdapter(stt=first, vad=LoudnessVAD()), RecordingSTT()) as adapter:
        events = await listen(adapter.stream(), *SENTENCES)

    assert said(events) == said_by(*SENTENCES)


async def test_the_members_metrics_are_handed_on_and_none_of_its_own() -> None:
    class Counting(HearingSTT):
        async def meets(self, where: int | str, stream: HearingStream) -> None:
            if where == "end":
                stream._event_ch.send_nowait(SpeechEvent(USAGE, recognition_usage=RecognitionUsage(1.5)))

    member = Counting()
    async with over(member) as adapter:
        metrics, theirs = metrics_of(adapter), metrics_of(member)
        events = await listen(adapter.stream(), [1])

    assert [event.type for event in events].count(USAGE) == 1
    assert metrics == theirs
    assert [(one.audio_duration, one.label) for one in metrics] == [(1.5, member.label)]


async def test_what_waits_for_a_slow_member_waits_in_the_adapter_which_drops_the_oldest_and_tells() -> None:
    member = HearingSTT({"open": silence})
    async with over(member, attempt_timeout=60) as adapter:
        dropped: list[AudioDropped] = []
        adapter.on("audio_dropped", dropped.append)
        async with adapter.stream() as stream:
            for _ in range(120):
                await asyncio.sleep(FRAME_SECONDS)
                stream.push_frame(frame(1))

            assert dropped[-1].total_seconds == pytest.approx(1.9)
            assert member.streams[0]._input_ch.qsize() == 1


async def test_closing_in_the_middle_closes_the_members_stream() -> None:
    member = HearingSTT()
    async with over(member) as adapter:
        stream = adapter.stream()
        stream.push_frame(frame(1))
        assert (await anext(stream)).type == START
        await stream.aclose()

        with pytest.raises(StreamInputError):
            member.streams[0].push_frame(frame(1))


# --- coming back -------------------------------------------------------------------------------------------------


async def test_a_member_that_failed_hears_what_is_live_and_is_back_with_its_first_final_that_says_something() -> None:
    first = HearingSTT({3: broken()})
    second = HearingSTT()
    async with over(first, second) as adapter:
        changes = changes_of(adapter)
        stream = adapter.stream()
        listening = asyncio.create_task(listen(stream, *SENTENCES), name="listen")
        await asyncio.sleep(0.65)  # it has heard the second word on trial, and the silence after it is yet to come
        assert changes == [(first, False)]
        await asyncio.sleep(0.1)
        assert changes == [(first, False), (first, True)]
        events = await listening

        assert said(events) == said_by(*SENTENCES)
        assert first.opened[1][1].max_retry == 0
        assert (first.sessions, second.sessions) == (2, 1)  # a stream does not move back …
        await listen(adapter.stream(), [1])
        assert (first.sessions, second.sessions) == (3, 1)  # … and the next one does


@pytest.mark.parametrize(
    "defect",
    [
        {"open": silence},
        {1: StreamInputError("no more")},
        {2: RuntimeError("a defect")},
        {3: broken()},
        {2: lambda stream: stream._input_ch.close()},
        {2: lambda stream: stream.aclose()},
    ],
    ids=["takes nothing", "input error", "defect", "breaks", "closes its input", "closes itself"],
)
async def test_a_member_on_trial_whatever_it_does_does_not_disturb_the_healthy_one(
    defect: dict[int | str, Exception | Callable[[HearingStream], object]],
) -> None:
    first = HearingSTT({"open": broken()}, *[defect] * 20)
    async with over(first, HearingSTT()) as adapter:
        events = await listen(adapter.stream(), *SENTENCES)

    assert first.sessions > 1
    assert said(events) == said_by(*SENTENCES)


async def test_the_input_of_a_member_on_trial_ends_with_the_input_of_the_stream(lk_clock: VirtualClock) -> None:
    ended_at: list[float] = []

    async def end(stream: HearingStream) -> None:
        ended_at.append(lk_clock.monotonic())

    first = HearingSTT({"open": broken()}, {"end": end})
    second = HearingSTT({"end": lambda stream: asyncio.sleep(0.7)})
    async with over(first, second) as adapter:
        changes = changes_of(adapter)
        await listen(adapter.stream(), [], pause=5)

        assert ended_at == pytest.approx([0.5])
        assert lk_clock.monotonic() == pytest.approx(1.2)
        assert changes == [(first, False)]  # it has understood nothing, which proves nothing


async def test_a_member_on_trial_that_does_not_end_after_its_input_is_given_up(lk_clock: VirtualClock) -> None:
    first = HearingSTT({"open": broken()}, {"end": silence})
    async with over(first, HearingSTT(), attempt_timeout=2) as adapter:
        await listen(adapter.stream(), [], pause=5)
        assert not first.streams[1]._task.done()
        await asyncio.sleep(2.1)
        assert first.streams[1]._task.done()


async def test_flushes_reach_members_on_trial() -> None:
    first = HearingSTT({"open": broken()}, {"end": silence})
    async with over(first, HearingSTT(), attempt_timeout=1) as adapter, adapter.stream() as stream:
        for _ in range(4):  # at the first one it fails; before it has heard anything, it is told of no flush
            stream.push_frame(frame(0))
            await asyncio.sleep(0.1)
            stream.flush()
        await asyncio.sleep(0.1)

        assert first.flushes == 3


async def test_a_member_on_trial_that_refuses_its_input_is_tried_anew_and_the_healthy_one_hears_all() -> None:
    class Refusing(HearingStream):
        def push_frame(self, frame: object) -> None:
            raise RuntimeError("a defect")

        async def _run(self) -> None:
            await asyncio.Event().wait()

    class RefusingSTT(HearingSTT):
        def stream(
            self, *, language: str | None = None, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
        ) -> HearingStream:
            self.streams.append(Refusing(stt=self, conn_options=conn_options))
            return self.streams[-1]

    first = RefusingSTT()
    async with over(first, HearingSTT(), attempt_timeout=0.5) as adapter:
        events = await listen(adapter.stream(), *SENTENCES)

    assert said(events) == said_by(*SENTENCES)
    assert len(first.streams) == 3  # its own, and trials at 0.1 s and 1.2 s


async def test_when_all_have_failed_those_on_trial_are_let_go() -> None:
    first = HearingSTT({"open": broken()})
    async with over(first, HearingSTT({5: broken()}, always=True)) as adapter:
        with pytest.raises(APIConnectionError):
            await listen(adapter.stream(), [1, 1, 1])

        await asyncio.sleep(0.1)
        assert all(stream._task.done() for stream in first.streams)


async def test_a_member_that_one_stream_has_lost_is_tried_with_the_audio_of_another() -> None:
    first = HearingSTT({"open": broken()})
    async with over(first, HearingSTT()) as adapter:
        changes = changes_of(adapter)
        short = adapter.stream()
        short.end_input()
        async for _ in short:
            pass
        await asyncio.sleep(0.2)
        await listen(adapter.stream(), *SENTENCES)

        assert changes == [(first, False), (first, True)]


async def test_if_nobody_is_available_all_are_tried() -> None:
    first, second = dead(), dead()
    async with over(first, second) as adapter:
        for count in (1, 2):
            with pytest.raises(APIConnectionError):
                await listen(adapter.stream(), [1])
            assert first.sessions >= count
            assert second.sessions >= count
