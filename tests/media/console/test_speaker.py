"""A sink that a device empties: what was heard, to the sample, with the device's own delay."""

from __future__ import annotations

import asyncio

import pytest
from tests.media.session_io_contract import RATE, tone

from lk_agents.foundation import clock
from lk_agents.foundation.errors import ConfigError, PlayoutError
from lk_agents.media import Playout
from lk_agents.media.console.speaker import DeviceAudioOut
from lk_agents.testing import VirtualClock

BLOCK = RATE // 100
LATENCY = 0.03


class Device:
    """Takes a block every 10 ms of virtual time, and knows when each sample is heard."""

    def __init__(self, sink: DeviceAudioOut) -> None:
        self.heard: list[tuple[float, bytes]] = []
        self._sink = sink
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            self.heard.append((clock.monotonic() + LATENCY, self._sink.take(BLOCK, latency_seconds=LATENCY)))
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})

    def heard_until(self, at: float) -> float:
        """Return for how long there was sound until that moment."""
        return sum(min(0.01, max(at - begin, 0.0)) for begin, block in self.heard if any(block))


async def test_a_sample_counts_when_it_is_heard_and_not_when_the_device_takes_it(lk_clock: VirtualClock) -> None:
    sink = DeviceAudioOut(RATE)
    for frame in tone(0.5):
        await sink.capture_frame(frame)
    device = Device(sink)
    seen = []
    for _ in range(50):
        await asyncio.sleep(0.009)
        seen.append(sink.position() - device.heard_until(clock.monotonic()))
    await sink.wait_for_playout()
    await device.stop()

    assert max(map(abs, seen)) < 0.0001
    assert sink.position() == 0.5
    assert clock.monotonic() == pytest.approx(0.5 + LATENCY, abs=0.01)


async def test_what_the_device_has_taken_counts_as_played_when_the_rest_is_cleared(lk_clock: VirtualClock) -> None:
    sink = DeviceAudioOut(RATE)
    for frame in tone(0.5):
        await sink.capture_frame(frame)
    device = Device(sink)
    await asyncio.sleep(0.2)
    before = sink.position()
    sink.clear()
    after = sink.position()
    await asyncio.sleep(0.5)
    await device.stop()

    assert before < after <= before + LATENCY + 0.01
    assert sink.queued_seconds == 0
    assert sink.position() == after == pytest.approx(device.heard_until(clock.monotonic()))


async def test_the_position_never_goes_back_when_the_delay_changes(lk_clock: VirtualClock) -> None:
    sink = DeviceAudioOut(RATE)
    for frame in tone(0.4):
        await sink.capture_frame(frame)
    positions = []
    for block in range(60):
        sink.take(BLOCK, latency_seconds=(0.0, 0.05, 0.01, -0.2)[block % 4])
        for _ in range(4):
            await asyncio.sleep(0.0025)
            positions.append(sink.position())

    assert positions == sorted(positions)
    assert positions[-1] == 0.4


async def test_a_full_queue_lets_the_writer_wait(lk_clock: VirtualClock) -> None:
    sink = DeviceAudioOut(RATE)
    device = Device(sink)
    for frame in tone(3.0):
        await sink.capture_frame(frame)
    taken_at = clock.monotonic()
    await sink.wait_for_playout()
    await device.stop()

    assert taken_at == pytest.approx(2.0 + LATENCY, abs=0.05)


async def test_a_clear_drops_the_frame_that_waits_for_room(lk_clock: VirtualClock) -> None:
    sink = DeviceAudioOut(RATE)
    for frame in tone(1.0):
        await sink.capture_frame(frame)
    waiting = asyncio.create_task(sink.capture_frame(tone(0.02)[0]))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    sink.clear()
    await waiting

    assert sink.queued_seconds == 0


async def test_a_speech_is_paused_and_resumed_without_losing_a_sample(lk_clock: VirtualClock) -> None:
    sink = DeviceAudioOut(RATE)
    device = Device(sink)
    async with Playout(sink) as playout:
        for frame in tone(2.0):
            await playout.push(frame)
        playout.end_input()
        await asyncio.sleep(0.7)
        playout.pause()
        await asyncio.sleep(1.0)
        playout.resume()
        assert await playout.wait_for_playout()
    await device.stop()

    assert device.heard_until(clock.monotonic()) == pytest.approx(2.0, abs=LATENCY + 0.011)
    assert device.heard_until(clock.monotonic()) >= 2.0 - 1e-6


async def test_audio_of_another_kind_is_refused(lk_clock: VirtualClock) -> None:
    with pytest.raises(ConfigError, match="48000 Hz"):
        await DeviceAudioOut(RATE).capture_frame(tone(0.02, rate=48_000)[0])


async def test_a_device_that_is_gone_wakes_a_writer_with_an_error(lk_clock: VirtualClock) -> None:
    sink = DeviceAudioOut(RATE)
    for frame in tone(1.0):
        await sink.capture_frame(frame)
    waiting = asyncio.create_task(sink.capture_frame(tone(0.02)[0]))
    await asyncio.sleep(0.05)
    sink.lose()

    with pytest.raises(PlayoutError, match="does not play any more"):
        await waiting
    assert sink.queued_seconds == 0
