"""Choosing devices, and what is said where there are none."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from tests.media.console.props import loud
from tests.media.session_io_contract import RATE, is_loud, until

from lk_agents.foundation.errors import ConfigError, PlayoutError
from lk_agents.media.console import EchoCanceller, Microphone, Speaker, list_devices, load_sounddevice
from lk_agents.media.console.microphone import WAITING_FRAMES, DeviceAudioIn
from lk_agents.testing import VirtualClock


def test_without_the_package_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)

    with pytest.raises(ConfigError, match=r"pip install 'lk-agents\[console\]'; or do without devices: --text"):
        load_sounddevice()


def test_without_the_library_below_it_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])

    with pytest.raises(ConfigError, match="apt install libportaudio2"):
        load_sounddevice()


def test_devices_are_listed_with_the_systems_own_choice(devices: Any) -> None:
    assert [tuple(device) for device in list_devices()] == [
        (0, "Fake Microphone", 1, 0, ("input",)),
        (1, "Fake Speaker", 0, 2, ("output",)),
    ]


@pytest.mark.parametrize("name", ["0", "microphone", None])
async def test_a_microphone_is_chosen_by_number_or_part_of_its_name(devices: Any, name: str | None) -> None:
    microphone = Microphone(name)
    voice = await microphone.open()
    devices.said += loud(0.5)
    async with asyncio.timeout(5):
        while not is_loud(frame := await anext(voice)):
            pass
    await microphone.aclose()

    assert (frame.sample_rate, frame.num_channels, frame.samples_per_channel) == (16_000, 1, 512)


@pytest.mark.parametrize("name", ["1", "7", "headset"])
async def test_a_microphone_that_is_not_there_is_refused_with_the_way_to_find_one(devices: Any, name: str) -> None:
    with pytest.raises(PlayoutError, match=r"no microphone .* --input-device .*--list-devices"):
        await Microphone(name).open()
    with pytest.raises(PlayoutError, match=r"no loudspeaker .* --output-device"):
        await Speaker("0").open(sample_rate=RATE, num_channels=1)


async def test_an_opening_that_is_cancelled_leaves_no_stream_open(devices: Any) -> None:
    microphone = Microphone()
    opening = asyncio.create_task(microphone.open())
    await asyncio.sleep(0)
    opening.cancel()
    await asyncio.wait({opening})

    assert opening.cancelled()
    assert devices.open_streams == []
    await microphone.aclose()


async def test_the_speaker_tells_the_echo_canceller_what_the_microphone_is_freed_of(devices: Any) -> None:
    echo = EchoCanceller()
    microphone, speaker = Microphone(echo=echo), Speaker(echo=echo)
    sink = await speaker.open(sample_rate=RATE, num_channels=2)
    voice = await microphone.open()
    devices.said += loud(1.0)
    await until(lambda: not devices.said)
    await microphone.aclose()
    await speaker.aclose()

    assert [is_loud(frame) async for frame in voice].count(True) >= 20
    assert sink.position() == 0


async def test_a_reader_that_is_too_slow_loses_the_oldest_frames(caplog: pytest.LogCaptureFixture) -> None:
    voice = DeviceAudioIn()
    for block in range(WAITING_FRAMES + 5):
        voice.give(block.to_bytes(2, "little") * 512)
    await asyncio.sleep(0.01)
    first = await anext(voice)
    voice.end()
    rest = [frame async for frame in voice]

    assert first.data[0] == 5
    assert (len(rest), rest[-1].data[0]) == (WAITING_FRAMES - 1, WAITING_FRAMES + 4)
    assert caplog.text.count("audio of the microphone is lost") == 1


async def test_what_is_recorded_is_told_with_the_moment_at_which_it_was_spoken(lk_clock: VirtualClock) -> None:
    told: list[tuple[float, int]] = []
    voice = DeviceAudioIn(on_heard=lambda at, block: told.append((round(at, 3), len(block))))
    await asyncio.sleep(1.0)
    voice.give(loud(0.01), latency_seconds=0.025)

    assert told == [(0.975, 320)]


async def test_what_is_recorded_after_the_end_is_dropped() -> None:
    voice = DeviceAudioIn()
    voice.give(loud(0.032))
    await voice.aclose()
    voice.give(loud(0.032))
    await asyncio.sleep(0.01)

    assert [frame async for frame in voice] == []
