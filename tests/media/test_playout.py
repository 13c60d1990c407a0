"""A speech through a sink in virtual time."""

from __future__ import annotations

import asyncio

import pytest
from livekit import rtc
from tests.media.sounds import RATE, frame, frames, samples, say

from lk_agents.foundation.errors import ConfigError, PlayoutError, StreamInputError
from lk_agents.media import AudioOut, Playout
from lk_agents.media.playout import AHEAD_SECONDS, LEAD_SECONDS
from lk_agents.streams.words import TimedWord
from lk_agents.testing import VirtualClock
from lk_agents.testing.audio import MemoryAudioOut

SPEECH_MS = 3000


async def test_a_speech_is_heard_whole_and_in_its_own_time(lk_clock: VirtualClock) -> None:
    sink = MemoryAudioOut(RATE)
    async with Playout(sink) as playout:
        await say(playout, SPEECH_MS)

        assert await playout.wait_for_playout()
        assert samples(sink.played_audio) == list(range(SPEECH_MS))
        assert lk_clock.monotonic() == pytest.approx(3.0)
        assert (playout.played_samples, playout.played_seconds, playout.pushed_seconds) == (SPEECH_MS, 3.0, 3.0)
        assert (playout.underruns, playout.done) == (0, True)


async def test_no_more_than_the_lead_waits_in_the_sink(lk_clock: VirtualClock) -> None:
    sink = MemoryAudioOut(RATE)
    waiting = []
    async with Playout(sink) as playout:
        await say(playout, SPEECH_MS)
        for _ in range(280):
            await asyncio.sleep(0.01)
            waiting.append(sink.queued_seconds)

    assert max(waiting) <= LEAD_SECONDS
    assert min(waiting) >= 0.1  # and a loop that is busy for that long goes unheard


@pytest.mark.parametrize("moment_ms", [*range(0, SPEECH_MS, 100), 1, 1337, 2999])
async def test_a_speech_that_is_stopped_tells_to_the_sample_how_far_it_was_heard(
    lk_clock: VirtualClock, moment_ms: int
) -> None:
    sink = MemoryAudioOut(RATE)
    async with Playout(sink) as playout:
        await say(playout, SPEECH_MS)
        await asyncio.sleep(moment_ms / 1000)

        assert playout.stop() == moment_ms / 1000
        await asyncio.sleep(1.0)
        assert samples(sink.played_audio) == list(range(moment_ms))
        assert (playout.played_samples, playout.stop()) == (moment_ms, moment_ms / 1000)
        assert await playout.wait_for_playout() is False


@pytest.mark.parametrize("moment_ms", [0, 1, 199, 700, 1337, 2850, 2999])
async def test_a_paused_speech_goes_on_at_the_very_sample(lk_clock: VirtualClock, moment_ms: int) -> None:
    sink = MemoryAudioOut(RATE)
    async with Playout(sink) as playout:
        await say(playout, SPEECH_MS)
        await asyncio.sleep(moment_ms / 1000)

        assert playout.pause() == moment_ms / 1000
        await asyncio.sleep(5.0)
        assert (playout.paused, playout.pause()) == (True, moment_ms / 1000)
        assert len(samples(sink.played_audio)) == moment_ms
        assert playout.resume() == moment_ms / 1000

        assert await playout.wait_for_playout()
        assert samples(sink.played_audio) == list(range(SPEECH_MS))
        assert lk_clock.monotonic() == pytest.approx(8.0)
        assert playout.underruns == 0  # a pause is none


@pytest.mark.parametrize(
    ("moment_ms", "resumed_ms"),
    [(100, 100), (300, 300), (999, 300), (1000, 1000), (1500, 1000), (2900, 1000)],
    ids=["before the first word", "at a word", "in a word", "at the next word", "in the next", "in the last"],
)
async def test_a_paused_speech_goes_on_at_the_last_word_that_had_begun(
    lk_clock: VirtualClock, moment_ms: int, resumed_ms: int
) -> None:
    sink = MemoryAudioOut(RATE)
    async with Playout(sink) as playout:
        playout.push_words([TimedWord("hello", 0.3, 0.8), TimedWord("world", 1.0, 2.9)])
        await say(playout, SPEECH_MS)
        await asyncio.sleep(moment_ms / 1000)
        playout.pause()
        await asyncio.sleep(1.0)

        assert playout.resume() == resumed_ms / 1000
        assert playout.position_seconds == resumed_ms / 1000
        assert playout.played_seconds == moment_ms / 1000  # that much was heard, whatever is said again
        assert await playout.wait_for_playout()
        assert samples(sink.played_audio) == [*range(moment_ms), *range(resumed_ms, SPEECH_MS)]


@pytest.mark.parametrize(
    ("at", "resumed_ms"), [(1.2, 1200), (0.0, 500), (9.0, 2500)], ids=["said", "too far back", "ahead"]
)
async def test_where_a_speech_goes_on_can_be_said_within_what_is_kept(
    lk_clock: VirtualClock, at: float, resumed_ms: int
) -> None:
    sink = MemoryAudioOut(RATE)
    async with Playout(sink) as playout:
        await say(playout, SPEECH_MS)
        await asyncio.sleep(2.5)
        playout.pause()

        assert playout.resume(at=at) == resumed_ms / 1000
        assert await playout.wait_for_playout()
        assert samples(sink.played_audio) == [*range(2500), *range(resumed_ms, SPEECH_MS)]


async def test_a_word_that_began_long_ago_is_not_said_again(lk_clock: VirtualClock) -> None:
    async with Playout(MemoryAudioOut(RATE)) as playout:
        playout.push_words([TimedWord("well", 0.1, 0.3)])
        await say(playout, SPEECH_MS)
        await asyncio.sleep(2.4)
        playout.pause()

        assert playout.resume() == 2.4


@pytest.mark.parametrize("moment_ms", range(0, 120, 3))
async def test_nothing_is_lost_or_doubled_by_a_pause_while_a_frame_is_handed_over(
    lk_clock: VirtualClock, moment_ms: int
) -> None:
    sink = MemoryAudioOut(RATE, capture_seconds=0.007)
    async with Playout(sink) as playout:
        await say(playout, 400)
        await asyncio.sleep(moment_ms / 1000)
        playout.pause()
        await asyncio.sleep(0.005)
        playout.resume()

        assert await playout.wait_for_playout()
    assert samples(sink.played_audio) == list(range(400))


async def test_a_speech_that_is_paused_before_it_began_waits(lk_clock: VirtualClock) -> None:
    sink = MemoryAudioOut(RATE)
    async with Playout(sink) as playout:
        playout.pause()
        await say(playout, 100)
        await asyncio.sleep(1.0)
        assert not playout.started.is_set()

        playout.resume()
        await playout.started.wait()
        assert await playout.wait_for_playout()
        assert lk_clock.monotonic() == pytest.approx(1.1)


async def test_a_speech_without_a_frame_is_over_at_once_and_never_begins(lk_clock: VirtualClock) -> None:
    async with Playout(MemoryAudioOut(RATE)) as playout:
        await playout.push(rtc.AudioFrame(b"", RATE, 1, 0))
        playout.end_input()

        assert await playout.wait_for_playout()
        assert not playout.started.is_set()
        assert (playout.played_seconds, lk_clock.monotonic()) == (0.0, 0.0)


async def test_a_sink_that_runs_dry_is_counted(lk_clock: VirtualClock) -> None:
    sink = MemoryAudioOut(RATE)
    async with Playout(sink) as playout:
        for begin in (0, 500, 1000):
            for each in frames(500, start=begin):
                await playout.push(each)
            await asyncio.sleep(0.75)
        playout.end_input()

        assert await playout.wait_for_playout()
        assert samples(sink.played_audio) == list(range(1500))
        assert playout.underruns == 2
        assert playout.underrun_seconds == pytest.approx(0.5)


async def test_a_loop_that_is_blocked_for_a_second_costs_silence_and_nothing_else(lk_clock: VirtualClock) -> None:
    sink = MemoryAudioOut(RATE)
    async with Playout(sink) as playout:
        await say(playout, SPEECH_MS)
        await asyncio.sleep(1.0)
        waiting = sink.queued_seconds
        lk_clock.advance(1.0)

        assert playout.played_seconds == pytest.approx(1.0 + waiting)
        assert await playout.wait_for_playout()
        assert samples(sink.played_audio) == list(range(SPEECH_MS))
        assert (playout.underruns, playout.underrun_seconds) == pytest.approx((1, 1.0 - waiting))
        assert lk_clock.monotonic() == pytest.approx(4.0 - waiting)


@pytest.mark.parametrize("drift_ppm", [4000, -4000])
async def test_a_sink_that_drifts_stays_fed_and_told_right(lk_clock: VirtualClock, drift_ppm: int) -> None:
    # over three minutes as much as 200 ppm make in an hour: 0.72 s, far more than the lead
    sink = MemoryAudioOut(RATE, drift_ppm=drift_ppm)
    seen = []

    async def look() -> None:
        for _ in range(179):
            await asyncio.sleep(1.0)
            seen.append((sink.queued_seconds, playout.played_seconds - sink.position()))

    async with Playout(sink) as playout, asyncio.TaskGroup() as group:
        looking = group.create_task(look())
        await say(playout, 180_000, each=1000)

        assert await playout.wait_for_playout()
        await looking
        assert min(waiting for waiting, _ in seen) >= 0.1
        assert max(waiting for waiting, _ in seen) <= LEAD_SECONDS
        assert {difference for _, difference in seen} == {0.0}
        assert playout.underruns == 0
        assert lk_clock.monotonic() == pytest.approx(180 / (1 + drift_ppm / 1e6), abs=0.01)


async def test_pushing_waits_where_much_lies_ahead(lk_clock: VirtualClock) -> None:
    async with Playout(MemoryAudioOut(RATE)) as playout:
        for each in frames(35_000, each=1000):
            await playout.push(each)

        assert lk_clock.monotonic() == pytest.approx(35 - 1 - AHEAD_SECONDS, abs=0.06)


async def test_a_push_that_is_cancelled_while_it_waits_adds_nothing(lk_clock: VirtualClock) -> None:
    async with Playout(MemoryAudioOut(RATE)) as playout:
        for each in frames(30_000, each=1000):
            await playout.push(each)
        playout.pause()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await playout.push(frame(0))

        assert playout.pushed_seconds == 30.0


async def test_a_push_that_waits_ends_with_the_speech(lk_clock: VirtualClock) -> None:
    async with Playout(MemoryAudioOut(RATE)) as playout, asyncio.TaskGroup() as group:
        for each in frames(30_000, each=1000):
            await playout.push(each)
        pushing = group.create_task(playout.push(frame(0)))
        await asyncio.sleep(0)
        playout.stop()

        assert await pushing is False
        assert await playout.push(frame(0)) is False


async def test_what_comes_after_the_end_of_the_input_is_refused(lk_clock: VirtualClock) -> None:
    async with Playout(MemoryAudioOut(RATE)) as playout:
        await say(playout, 100)
        with pytest.raises(StreamInputError, match="has ended"):
            await playout.push(frame(0))
        assert await playout.wait_for_playout()
        with pytest.raises(StreamInputError, match="has ended"):
            await playout.push(frame(0))


@pytest.mark.parametrize("other", [frame(0, channels=2), frame(0, rate=2000)], ids=["stereo", "rate"])
async def test_a_frame_that_the_sink_cannot_play_is_refused_with_the_remedy(
    lk_clock: VirtualClock, other: rtc.AudioFrame
) -> None:
    async with Playout(MemoryAudioOut(RATE)) as playout:
        with pytest.raises(ConfigError, match=r"1 channels at 1000 Hz.*Resampler"):
            await playout.push(other)


def test_a_lead_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="lead_seconds is 0"):
        Playout(MemoryAudioOut(RATE), lead_seconds=0)


async def test_stereo_in_frames_longer_than_the_lead_is_heard_whole_around_a_pause(lk_clock: VirtualClock) -> None:
    sink = MemoryAudioOut(RATE, num_channels=2)
    async with Playout(sink) as playout:
        await say(playout, 2000, each=1000, channels=2)
        await asyncio.sleep(0.333)
        assert playout.pause() == 0.333
        playout.resume()

        assert await playout.wait_for_playout()
    assert samples(sink.played_audio) == [n for n in range(2000) for _ in range(2)]


async def test_speeches_follow_each_other_through_one_sink(lk_clock: VirtualClock) -> None:
    sink = MemoryAudioOut(RATE)
    async with Playout(sink) as first, Playout(sink) as second:
        await say(first, 500)
        await asyncio.sleep(0.4)
        assert first.stop() == 0.4
        await asyncio.sleep(1.0)
        await say(second, 300, start=1000)
        await asyncio.sleep(0.1)

        assert (second.played_seconds, first.played_seconds) == (0.1, 0.4)
        assert await second.wait_for_playout()
        assert samples(sink.played_audio) == [*range(400), *range(1000, 1300)]


async def test_a_speech_that_is_over_leaves_the_sink_alone(lk_clock: VirtualClock) -> None:
    sink = MemoryAudioOut(RATE)
    async with Playout(sink) as first:
        await say(first, 100)
        assert await first.wait_for_playout()
    async with Playout(sink) as second:
        await say(second, 100, start=100)
        await asyncio.sleep(0.05)
        assert (first.stop(), first.pause(), first.resume()) == (0.1, 0.1, 0.1)

        assert await second.wait_for_playout()
    assert samples(sink.played_audio) == list(range(200))


async def test_waiting_can_be_cancelled_without_stopping_the_speech(lk_clock: VirtualClock) -> None:
    async with Playout(MemoryAudioOut(RATE)) as playout:
        await say(playout, 500)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await playout.wait_for_playout()

        assert await playout.wait_for_playout()


async def test_closing_stops_and_can_be_repeated(lk_clock: VirtualClock) -> None:
    playout = Playout(MemoryAudioOut(RATE))
    await say(playout, 500)
    await asyncio.sleep(0.1)
    await playout.aclose()
    await playout.aclose()

    assert (playout.played_seconds, await playout.wait_for_playout()) == (0.1, False)


class StuckSink(MemoryAudioOut):
    """Takes audio and plays none of it from a moment on."""

    def position(self) -> float:
        return min(super().position(), 1.0)

    @property
    def queued_seconds(self) -> float:
        return super().queued_seconds + super().position() - self.position()


class FullSink(MemoryAudioOut):
    """Takes nothing."""

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await asyncio.Event().wait()


class BrokenSink(MemoryAudioOut):
    """Fails."""

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        raise OSError("the cable is out")


@pytest.mark.parametrize(
    ("sink", "complaint", "after"),
    [
        (StuckSink, "has not played for 5 s", 6.0),
        (FullSink, "did not take a frame within 5 s", 5.0),
        (BrokenSink, "failed while it played", 0.0),
    ],
)
async def test_a_sink_that_does_not_play_ends_the_speech(
    lk_clock: VirtualClock, sink: type[MemoryAudioOut], complaint: str, after: float
) -> None:
    async with Playout(sink(RATE)) as playout:
        await say(playout, SPEECH_MS)
        with pytest.raises(PlayoutError, match=complaint) as failure:
            await playout.wait_for_playout()

        assert lk_clock.monotonic() == pytest.approx(after, abs=0.06)
        assert (failure.value.__cause__ is None) == (sink is StuckSink)
        with pytest.raises(PlayoutError, match=complaint):
            await playout.push(frame(0))


async def test_a_long_pause_is_no_fault_of_the_sink(lk_clock: VirtualClock) -> None:
    async with Playout(MemoryAudioOut(RATE)) as playout:
        await say(playout, 500)
        await asyncio.sleep(0.1)
        playout.pause()
        await asyncio.sleep(3600)
        playout.resume()

        assert await playout.wait_for_playout()


def test_the_sink_in_memory_is_one() -> None:
    sink: AudioOut = MemoryAudioOut()

    assert (sink.sample_rate, sink.num_channels, sink.position()) == (24_000, 1, 0.0)
