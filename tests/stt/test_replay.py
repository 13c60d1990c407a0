"""A provider that breaks: the next session gets what no final has told, and the reader hardly notices."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from tests.stt.hearing import (
    END,
    FINAL,
    FRAME_SECONDS,
    INTERIM,
    START,
    HearingStream,
    HearingSTT,
    broken,
    finals,
    frame,
    listen,
    said,
    said_by,
    samples,
    spoken,
)

from lk_agents import stt
from lk_agents.foundation.errors import APIConnectionError, APIStatusError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.stt import RecognizeStream, SpeechData, SpeechEvent, TimedWord
from lk_agents.testing import VirtualClock

SENTENCES = ([1, 2], [3], [4, 5, 6])
FRAMES = len(spoken(*SENTENCES))


@pytest.mark.usefixtures("lk_clock")
@pytest.mark.parametrize("timed", [True, False], ids=["with times", "without times"])
@pytest.mark.parametrize("position", ["open", *range(1, FRAMES + 1), "end"])
async def test_a_break_at_any_position_costs_no_word_and_repeats_none(position: int | str, timed: bool) -> None:
    engine = HearingSTT({position: broken()}, timed=timed)

    events = await listen(engine.stream(), *SENTENCES)

    assert engine.sessions == 2
    assert said(events) == said_by(*SENTENCES)


@pytest.mark.usefixtures("lk_clock")
@pytest.mark.parametrize("position", range(1, FRAMES + 1))
async def test_times_stay_on_the_axis_of_the_stream_over_a_break(position: int) -> None:
    unbroken = finals(await listen(HearingSTT(with_words=True).stream(), *SENTENCES))

    events = await listen(HearingSTT({position: broken()}, with_words=True).stream(), *SENTENCES)

    heard = finals(events)
    assert [each.start_time for each in heard] == pytest.approx([each.start_time for each in unbroken])
    assert [each.end_time for each in heard] == pytest.approx([each.end_time for each in unbroken])
    for one, other in zip(heard, unbroken, strict=True):
        assert [word.start_time for word in one.words] == pytest.approx([word.start_time for word in other.words])
        assert [word.end_time for word in one.words] == pytest.approx([word.end_time for word in other.words])


@pytest.mark.usefixtures("lk_clock")
@pytest.mark.parametrize("position", range(1, FRAMES + 1))
async def test_there_are_never_two_starts_without_an_end_over_a_break(position: int) -> None:
    events = await listen(HearingSTT({position: broken()}).stream(), *SENTENCES)

    borders = [event.type for event in events if event.type in {START, END}]
    assert all(first != second for first, second in pairwise(borders))
    assert borders[0] == START
    assert borders[-1] == END


@pytest.mark.usefixtures("lk_clock")
async def test_a_speech_that_a_break_interrupts_is_ended_when_it_breaks(lk_clock: VirtualClock) -> None:
    stream = HearingSTT({2: broken()}).stream(conn_options=APIConnectOptions(retry_interval=2))
    stream.push_frame(frame(1))
    stream.push_frame(frame(1))

    events = [await anext(stream) for _ in range(3)]

    assert [event.type for event in events] == [START, INTERIM, END]
    assert lk_clock.monotonic() == 0
    await stream.aclose()


@pytest.mark.usefixtures("lk_clock")
async def test_the_last_break_ends_the_speech_as_well_before_the_reader_gets_the_error() -> None:
    stream = HearingSTT({2: broken()}).stream(conn_options=APIConnectOptions(max_retry=0))
    stream.push_frame(frame(1))
    stream.push_frame(frame(1))

    assert [(await anext(stream)).type for _ in range(3)] == [START, INTERIM, END]
    with pytest.raises(APIConnectionError, match="the line broke"):
        await anext(stream)


class Telling(RecognizeStream):
    """Takes a frame, tells what it was given for this attempt, and breaks; in the last one it listens to the end."""

    def __init__(self, *attempts: list[SpeechEvent], frames: int = 1) -> None:
        self.attempts = list(attempts)
        self.frames = frames
        super().__init__(stt=HearingSTT(), conn_options=APIConnectOptions())

    async def _run(self) -> None:
        for _ in range(self.frames):
            await self._input_ch.recv()
        for event in self.attempts.pop(0):
            self._event_ch.send_nowait(event)
        if self.attempts:
            raise broken()
        async for _ in self._input_ch:
            pass


@pytest.mark.usefixtures("lk_clock")
async def test_an_end_that_a_plugin_makes_good_after_a_break_is_not_told_twice() -> None:
    stream = Telling([SpeechEvent(START)], [SpeechEvent(END), SpeechEvent(START), SpeechEvent(END)])
    stream.push_frame(frame(1))
    stream.end_input()

    assert [event.type async for event in stream] == [START, END, START, END]


def transcript(text: str, *, shift: float = 0.0, times: list[tuple[float, float]]) -> SpeechEvent:
    words = [
        TimedWord(word.strip(",.").lower(), start + shift, end + shift)
        for word, (start, end) in zip(text.split(), times, strict=True)
    ]
    return SpeechEvent(
        FINAL, alternatives=[SpeechData("en", text, words[0].start_time, words[-1].end_time, words=words)]
    )


@pytest.mark.usefixtures("lk_clock")
async def test_words_that_begin_before_the_last_finals_end_are_cut_from_what_is_understood_again() -> None:
    """The provider said until when it had settled the audio, and that was before the end of its own final."""
    first = transcript("Hello there,", times=[(0.0, 0.3), (0.3, 0.6)])
    again = transcript("There, good friend.", times=[(0.0, 0.3), (0.3, 0.6), (0.6, 0.9)])
    stream = Telling([first], [again], frames=10)
    stream._settles = lambda event: 0.3
    for _ in range(20):
        stream.push_frame(frame(1))
    stream.end_input()

    heard = finals([event async for event in stream])

    assert [each.text for each in heard] == ["Hello there,", "good friend."]
    assert [word.text for word in heard[1].words] == ["good", "friend"]
    assert [word.start_time for word in heard[1].words] == pytest.approx([0.6, 0.9])
    assert heard[1].start_time == pytest.approx(0.6)


@pytest.mark.usefixtures("lk_clock")
async def test_a_transcript_of_which_everything_was_told_is_not_told_again() -> None:
    first = transcript("hello", times=[(0.0, 0.6)])
    stream = Telling([first], [transcript("hello", times=[(0.0, 0.3)])], frames=10)
    stream._settles = lambda event: 0.3
    for _ in range(20):
        stream.push_frame(frame(1))
    stream.end_input()

    assert [each.text for each in finals([event async for event in stream])] == ["hello"]


@pytest.mark.usefixtures("lk_clock")
async def test_an_interim_of_the_same_audio_after_a_final_in_one_session_is_left() -> None:
    late = SpeechEvent(INTERIM, alternatives=[SpeechData("en", "hello", 0.0, 0.2)])
    stream = Telling([transcript("hello", times=[(0.0, 0.3)]), late])
    stream.push_frame(frame(1))
    stream.end_input()

    assert [event.type async for event in stream] == [FINAL, INTERIM]


class Session(HearingStream):
    """Opens a new session by itself, as older plugins do: its times begin at zero again and again."""

    async def _run(self) -> None:
        for _ in range(2):
            for _ in range(5):
                await self._input_ch.recv()
            self._event_ch.send_nowait(transcript("again", times=[(0.0, 0.5)]))
        raise broken() if self._stt.sessions == 1 else APIStatusError("enough", status_code=400)


@pytest.mark.usefixtures("lk_clock")
async def test_times_that_begin_anew_within_an_attempt_do_not_bring_old_audio_back() -> None:
    engine = HearingSTT()
    engine.sessions = 1
    stream = Session(stt=engine, conn_options=APIConnectOptions())
    for number in range(15):
        stream.push_frame(frame(number))
    assert [(await anext(stream)).type, (await anext(stream)).type] == [FINAL, FINAL]
    await asyncio.sleep(0)

    assert list(stream._input_ch._taken) == []
    await stream.aclose()


@pytest.mark.usefixtures("lk_clock")
async def test_without_any_final_the_last_10_seconds_come_again() -> None:
    engine = HearingSTT({200: broken()})

    stream = engine.stream()
    for number in range(200):
        await stream.feed(frame(number))
    stream.end_input()
    async for _ in stream:
        pass

    again = samples(*engine.given[200:])
    assert again == samples(*(frame(number) for number in range(100, 200)))


@pytest.mark.usefixtures("lk_clock")
async def test_the_retries_begin_anew_after_each_final() -> None:
    engine = HearingSTT({8: broken()}, always=True)
    stream = engine.stream(conn_options=APIConnectOptions(max_retry=1))

    events = await listen(stream, *[[number] for number in range(1, 7)])

    assert said(events) == said_by(range(1, 7))
    assert engine.sessions > 4


@pytest.mark.usefixtures("lk_clock")
async def test_without_a_final_the_retries_are_used_up() -> None:
    engine = HearingSTT({2: broken()}, always=True)
    stream = engine.stream(conn_options=APIConnectOptions(max_retry=1))

    with pytest.raises(APIConnectionError, match="failed 2 times"):
        await listen(stream, [1, 1], end=False)

    assert engine.sessions == 2


@pytest.mark.usefixtures("lk_clock")
async def test_a_final_renews_the_retries_once_and_not_for_ever() -> None:
    engine = HearingSTT({5: broken()}, *[{1: broken()}] * 20)
    stream = engine.stream(conn_options=APIConnectOptions(max_retry=2))

    with pytest.raises(APIConnectionError, match="failed 3 times"):
        await listen(stream, [1], [2], end=False)

    assert engine.sessions == 3


@pytest.mark.usefixtures("lk_clock")
async def test_a_provider_that_hangs_up_after_minutes_of_silence_does_not_use_the_retries_up() -> None:
    engine = HearingSTT({800: broken()}, always=True)
    stream = engine.stream(conn_options=APIConnectOptions(max_retry=1))

    async def be_silent() -> None:
        for _ in range(2500):
            await asyncio.sleep(FRAME_SECONDS)
            stream.push_frame(frame(0))
        await stream.aclose()

    silent = asyncio.create_task(be_silent(), name="silent")
    assert [event async for event in stream] == []
    await silent

    assert engine.sessions == 4


@pytest.mark.usefixtures("lk_clock")
async def test_what_cannot_be_helped_is_not_tried_again() -> None:
    engine = HearingSTT({2: APIStatusError("no", status_code=400)})

    with pytest.raises(APIStatusError):
        await listen(engine.stream(), [1], end=False)

    assert engine.sessions == 1


async def test_a_plugin_may_replace_the_loop_of_attempts() -> None:
    class Older(stt.SpeechStream):
        async def _main_task(self) -> None:
            async for item in self._input_ch:
                if isinstance(item, self._FlushSentinel):
                    self._event_ch.send_nowait(SpeechEvent(FINAL, alternatives=[SpeechData("en", "done")]))

    stream = Older(stt=HearingSTT(), conn_options=APIConnectOptions())
    stream.push_frame(frame(1))
    stream.end_input()

    assert [event.alternatives[0].text async for event in stream] == ["done"]
