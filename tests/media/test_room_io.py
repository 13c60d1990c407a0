"""A room's track as a sink, with a source that writes down what it is told."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from livekit import rtc
from tests.media.sounds import RATE, frame, say

from lk_agents.media import AudioOut, Playout, RoomAudioOut
from lk_agents.testing import VirtualClock


class SlowSource:
    """Takes frames as the media library does: a task of its own puts each into the queue a moment later."""

    def __init__(self, capture_seconds: float = 0.0) -> None:
        self.sample_rate = RATE
        self.num_channels = 1
        self.queue: list[rtc.AudioFrame] = []
        self._seconds = capture_seconds

    async def capture_frame(self, each: rtc.AudioFrame) -> None:
        await asyncio.sleep(self._seconds)
        self.queue.append(each)

    def clear_queue(self) -> None:
        self.queue.clear()


def sink_over(source: SlowSource) -> AudioOut:
    return RoomAudioOut(cast("rtc.AudioSource", source))


async def test_a_track_plays_in_real_time_what_it_was_given(lk_clock: VirtualClock) -> None:
    sink = sink_over(SlowSource())
    await sink.capture_frame(frame(0, 300))
    await asyncio.sleep(0.1)
    assert (sink.position(), sink.queued_seconds) == pytest.approx((0.1, 0.2))

    await sink.wait_for_playout()
    assert (sink.position(), lk_clock.monotonic()) == pytest.approx((0.3, 0.3))
    await asyncio.sleep(1.0)
    await sink.capture_frame(frame(300, 100))
    assert sink.position() == pytest.approx(0.3)


async def test_what_is_cleared_does_not_count_as_played(lk_clock: VirtualClock) -> None:
    source = SlowSource()
    sink = sink_over(source)
    await sink.capture_frame(frame(0, 300))
    waiting = asyncio.create_task(sink.wait_for_playout())
    await asyncio.sleep(0.1)
    sink.clear()
    await waiting

    assert (sink.position(), sink.queued_seconds, len(source.queue)) == pytest.approx((0.1, 0.0, 0))
    await asyncio.sleep(1.0)
    assert sink.position() == pytest.approx(0.1)


async def test_a_frame_that_the_library_takes_after_the_clearing_is_cleared_too(lk_clock: VirtualClock) -> None:
    source = SlowSource(capture_seconds=0.01)
    sink = sink_over(source)
    taken = asyncio.create_task(sink.capture_frame(frame(0, 50)))
    waiting = asyncio.create_task(sink.capture_frame(frame(50, 50)))
    await asyncio.sleep(0.005)
    sink.clear()
    await sink.capture_frame(frame(100, 50))
    await asyncio.gather(taken, waiting)

    assert [each.data[0] for each in source.queue] == [100]
    assert sink.position() + sink.queued_seconds == pytest.approx(0.005 + 0.05)


async def test_a_loop_that_was_blocked_does_not_upset_the_count(lk_clock: VirtualClock) -> None:
    async with Playout(sink_over(SlowSource())) as playout:
        await say(playout, 2000)
        await asyncio.sleep(0.5)
        lk_clock.advance(1.0)

        assert await playout.wait_for_playout()
        assert (playout.played_seconds, playout.underruns) == (2.0, 1)
