"""A sink that plays by the clock tells what was played, and when."""

from __future__ import annotations

import asyncio

import pytest
from tests.media.sounds import RATE, frame, frames, samples

from lk_agents.media.clock_audio import ClockAudioOut
from lk_agents.testing import VirtualClock


class Told:
    """What a sink has told: when each piece began, and its samples."""

    def __init__(self) -> None:
        self.pieces: list[tuple[float, list[int]]] = []

    def __call__(self, at: float, audio: bytes) -> None:
        self.pieces.append((round(at, 6), samples(audio)))

    @property
    def samples(self) -> list[int]:
        return [sample for _, piece in self.pieces for sample in piece]


async def test_each_piece_is_told_with_the_moment_at_which_it_began(lk_clock: VirtualClock) -> None:
    told = Told()
    sink = ClockAudioOut(RATE, on_played=told)
    await asyncio.sleep(1.0)
    await sink.capture_frame(frame(0, 100))
    await asyncio.sleep(0.04)
    sink.flush()
    assert told.pieces == [(1.0, [*range(40)])]
    await asyncio.sleep(1.0)
    await sink.capture_frame(frame(100, 50))  # the rest of the first one was played a second ago
    await sink.wait_for_playout()
    sink.flush()

    assert told.pieces == [(1.0, [*range(40)]), (1.04, [*range(40, 100)]), (2.04, [*range(100, 150)])]


async def test_what_was_cleared_is_not_told(lk_clock: VirtualClock) -> None:
    told = Told()
    sink = ClockAudioOut(RATE, on_played=told)
    await sink.capture_frame(frame(0, 100))
    await asyncio.sleep(0.03)
    sink.clear()
    await sink.capture_frame(frame(500, 20))
    await sink.wait_for_playout()
    sink.flush()

    assert told.pieces == [(0.0, [*range(30)]), (0.03, [*range(500, 520)])]


@pytest.mark.parametrize("step_seconds", [0.001, 0.0137, 0.25])
async def test_nothing_is_told_twice_or_left_out(lk_clock: VirtualClock, step_seconds: float) -> None:
    told = Told()
    sink = ClockAudioOut(RATE, on_played=told)

    async def write() -> None:
        for each in frames(2000):
            await sink.capture_frame(each)
        await sink.wait_for_playout()

    writing = asyncio.create_task(write())
    while not writing.done():
        await asyncio.sleep(step_seconds)
        sink.flush()

    assert told.samples == [*range(2000)]


async def test_channels_are_counted_as_one(lk_clock: VirtualClock) -> None:
    told = Told()
    sink = ClockAudioOut(RATE, 2, on_played=told)
    await sink.capture_frame(frame(0, 100, channels=2))
    await asyncio.sleep(0.05)
    sink.flush()

    assert told.samples == [n // 2 for n in range(100)]
    assert sink.position() == 0.05
