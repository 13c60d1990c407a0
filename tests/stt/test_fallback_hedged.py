"""A second recogniser for a recording beside one that is slow; live streams have one listener at a time."""

from __future__ import annotations

import asyncio

import pytest
from tests.stt.detecting import LoudnessVAD
from tests.stt.hearing import HearingSTT, RecordingSTT, broken, changes_of, frame, metrics_of

from lk_agents.foundation.errors import APIConnectionError, ConfigError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.streams.hedging import LEAST_TIMES, LOSSES_IN_A_ROW
from lk_agents.stt import FallbackAdapter, SpeechEvent
from lk_agents.utils.audio import AudioBuffer

pytestmark = pytest.mark.usefixtures("lk_clock")


class Slow(RecordingSTT):
    """Takes its time, and then says which one it is."""

    def __init__(self, name: str, *seconds: float) -> None:
        super().__init__(name)
        self.seconds = list(seconds)

    async def _recognize_impl(
        self, buffer: AudioBuffer, *, language: str | None, conn_options: APIConnectOptions
    ) -> SpeechEvent:
        await asyncio.sleep(self.seconds[0] if len(self.seconds) == 1 else self.seconds.pop(0))
        return await super()._recognize_impl(buffer, language=language, conn_options=conn_options)


def over(*members: RecordingSTT, hedge: bool | float = 0.5) -> FallbackAdapter:
    return FallbackAdapter(list(members), vad=LoudnessVAD(), max_retry_per_stt=0, hedge=hedge)


async def recognised(adapter: FallbackAdapter) -> tuple[str, float]:
    began = asyncio.get_running_loop().time()
    event = await adapter.recognize(frame(1))
    return event.alternatives[0].text, round(asyncio.get_running_loop().time() - began, 3)


async def test_one_that_is_quick_is_asked_alone() -> None:
    first, second = Slow("first", 0.4), Slow("second", 0.0)
    async with over(first, second) as adapter:
        assert await recognised(adapter) == ("first", 0.4)

    assert second.calls == []


async def test_beside_one_that_is_slow_the_next_one_is_asked_and_the_first_transcript_wins() -> None:
    async with over(Slow("first", 5.0), Slow("second", 0.2)) as adapter:
        changes = changes_of(adapter)
        assert await recognised(adapter) == ("second", 0.7)

    assert changes == []


async def test_the_slow_one_wins_if_it_is_sooner() -> None:
    async with over(Slow("first", 0.6), Slow("second", 1.0)) as adapter:
        assert await recognised(adapter) == ("first", 0.6)


async def test_the_audio_of_the_loser_is_counted_once_and_marked() -> None:
    first, second = Slow("first", 5.0), Slow("second", 0.2)
    async with over(first, second) as adapter:
        metrics = metrics_of(adapter)
        await recognised(adapter)
        await asyncio.sleep(0.01)

    assert sorted((each.hedged, each.audio_duration) for each in metrics) == [(False, 0.1), (True, 0.1)]


async def test_a_recognition_that_is_merely_cancelled_reports_nothing() -> None:
    first = Slow("first", 5.0)
    async with over(first, Slow("second", 5.0)) as adapter:
        metrics = metrics_of(adapter)
        task = asyncio.create_task(adapter.recognize(frame(1)))
        await asyncio.sleep(1.0)
        task.cancel()
        await asyncio.wait([task])

    assert metrics == []


async def test_one_that_fails_beside_another_leaves_the_other_alone() -> None:
    async with over(RecordingSTT(broken()), Slow("second", 0.2)) as adapter:
        assert await recognised(adapter) == ("second", 0.2)


async def test_all_that_fail_are_told_of() -> None:
    async with over(RecordingSTT(broken()), RecordingSTT(broken())) as adapter:
        with pytest.raises(APIConnectionError, match="all members failed"):
            await recognised(adapter)


async def test_one_that_is_slower_three_times_in_a_row_has_failed() -> None:
    first, second = Slow("first", 5.0), Slow("second", 0.2)
    async with over(first, second) as adapter:
        changes = changes_of(adapter)
        for _ in range(LOSSES_IN_A_ROW):
            assert changes == []
            await recognised(adapter)
        assert changes == [(first, False)]
        assert await recognised(adapter) == ("second", 0.2)


async def test_what_is_slow_is_learnt() -> None:
    first, second = Slow("first", *([0.3] * LEAST_TIMES), 5.0), Slow("second", 0.1)
    async with over(first, second, hedge=True) as adapter:
        for _ in range(LEAST_TIMES):
            assert await recognised(adapter) == ("first", 0.3)
        assert await recognised(adapter) == ("second", 0.4)


async def test_a_stream_has_one_listener_at_a_time() -> None:
    first, second = HearingSTT(), HearingSTT()
    async with FallbackAdapter([first, second], hedge=0.01) as adapter:
        stream = adapter.stream()
        for _ in range(30):
            stream.push_frame(frame(1))
            await asyncio.sleep(0.1)
        await stream.aclose()

    assert len(first.streams) == 1
    assert second.streams == []


async def test_a_time_that_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="hedge is 0"):
        over(RecordingSTT(), hedge=0)
