"""The loudspeaker, the microphone and the text in memory."""

from __future__ import annotations

import asyncio

import pytest
from tests.media.sounds import RATE, drain, frame, frames, samples

from lk_agents.foundation.errors import ConfigError, StreamInputError
from lk_agents.media import AudioIn, TextIO, TextMessage, TextSegment
from lk_agents.testing import VirtualClock
from lk_agents.testing.audio import MemoryAudioIn, MemoryAudioOut
from lk_agents.testing.text import MemoryTextIO


async def test_a_sink_plays_what_it_was_given_and_stands_still_when_it_is_dry(lk_clock: VirtualClock) -> None:
    sink = MemoryAudioOut(RATE)
    await asyncio.sleep(1.0)
    await sink.capture_frame(frame(0, 300))
    assert (sink.position(), sink.queued_seconds) == (0.0, 0.3)

    await asyncio.sleep(0.1)
    assert (sink.position(), sink.queued_seconds) == (0.1, 0.2)
    await sink.wait_for_playout()
    assert (sink.position(), lk_clock.monotonic()) == pytest.approx((0.3, 1.3))
    await asyncio.sleep(1.0)
    assert (sink.position(), samples(sink.played_audio)) == (0.3, list(range(300)))


async def test_what_is_cleared_is_not_played_and_wakes_who_waits(lk_clock: VirtualClock) -> None:
    sink = MemoryAudioOut(RATE)
    await sink.capture_frame(frame(0, 300))
    waiting = asyncio.create_task(sink.wait_for_playout())
    await asyncio.sleep(0.1)
    sink.clear()
    await waiting
    assert (lk_clock.monotonic(), sink.position(), sink.queued_seconds) == pytest.approx((0.1, 0.1, 0.0))

    await sink.capture_frame(frame(500, 50))
    await sink.wait_for_playout()
    assert samples(sink.played_audio) == [*range(100), *range(500, 550)]


async def test_a_full_sink_makes_its_writer_wait(lk_clock: VirtualClock) -> None:
    sink = MemoryAudioOut(RATE, queue_seconds=0.5)
    for each in frames(700, each=100):
        await sink.capture_frame(each)

    assert lk_clock.monotonic() == pytest.approx(0.2)
    assert sink.queued_seconds == pytest.approx(0.5)


@pytest.mark.parametrize(("queue_seconds", "capture_seconds"), [(0.5, 0.0), (5.0, 0.5)], ids=["full", "slow"])
async def test_a_frame_that_waits_to_be_taken_is_cleared_too(
    lk_clock: VirtualClock, queue_seconds: float, capture_seconds: float
) -> None:
    sink = MemoryAudioOut(RATE, queue_seconds=queue_seconds, capture_seconds=capture_seconds)
    await sink.capture_frame(frame(0, 500))
    writing = asyncio.create_task(sink.capture_frame(frame(500, 100)))
    await asyncio.sleep(0.05)
    sink.clear()
    await writing

    assert sink.queued_seconds == 0.0


async def test_a_frame_longer_than_the_queue_is_taken_when_the_queue_is_empty(lk_clock: VirtualClock) -> None:
    sink = MemoryAudioOut(RATE, queue_seconds=0.1)
    await sink.capture_frame(frame(0, 300))
    await sink.capture_frame(frame(300, 300))

    assert lk_clock.monotonic() == pytest.approx(0.3)


async def test_a_sink_plays_at_its_own_speed(lk_clock: VirtualClock) -> None:
    sink = MemoryAudioOut(RATE, drift_ppm=100_000)
    await sink.capture_frame(frame(0, 1100))
    await asyncio.sleep(0.5)

    assert sink.position() == pytest.approx(0.55)
    await sink.wait_for_playout()
    assert lk_clock.monotonic() == pytest.approx(1.0, abs=0.002)


async def test_a_sink_refuses_what_it_cannot_play() -> None:
    with pytest.raises(ConfigError, match="not 2 at 1000 Hz"):
        await MemoryAudioOut(RATE).capture_frame(frame(0, channels=2))


async def test_a_voice_is_heard_at_the_speed_of_speech(lk_clock: VirtualClock) -> None:
    voice = MemoryAudioIn("alice", sample_rate=RATE)
    heard: list[tuple[float, int]] = []

    async def listen(source: AudioIn) -> None:
        heard.extend([(round(lk_clock.monotonic(), 3), each.samples_per_channel) async for each in source])

    async with asyncio.TaskGroup() as group:
        group.create_task(listen(voice))
        await asyncio.sleep(1.0)
        assert voice.feed([frame(0, 100), frame(100, 50)]) == pytest.approx(1.15)
        assert voice.feed([frame(150, 50)]) == pytest.approx(1.2)  # behind what is being spoken
        await asyncio.sleep(1.0)
        voice.feed([frame(0, 100)])
        voice.end()

    assert heard == [(1.1, 100), (1.15, 50), (1.2, 50), (2.1, 100)]
    assert (voice.participant, voice.sample_rate, voice.num_channels) == ("alice", RATE, 1)


async def test_a_listener_that_is_cancelled_loses_nothing(lk_clock: VirtualClock) -> None:
    voice = MemoryAudioIn(sample_rate=RATE)
    voice.feed([frame(0, 100)])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await anext(voice)
    voice.end()

    assert len(await drain(voice)) == 1


async def test_a_closed_voice_is_silent_at_once(lk_clock: VirtualClock) -> None:
    voice = MemoryAudioIn(sample_rate=RATE)
    voice.feed([frame(0, 100)])
    listening = asyncio.create_task(drain(voice))
    await asyncio.sleep(0.05)
    await voice.aclose()

    assert await listening == []
    with pytest.raises(StreamInputError, match="has ended"):
        voice.feed([frame(0)])


def test_a_voice_takes_only_frames_of_its_form() -> None:
    with pytest.raises(ConfigError, match="not 1 at 1000 Hz"):
        MemoryAudioIn().feed([frame(0)])


async def test_text_in_memory_keeps_what_is_shown_and_hands_over_what_is_typed() -> None:
    memory = MemoryTextIO()
    text: TextIO = memory
    first = TextSegment(participant="alice", id="1", text="hel", final=False)
    second = TextSegment(participant="alice", id="2", text="bye", final=True)
    last = TextSegment(participant="alice", id="1", text="hello", final=True)
    for segment in (first, second, last):
        await text.publish(segment)
    memory.write("hi", "bob")
    memory.write("there")
    await text.aclose()

    assert memory.published == [first, second, last]
    assert memory.shown == [last, second]
    assert [message async for message in text] == [
        TextMessage(participant="bob", text="hi"),
        TextMessage(participant="caller", text="there"),
    ]
