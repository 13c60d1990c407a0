"""A member that takes audio and tells nothing is replaced in the middle of a call, if a detector hears a voice."""

from __future__ import annotations

import asyncio

import pytest
from livekit import rtc
from tests.stt.detecting import LoudnessStream, LoudnessVAD
from tests.stt.hearing import (
    END,
    FINAL,
    START,
    HearingStream,
    HearingSTT,
    RecordingSTT,
    changes_of,
    frame,
    listen,
    said,
    said_by,
    texts,
)

from lk_agents.foundation.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from lk_agents.stt import STT, FallbackAdapter, RecognizeStream, SpeechData, SpeechEvent
from lk_agents.testing import VirtualClock, no_leaks
from lk_agents.vad import VADEvent, VADEventType

pytestmark = pytest.mark.usefixtures("lk_clock")

LONG = list(range(1, 6))
"""A sentence of 1.5 s."""


class DeafStream(HearingStream):
    """Takes all audio; tells what it is told to, after so many frames."""

    _stt: DeafSTT

    async def _run(self) -> None:
        frames = 0
        async for item in self._input_ch:
            frames += not isinstance(item, self._FlushSentinel)
            for event in self._stt.script.get(frames, ()):
                self._event_ch.send_nowait(event)
        await asyncio.Event().wait()


class DeafSTT(HearingSTT):
    def __init__(self, script: dict[int, list[SpeechEvent]] | None = None, *, interim_results: bool = True) -> None:
        super().__init__(interim_results=interim_results)
        self.script = script or {}

    def stream(
        self, *, language: str | None = None, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> HearingStream:
        self.streams.append(DeafStream(stt=self, conn_options=conn_options))
        return self.streams[-1]


def over(*members: STT, vad: LoudnessVAD | None = None, attempt_timeout: float = 2.0) -> FallbackAdapter:
    return FallbackAdapter(members, vad=vad or LoudnessVAD(), attempt_timeout=attempt_timeout, max_retry_per_stt=0)


async def test_a_member_that_tells_nothing_of_a_voice_is_replaced_and_nothing_is_lost(lk_clock: VirtualClock) -> None:
    deaf, good = DeafSTT(), HearingSTT()
    gave_up: list[float] = []
    async with over(deaf, good) as adapter:
        adapter.on("stt_availability_changed", lambda change: gave_up.append(lk_clock.monotonic()))
        events = await listen(adapter.stream(), LONG, [6], [7], [8], pause=5)

    assert said(events) == said_by(LONG, [6], [7], [8])
    assert gave_up[0] == pytest.approx(0.1 + 1.0 + 2.0, abs=0.11)  # a second of voice, and then as long as it may take


async def test_without_a_detector_it_is_not_noticed_before_the_end_of_the_input() -> None:
    deaf, good = DeafSTT(), HearingSTT()
    async with FallbackAdapter([deaf, good], attempt_timeout=2, max_retry_per_stt=0) as adapter:
        changes = changes_of(adapter)
        stream = adapter.stream()
        for number in range(600):
            stream.push_frame(frame(number % 7))
            await asyncio.sleep(0.1)
        assert changes == []

        stream.end_input()
        events = [event async for event in stream]

    assert changes == [(deaf, False)]
    assert "w6" in said(events)


async def test_two_deaf_ones_are_replaced_one_after_the_other() -> None:
    first, second, good = DeafSTT(), DeafSTT(), HearingSTT()
    async with over(first, second, good) as adapter:
        changes = changes_of(adapter)
        events = await listen(adapter.stream(), LONG, [], [], [6], pause=10)

    assert changes == [(first, False), (second, False)]
    assert said(events) == said_by(LONG, [6])


async def test_one_that_goes_deaf_in_the_middle_of_a_call_is_replaced() -> None:
    hello = SpeechEvent(FINAL, alternatives=[SpeechData("en", "hello", 0.0, 1.5)])
    going_deaf, good = DeafSTT({16: [hello]}), HearingSTT()
    async with over(going_deaf, good) as adapter:
        changes = changes_of(adapter)
        events = await listen(adapter.stream(), LONG, [], [], [11, 12, 13, 14, 15], [], [16], pause=10)

    assert changes[0] == (going_deaf, False)
    assert texts(events)[0] == "hello"
    assert said(events)[1:] == said_by([11, 12, 13, 14, 15], [16])


async def test_starts_and_ends_without_a_word_are_no_answer_to_a_voice() -> None:
    noises = [SpeechEvent(START), SpeechEvent(END)]
    deaf, good = DeafSTT({12: noises, 20: noises}), HearingSTT()
    async with over(deaf, good) as adapter:
        changes = changes_of(adapter)
        await listen(adapter.stream(), LONG, [], [], [6], pause=10)

    assert changes[0] == (deaf, False)


async def test_one_without_interims_has_until_the_end_of_a_long_speech(lk_clock: VirtualClock) -> None:
    deaf, good = DeafSTT(interim_results=False), HearingSTT(interim_results=False)
    gave_up: list[float] = []
    async with over(deaf, good) as adapter:
        adapter.on("stt_availability_changed", lambda change: gave_up.append(lk_clock.monotonic()))
        await listen(adapter.stream(), [*range(1, 21)], [], [21], pause=20)

    assert gave_up[0] == pytest.approx(6.0 + 0.2 + 2.0, abs=0.11)  # 6 s of speech, and the silence that ends it


@pytest.mark.parametrize("words", [[1], [1, 2]], ids=["a noise", "a short word"])
async def test_what_is_shorter_than_a_second_is_no_voice(words: list[int]) -> None:
    deaf = DeafSTT()
    async with over(deaf, HearingSTT()) as adapter, adapter.stream() as stream:
        changes = changes_of(adapter)
        for _ in range(20):
            for each in [*words, *[0] * 10]:
                for _ in range(3):
                    stream.push_frame(frame(each))
                    await asyncio.sleep(0.1)

        assert changes == []


async def test_the_last_member_is_not_given_up_for_what_may_have_been_a_noise() -> None:
    first, last = DeafSTT(), DeafSTT()
    async with over(first, last) as adapter, adapter.stream() as stream:
        changes = changes_of(adapter)
        for _ in range(300):
            stream.push_frame(frame(1))
            await asyncio.sleep(0.1)

        assert changes == [(first, False)]


@pytest.mark.parametrize("streaming", [True, False])
async def test_members_that_understand_are_left_alone_however_long_somebody_speaks(streaming: bool) -> None:
    first = HearingSTT() if streaming else RecordingSTT()
    async with over(first, HearingSTT(), attempt_timeout=1) as adapter:
        changes = changes_of(adapter)
        events = await listen(adapter.stream(), [*range(1, 60)], [60], [*range(61, 70)])

    assert len(said(events)) == 69
    assert changes == []


async def test_a_detector_that_fails_costs_nothing_but_its_knowledge(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(LoudnessStream):
        def push_frame(self, frame: rtc.AudioFrame) -> None:
            if self._input_ch.pushed_seconds > 1:
                raise ValueError("I am ill")
            super().push_frame(frame)

    class Judging(LoudnessStream):
        async def _main_task(self) -> None:
            raise KeyError("so am I")

    class IllVAD(LoudnessVAD):
        def __init__(self, kind: type[LoudnessStream] | None) -> None:
            super().__init__()
            self.kind = kind

        def stream(self) -> LoudnessStream:
            if self.kind is None:
                raise RuntimeError("I do not open")
            return self.kind(self)

    for kind in (Failing, Judging, None):
        caplog.clear()
        async with over(HearingSTT(), HearingSTT(), vad=IllVAD(kind)) as adapter:
            changes = changes_of(adapter)
            events = await listen(adapter.stream(), LONG, [6])

        assert said(events) == said_by(LONG, [6])
        assert changes == []
        assert [record.message for record in caplog.records if "detector" in record.message] == [
            "a detector of voice activity failed; recognisers that say nothing are not noticed by it any more"
        ]


async def test_a_detector_is_opened_only_where_somebody_else_could_take_over() -> None:
    vad = LoudnessVAD()
    async with over(HearingSTT(), vad=vad) as adapter:
        await listen(adapter.stream(), [1])

    assert vad.streams == []


@pytest.mark.parametrize("how", ["by its input", "closed"])
async def test_nothing_of_the_detector_is_left_when_the_stream_has_ended(how: str) -> None:
    vad = LoudnessVAD()
    async with no_leaks(), over(HearingSTT(), HearingSTT(), vad=vad) as adapter:
        stream: RecognizeStream = adapter.stream()
        stream.push_frame(frame(1))
        await asyncio.sleep(1)
        if how == "by its input":
            stream.end_input()
            async for _ in stream:
                pass
        else:
            await stream.aclose()

    assert vad.streams[0]._task.done()


async def test_verdicts_on_single_windows_count_where_a_detector_gives_them() -> None:
    class Judging(LoudnessStream):
        def tell(self, type: VADEventType, frames: list[rtc.AudioFrame]) -> None:
            super().tell(type, frames)

        def judge(self, window: rtc.AudioFrame) -> None:
            self.judged += 1
            event = VADEvent(VADEventType.INFERENCE_DONE, 0, self.judged * 0.1, 0.0, 0.0, is_speech=False)
            self._event_ch.send_nowait(event)
            if self.judged == 1:
                self.tell(VADEventType.START_OF_SPEECH, [window])

    class OneWindowVAD(LoudnessVAD):
        def stream(self) -> Judging:
            return Judging(self)

    async with over(DeafSTT(), HearingSTT(), vad=OneWindowVAD()) as adapter, adapter.stream() as stream:
        changes = changes_of(adapter)
        for _ in range(100):
            stream.push_frame(frame(1))
            await asyncio.sleep(0.1)

        assert changes == []
