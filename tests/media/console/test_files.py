"""WAV files that speak and are spoken into."""

from __future__ import annotations

import array
import asyncio
import wave
from pathlib import Path

import pytest
from livekit import rtc
from tests.media.console.props import RATE, loud, loud_parts, read_channels, silence, write_wav
from tests.media.session_io_contract import is_loud, tone

from lk_agents.foundation import clock
from lk_agents.foundation.errors import ConfigError, PlayoutError
from lk_agents.media.console import FileSink, FileSource, NoSink, read_wav
from lk_agents.testing import VirtualClock


async def test_a_file_is_spoken_in_its_own_time_and_followed_by_silence(lk_clock: VirtualClock) -> None:
    voice = await FileSource(silence(0.32) + loud(0.64)).open()
    heard = []
    async for frame in voice:
        heard.append((round(clock.monotonic(), 3), is_loud(frame)))
        if len(heard) == 40:
            break

    assert [at for at, _ in heard] == [pytest.approx(0.032 * n) for n in range(1, 41)]
    assert [loudly for _, loudly in heard] == [False] * 10 + [True] * 20 + [False] * 10
    assert voice.over.is_set()


async def test_a_file_begins_when_it_is_first_listened_to(lk_clock: VirtualClock) -> None:
    voice = await FileSource(loud(0.064)).open()
    await asyncio.sleep(5.0)
    await anext(voice)

    assert clock.monotonic() == pytest.approx(5.032)


async def test_a_file_is_over_with_its_last_frame_however_short(lk_clock: VirtualClock) -> None:
    voice = await FileSource(loud(0.04)).open()
    await anext(voice)
    assert not voice.over.is_set()
    frame = await anext(voice)

    assert voice.over.is_set()
    assert frame.samples_per_channel == 512  # filled up with silence


async def test_an_empty_file_is_over_at_once_and_silent(lk_clock: VirtualClock) -> None:
    voice = await FileSource(b"").open()
    frame = await anext(voice)

    assert voice.over.is_set()
    assert not is_loud(frame)


async def test_a_reader_that_is_cancelled_loses_no_frame(lk_clock: VirtualClock) -> None:
    voice = await FileSource(loud(0.032) + silence(1.0)).open()
    reader = asyncio.create_task(anext(voice))
    await asyncio.sleep(0.01)
    reader.cancel()
    await asyncio.wait({reader})

    assert is_loud(await anext(voice))


async def test_a_reader_that_is_more_than_ten_seconds_late_loses_the_oldest(
    lk_clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    voice = await FileSource(loud(3.2) + silence(20.0)).open()
    assert is_loud(await anext(voice))
    await asyncio.sleep(13.5)
    frame = await anext(voice)

    assert not is_loud(frame)
    assert "audio of the input file is lost" in caplog.text


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (44_100, 2), (8_000, 1), (48_000, 1)])
def test_a_file_of_any_rate_becomes_sixteen_kilohertz_mono(tmp_path: Path, rate: int, channels: int) -> None:
    tone_of = loud(0.5, rate=rate, channels=channels)
    path = write_wav(
        tmp_path / "voice.wav", silence(0.5, rate=rate, channels=channels) + tone_of, rate=rate, channels=channels
    )

    samples = array.array("h", read_wav(path))

    assert len(samples) == pytest.approx(16_000, abs=20)
    ((begin, end),) = loud_parts(samples, 16_000)
    assert begin == pytest.approx(0.5, abs=0.02)
    assert end == pytest.approx(1.0, abs=0.02)


def test_what_is_no_wav_file_is_refused_with_the_way_to_make_one(tmp_path: Path) -> None:
    other = tmp_path / "voice.mp3"
    other.write_bytes(b"ID3 and so on, which is no WAV file")
    eight_bits = write_wav(tmp_path / "eight.wav", b"\x80" * 800, width=1)

    for path in (other, tmp_path / "missing.wav", eight_bits):
        with pytest.raises(ConfigError, match=f"ffmpeg -i {path.name}"):
            read_wav(path)


async def test_the_agents_pauses_are_in_the_file(tmp_path: Path, lk_clock: VirtualClock) -> None:
    path = tmp_path / "agent.wav"
    files = FileSink(path)
    sink = await files.open(sample_rate=RATE, num_channels=1)
    for pause in (0.5, 1.5):
        await asyncio.sleep(pause)
        for frame in tone(1.0):
            await sink.capture_frame(frame)
        await sink.wait_for_playout()
    await asyncio.sleep(0.25)
    await files.aclose()

    rate, (samples,) = read_channels(path)
    assert loud_parts(samples, rate) == [(0.5, 1.5), (3.0, 4.0)]
    assert len(samples) / rate == pytest.approx(4.25)


async def test_what_was_cleared_is_not_in_the_file(tmp_path: Path, lk_clock: VirtualClock) -> None:
    path = tmp_path / "agent.wav"
    files = FileSink(path)
    sink = await files.open(sample_rate=RATE, num_channels=1)
    for frame in tone(0.8):
        await sink.capture_frame(frame)
    await asyncio.sleep(0.3)
    sink.clear()
    await asyncio.sleep(1.0)
    await files.aclose()

    rate, (samples,) = read_channels(path)
    assert loud_parts(samples, rate) == [(0.0, 0.3)]


async def test_the_file_can_be_read_while_it_is_written(tmp_path: Path, lk_clock: VirtualClock) -> None:
    path = tmp_path / "agent.wav"
    files = FileSink(path)
    await files.open(sample_rate=RATE, num_channels=2)
    await asyncio.sleep(5.0)

    with wave.open(str(path), "rb") as file:
        assert 3.4 <= file.getnframes() / RATE <= 4.1
        assert file.getnchannels() == 2
    await files.aclose()


async def test_both_channels_of_a_stereo_agent_are_in_the_file(tmp_path: Path, lk_clock: VirtualClock) -> None:
    path = tmp_path / "agent.wav"
    files = FileSink(path)
    sink = await files.open(sample_rate=RATE, num_channels=2)
    left_only = array.array("h", [5_000, 0] * (RATE // 2)).tobytes()
    await sink.capture_frame(rtc.AudioFrame(left_only, RATE, 2, RATE // 2))
    await sink.wait_for_playout()
    await files.aclose()

    rate, (left, right) = read_channels(path)
    assert loud_parts(left, rate) == [(0.0, 0.5)]
    assert loud_parts(right, rate) == []


async def test_a_file_that_cannot_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(PlayoutError, match="cannot be written"):
        await FileSink(tmp_path / "no" / "such" / "folder.wav").open(sample_rate=RATE, num_channels=1)


async def test_closing_a_file_that_was_not_opened_does_no_harm(tmp_path: Path) -> None:
    await FileSink(tmp_path / "agent.wav").aclose()

    assert list(tmp_path.iterdir()) == []


async def test_words_that_nobody_hears_take_their_time_all_the_same(lk_clock: VirtualClock) -> None:
    sink = await NoSink().open(sample_rate=RATE, num_channels=1)
    for frame in tone(2.0):
        await sink.capture_frame(frame)
    await sink.wait_for_playout()

    assert clock.monotonic() == pytest.approx(2.0)
    assert sink.position() == pytest.approx(2.0)
