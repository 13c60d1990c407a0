"""The console is held against what all surroundings of a conversation promise."""

from __future__ import annotations

import array
import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from livekit import rtc
from tests.media.console.props import LOUD, MemoryLines, RememberingScreen, loud, loud_parts, read_channels
from tests.media.session_io_contract import RATE, SessionIOContract, Stage, tone, until

from lk_agents.foundation.errors import PlayoutError
from lk_agents.media import AudioIn, AudioOut, TextSegment
from lk_agents.media.console import ConsoleSessionIO, FileSink, FileSource, Keyboard, Microphone, Speaker
from lk_agents.testing import VirtualClock


class ConsoleStage(Stage):
    can_replace = False

    def __init__(self) -> None:
        self.screen = RememberingScreen()
        self.lines = MemoryLines()

    async def write(self, text: str) -> None:
        await self.lines.lines.send(text)

    def shown(self) -> list[TextSegment]:
        return self.screen.segments

    def states(self) -> list[str]:
        return self.screen.states


class FileStage(ConsoleStage):
    """Files in the place of microphone and speaker."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.source, self.output = FileSource(loud(1.0)), folder / "agent.wav"
        self.io: ConsoleSessionIO = ConsoleSessionIO(
            source=self.source,
            sink=FileSink(self.output),
            screen=self.screen,
            keyboard=Keyboard(lines=self.lines),
            end_silence=0.2,
        )

    async def speak(self, seconds: float) -> None:
        """Nothing to do: the file begins to speak when it is first listened to."""

    def heard_seconds(self) -> float:
        rate, (samples,) = read_channels(self.output)
        return sum(end - begin for begin, end in loud_parts(samples, rate))

    async def end(self) -> None:
        voice = self.source.voice
        async for _ in voice:
            if voice.over.is_set():
                return


class TestFiles(SessionIOContract):
    tolerance_seconds = 0.011  # the file is measured in steps of 10 ms

    @pytest.fixture
    async def stage(self, tmp_path: Path, lk_no_leaks: None, lk_clock: VirtualClock) -> AsyncIterator[Stage]:
        stage = FileStage(tmp_path)
        yield stage
        await stage.io.aclose()


class DeviceStage(ConsoleStage):
    """Devices without hardware; the user leaves at the keyboard, since a microphone never ends."""

    def __init__(self, devices: Any) -> None:
        super().__init__()
        self.devices = devices
        self.microphone = Microphone()
        self.io: ConsoleSessionIO = ConsoleSessionIO(
            source=self.microphone, sink=Speaker(), screen=self.screen, keyboard=Keyboard(lines=self.lines)
        )

    async def speak(self, seconds: float) -> None:
        self.devices.said += loud(seconds)

    def heard_seconds(self) -> float:
        samples: array.array[int] = array.array("h", self.devices.played)
        return sum(abs(sample) > LOUD for sample in samples) / RATE

    async def end(self) -> None:
        pytest.skip("a microphone never ends")


class TestDevices(SessionIOContract):
    tolerance_seconds = 0.03  # a block and the latency of the device, which cannot be called back

    @pytest.fixture
    async def stage(self, devices: Any, lk_no_leaks: None) -> AsyncIterator[Stage]:
        stage = DeviceStage(devices)
        yield stage
        await stage.io.aclose()


async def test_devices_are_closed_with_the_conversation(devices: Any) -> None:
    stage = DeviceStage(devices)
    await stage.io.start(sample_rate=RATE, num_channels=1)
    assert len(devices.open_streams) == 2
    await stage.io.aclose()

    assert devices.open_streams == []


async def test_a_device_that_is_unplugged_ends_the_voice(devices: Any) -> None:
    stage = DeviceStage(devices)
    await stage.io.start(sample_rate=RATE, num_channels=1)
    voice = await anext(stage.io.audio_inputs())
    frames = asyncio.create_task(_count(voice))
    for stream in devices.open_streams:
        stream.unplug()
    async with asyncio.timeout(5):
        await frames
    await stage.io.aclose()

    assert frames.done()


async def test_a_speaker_that_is_unplugged_takes_nothing_more_and_says_so(devices: Any) -> None:
    stage = DeviceStage(devices)
    await stage.io.start(sample_rate=RATE, num_channels=1)
    sink = stage.io.audio_out
    await sink.capture_frame(tone(0.02)[0])
    await until(lambda: sink.position() > 0)
    for stream in devices.open_streams:
        stream.unplug()
    with pytest.raises(PlayoutError, match="loudspeaker"):
        await _say(sink, tone(10.0))
    await stage.io.aclose()

    assert sink.queued_seconds == 0


async def _say(sink: AudioOut, frames: list[rtc.AudioFrame]) -> None:
    for frame in frames:
        await sink.capture_frame(frame)


async def _count(voice: AudioIn) -> int:
    return len([frame async for frame in voice])
