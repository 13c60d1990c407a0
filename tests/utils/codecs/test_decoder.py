"""Decoding audio while it comes in."""

import asyncio
import gc
import sys
import threading
import weakref
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from livekit import rtc
from tests.utils.codecs.encoding import encoded

from lk_agents.foundation.errors import ConfigError
from lk_agents.utils.codecs import AudioStreamDecoder, DecodeError, FileDecoder

WAV = encoded("wav", "pcm_s16le", rate=24000)
MP3 = encoded("mp3", "libmp3lame", rate=24000)


def feed(decoder: AudioStreamDecoder, data: bytes, *, piece: int = 4096) -> None:
    for start in range(0, len(data), piece):
        decoder.push(data[start : start + piece])


async def decoded(data: bytes, *, piece: int = 4096, **options: int) -> list[rtc.AudioFrame]:
    decoder = AudioStreamDecoder(**options)
    feed(decoder, data, piece=piece)
    decoder.end_input()
    try:
        return [frame async for frame in decoder]
    finally:
        await decoder.aclose()


def length(frames: Iterable[rtc.AudioFrame]) -> int:
    return sum(frame.samples_per_channel for frame in frames)


def pitch(frames: list[rtc.AudioFrame], channel: int = 0) -> float:
    """Return the loudest frequency of one channel in Hz; 0 where it is silent."""
    samples = np.concatenate([np.frombuffer(f.data, np.int16).reshape(-1, f.num_channels)[:, channel] for f in frames])
    if abs(samples.astype(int)).max() < 100:
        return 0.0
    loudest = int(np.argmax(np.abs(np.fft.rfft(samples))))
    return loudest * frames[0].sample_rate / len(samples)


def decoder_threads() -> int:
    return sum(thread.name == "lk_decoder" for thread in threading.enumerate())


async def threads_end() -> bool:
    """Return whether the threads end soon: each is there for a moment after it has said that it is done."""
    for _ in range(200):
        if not decoder_threads():
            return True
        await asyncio.sleep(0.01)
    return False


@pytest.mark.parametrize("rate", [8000, 24000, 44100, 48000])
async def test_one_second_gives_one_second_whatever_the_rate(rate: int) -> None:
    frames = await decoded(WAV, sample_rate=rate)

    assert length(frames) == rate
    assert {(frame.sample_rate, frame.num_channels) for frame in frames} == {(rate, 1)}
    assert pitch(frames) == pytest.approx(440, abs=3)


@pytest.mark.parametrize(
    ("container", "codec", "rate", "tolerance"),
    [
        ("mp3", "libmp3lame", 44100, 0.05),  # those that pad the last frame
        ("adts", "aac", 24000, 0.1),
        ("ogg", "libopus", 48000, 0.0),
        ("flac", "flac", 24000, 0.0),
        ("webm", "libopus", 48000, 0.0),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
async def test_formats_are_told_apart_without_a_hint(
    container: str, codec: str, rate: int, tolerance: float, channels: int
) -> None:
    frames = await decoded(encoded(container, codec, rate=rate, channels=channels), sample_rate=24000)

    assert 24000 <= length(frames) <= 24000 * (1 + tolerance)
    assert pitch(frames) == pytest.approx(440, abs=5)


async def test_two_channels_come_out_as_two_with_all_their_samples() -> None:
    frames = await decoded(encoded("wav", "pcm_s16le", rate=24000, channels=2), sample_rate=48000, num_channels=2)

    assert length(frames) == 48000
    assert all(len(frame.data) == 2 * frame.samples_per_channel for frame in frames)
    assert pitch(frames, 0) == pytest.approx(440, abs=3)
    assert pitch(frames, 1) == 0.0


async def test_one_channel_can_be_made_two() -> None:
    frames = await decoded(WAV, num_channels=2)

    assert pitch(frames, 0) == pitch(frames, 1) == pytest.approx(440, abs=3)


async def test_bytes_may_be_cut_anywhere() -> None:
    whole, cut = await decoded(MP3), await decoded(MP3, piece=7)

    assert b"".join(bytes(f.data) for f in whole) == b"".join(bytes(f.data) for f in cut)


async def test_frames_come_before_the_input_has_ended() -> None:
    decoder = AudioStreamDecoder()
    feed(decoder, MP3[: len(MP3) * 3 // 4])
    frame = await asyncio.wait_for(anext(decoder), 10)

    assert frame.samples_per_channel > 0
    await decoder.aclose()


async def test_joined_streams_of_different_kinds_are_decoded_through() -> None:
    joined = MP3 + encoded("mp3", "libmp3lame", rate=44100, channels=2) + MP3 * 4
    frames = await decoded(joined, sample_rate=24000)

    assert length(frames) > 6 * 23900
    assert pitch(frames) == pytest.approx(440, abs=5)


async def test_a_change_of_rate_within_a_stream_loses_no_sample() -> None:
    parts = [encoded("adts", "aac", rate=rate) for rate in (24000, 48000, 24000)]
    alone = [length(await decoded(part, sample_rate=16000)) for part in parts]

    assert length(await decoded(b"".join(parts), sample_rate=16000)) == sum(alone)


async def test_a_little_damage_is_left_out_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    frames = await decoded(MP3[:2000] + b"\x55" * 700 + MP3[2000:], sample_rate=24000)

    assert length(frames) > 20000
    ours = [record.message for record in caplog.records if record.name == "lk_agents"]
    assert ours == ["some of the audio was damaged and has been left out"]


@pytest.mark.parametrize("data", [b"no audio at all " * 500, b"x", bytes(10000)], ids=["text", "one byte", "zeros"])
async def test_what_is_no_audio_is_an_error_for_the_reader_at_each_read(data: bytes) -> None:
    decoder = AudioStreamDecoder()
    feed(decoder, data)
    decoder.end_input()

    for _ in range(2):
        with pytest.raises(DecodeError, match="cannot be decoded") as raised:
            await anext(decoder)
        assert raised.value.__cause__ is not None
    await decoder.aclose()


async def test_damage_without_any_good_audio_is_an_error() -> None:
    with pytest.raises(DecodeError):
        await decoded(encoded("flac", "flac", rate=24000, seconds=0.1)[:-400])


async def test_much_damage_is_an_error_after_the_good_frames() -> None:
    noise = np.random.default_rng(1).bytes(10000)
    decoder = AudioStreamDecoder(sample_rate=24000)
    feed(decoder, MP3 + noise)
    decoder.end_input()
    seconds = 0.0
    try:
        async for frame in decoder:
            seconds += frame.duration
    except DecodeError:
        assert seconds > 0.95
    else:
        pytest.fail("the reader was not told")
    await decoder.aclose()


async def test_what_comes_after_an_error_is_dropped() -> None:
    decoder = AudioStreamDecoder()
    decoder.push(b"no audio at all " * 10000)
    decoder.end_input()
    with pytest.raises(DecodeError):
        await anext(decoder)
    decoder.push(MP3)

    await decoder.aclose()


async def test_data_cannot_make_the_decoder_read_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret.wav").write_bytes(WAV)
    monkeypatch.chdir(tmp_path)

    with pytest.raises(DecodeError):
        await decoded(b"ffconcat version 1.0\nfile secret.wav\n")


async def test_an_input_without_any_bytes_ends_the_frames_at_once() -> None:
    decoder = AudioStreamDecoder()
    decoder.push(b"")
    decoder.end_input()
    decoder.end_input()

    assert [frame async for frame in decoder] == []
    assert decoder_threads() == 0
    await decoder.aclose()


async def test_pushing_after_the_end_of_the_input_is_an_error() -> None:
    decoder = AudioStreamDecoder()
    decoder.end_input()

    with pytest.raises(RuntimeError, match="ended"):
        decoder.push(b"x")


async def test_closing_ends_thread_and_iteration_and_may_be_repeated() -> None:
    decoder = AudioStreamDecoder()
    feed(decoder, MP3[:1000])
    reading = asyncio.create_task(anext(decoder, None))
    await asyncio.sleep(0.05)
    await decoder.aclose()
    await decoder.aclose()
    decoder.push(MP3)

    assert await reading is None
    assert [frame async for frame in decoder] == []
    assert await threads_end()


async def test_a_decoder_that_was_closed_before_it_began_starts_no_thread() -> None:
    decoder = AudioStreamDecoder()
    await decoder.aclose()
    decoder.push(MP3)

    assert decoder_threads() == 0
    assert [frame async for frame in decoder] == []


async def test_a_slow_reader_stops_the_decoding_and_loses_nothing() -> None:
    long = encoded("flac", "flac", rate=8000, seconds=60)
    decoder = AudioStreamDecoder(sample_rate=8000)
    feed(decoder, long)
    decoder.end_input()
    first = await anext(decoder)
    await asyncio.sleep(0.3)  # decoding all of it takes some 10 ms
    assert decoder_threads() == 1, "the thread waits, with 10 s ready"

    assert length([first, *[frame async for frame in decoder]]) == 480000
    await decoder.aclose()


async def test_closing_does_not_wait_for_a_reader() -> None:
    decoder = AudioStreamDecoder(sample_rate=8000)
    feed(decoder, encoded("flac", "flac", rate=8000, seconds=60))
    await anext(decoder)
    await asyncio.sleep(0.2)  # by now the thread waits for room
    await asyncio.wait_for(decoder.aclose(), 4)

    assert await threads_end()


async def test_a_decoder_does_not_wait_for_others() -> None:
    waiting = [AudioStreamDecoder() for _ in range(20)]
    for decoder in waiting:
        decoder.push(MP3[:500])
    try:
        assert length(await asyncio.wait_for(decoded(WAV), 10)) == 48000
    finally:
        await asyncio.gather(*(decoder.aclose() for decoder in waiting))


async def test_a_cancelled_read_loses_nothing() -> None:
    decoder = AudioStreamDecoder()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(decoder), 0.01)
    feed(decoder, WAV)
    decoder.end_input()

    assert length([frame async for frame in decoder]) == 48000
    await decoder.aclose()


async def test_the_thread_of_a_decoder_that_nobody_holds_ends() -> None:
    decoder = AudioStreamDecoder()
    decoder.push(MP3[:500])
    gone = weakref.ref(decoder)
    del decoder
    gc.collect()

    assert gone() is None
    assert await threads_end()


@pytest.mark.parametrize("options", [{"num_channels": 3}, {"num_channels": 0}, {"sample_rate": 0}])
def test_only_possible_forms_can_be_asked_for(options: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        AudioStreamDecoder(**options)


def test_without_pyav_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)

    with pytest.raises(ImportError, match=r"lk-agents\[codecs\]"):
        AudioStreamDecoder()


async def test_a_file_can_be_of_a_kind_that_must_be_sought_in(tmp_path: Path) -> None:
    path = tmp_path / "tone.mp4"
    path.write_bytes(encoded("mp4", "aac", rate=24000))
    decoder = FileDecoder(path, sample_rate=24000)
    frames = [frame async for frame in decoder]

    assert length(frames) >= 24000
    assert pitch(frames) == pytest.approx(440, abs=5)
    await decoder.aclose()


async def test_a_file_without_sound_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("nothing to hear\n" * 100)
    decoder = FileDecoder(path)

    with pytest.raises(DecodeError):
        await anext(decoder)
    await decoder.aclose()
