"""The file of a recording is whole, whenever it ends."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.media.console.props import read_channels

from lk_agents.media.console.recorder import WRITE_SECONDS, Recorder
from lk_agents.testing import VirtualClock

RATE = 48_000
LOUD = 0x4000
LONG_SECONDS = 200
"""Enough audio that writing it goes on while the recording ends."""


@pytest.mark.parametrize("turns_of_the_loop", range(4))
async def test_a_recording_that_ends_while_its_file_is_written_is_whole(
    tmp_path: Path, lk_clock: VirtualClock, turns_of_the_loop: int
) -> None:
    path = tmp_path / "long.wav"
    recorder = Recorder(path, channels=1, sample_rate=RATE)
    await recorder.start()
    recorder.add(0, 0.0, LOUD.to_bytes(2, "little") * RATE * LONG_SECONDS)
    lk_clock.advance(LONG_SECONDS)
    await asyncio.sleep(WRITE_SECONDS)
    for _ in range(turns_of_the_loop):
        await asyncio.sleep(0)
    await recorder.aclose()

    rate, (channel,) = read_channels(path)
    assert rate == RATE
    assert channel.count(LOUD) == LONG_SECONDS * RATE
