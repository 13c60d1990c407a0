"""What the surroundings in memory offer to a test, beside what all surroundings promise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from livekit import rtc

from lk_agents.media import TextSegment
from lk_agents.testing import MemorySessionIO, VirtualClock

RATE = 16_000


@pytest.fixture
async def io(lk_clock: VirtualClock) -> AsyncIterator[MemorySessionIO]:
    io = MemorySessionIO()
    await io.start(sample_rate=RATE, num_channels=1)
    yield io
    await io.aclose()


def silence(seconds: float, *, rate: int = RATE, channels: int = 1) -> rtc.AudioFrame:
    return rtc.AudioFrame.create(rate, channels, round(seconds * rate))


async def test_what_the_user_says_is_heard_when_it_is_over(io: MemorySessionIO, lk_clock: VirtualClock) -> None:
    assert io.say([silence(0.5), silence(0.25)]) == 0.75
    audio_in = await io.audio_inputs().__anext__()
    heard = [(await audio_in.__anext__(), lk_clock.monotonic())[1] for _ in range(2)]

    assert heard == pytest.approx([0.5, 0.75])


async def test_pieces_and_states_are_kept_with_their_times(io: MemorySessionIO) -> None:
    piece = TextSegment(participant="agent", id="SG_1", text="Hello", final=True)
    await asyncio.sleep(1)
    await io.text.publish(piece)
    await io.show_state("listening")
    await asyncio.sleep(1)
    await io.show_state("thinking")

    assert list(zip(io.text.published_at, io.text.published, strict=True)) == [(1.0, piece)]
    assert [tuple(each) for each in io.states] == [(1.0, "listening"), (2.0, "thinking")]


@pytest.mark.parametrize("seconds", [0.0, 3.0])
async def test_somebody_hears_the_agent_after_as_long_as_is_said(lk_clock: VirtualClock, seconds: float) -> None:
    io = MemorySessionIO(listener_seconds=seconds)
    await io.start(sample_rate=RATE, num_channels=1)
    await io.wait_for_listener()

    assert lk_clock.monotonic() == seconds
    await io.aclose()


async def test_nobody_hears_the_agent_until_somebody_listens(lk_clock: VirtualClock) -> None:
    io = MemorySessionIO(listener_seconds=None)
    await io.start(sample_rate=RATE, num_channels=1)
    waiting = asyncio.create_task(io.wait_for_listener())
    await asyncio.sleep(3600)
    assert not waiting.done()
    io.listen()
    await waiting
    await io.aclose()


async def test_a_user_may_come_later_and_under_another_name(lk_clock: VirtualClock) -> None:
    io = MemorySessionIO(user=None)
    await io.start(sample_rate=RATE, num_channels=1)
    assert (io.user, io.user_track) == (None, "")
    with pytest.raises(RuntimeError, match=r"open_voice\(\) gives one"):
        io.say([silence(0.5)])
    voice = io.open_voice("ada")

    assert (await io.audio_inputs().__anext__(), io.user) == (voice, "ada")
    await io.aclose()


async def test_a_microphone_may_be_taken_back_and_come_back_in_another_format(io: MemorySessionIO) -> None:
    before = await io.audio_inputs().__anext__()
    track = io.user_track
    io.say([silence(10)])
    io.close_voice()
    assert [frame async for frame in before] == []
    assert (io.user, io.user_track) == ("caller", "")
    io.open_voice(sample_rate=48_000, num_channels=2)
    after = await io.audio_inputs().__anext__()

    assert (after.participant, after.sample_rate, after.num_channels) == ("caller", 48_000, 2)
    assert io.user_track not in {"", track}


async def test_a_loudspeaker_may_drift(lk_clock: VirtualClock) -> None:
    io = MemorySessionIO(drift_ppm=200, queue_seconds=10_000)
    await io.start(sample_rate=RATE, num_channels=1)
    await io.audio_out.capture_frame(silence(5_000))
    await asyncio.sleep(3600)

    assert io.audio_out.position() == pytest.approx(3600.72, abs=0.001)
    await io.aclose()


async def test_it_surrounds_one_conversation(io: MemorySessionIO) -> None:
    with pytest.raises(RuntimeError, match="another one for each conversation"):
        await io.start(sample_rate=RATE, num_channels=1)


async def test_the_first_reason_for_the_end_counts(io: MemorySessionIO) -> None:
    io.end("the user hung up")
    io.end("something else")

    assert await io.wait_for_end() == "the user hung up"
