"""Cutting audio into frames of one size."""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit import rtc

from lk_agents.foundation.errors import ConfigError
from lk_agents.utils.audio import AudioByteStream


def numbers(count: int) -> bytes:
    return array("h", (n % 30000 for n in range(count))).tobytes()


def joined(frames: list[rtc.AudioFrame]) -> bytes:
    return b"".join(bytes(frame.data) for frame in frames)


def test_a_frame_has_100_ms_where_nothing_is_said() -> None:
    stream = AudioByteStream(16000, 1)

    assert stream.push(numbers(1599)) == []
    (frame,) = stream.push(numbers(1))
    assert (frame.samples_per_channel, frame.sample_rate, frame.num_channels) == (1600, 16000, 1)


def test_several_frames_come_out_of_one_large_piece() -> None:
    frames = AudioByteStream(16000, 1, 512).push(numbers(1600))

    assert [frame.samples_per_channel for frame in frames] == [512, 512, 512]
    assert joined(frames) == numbers(1536)


def test_write_is_another_name_for_push() -> None:
    assert joined(AudioByteStream(8000, 1).write(numbers(800))) == numbers(800)


def test_a_flush_gives_the_rest_as_one_shorter_frame_once() -> None:
    stream = AudioByteStream(16000, 1, 512)
    stream.push(numbers(700))

    (rest,) = stream.flush()
    assert list(rest.data) == list(range(512, 700))
    assert stream.flush() == []


def test_a_push_after_a_flush_does_not_repeat_the_rest() -> None:
    stream = AudioByteStream(16000, 1, 100)
    stream.push(numbers(50))
    stream.flush()

    assert joined(stream.push(numbers(100))) == numbers(100)


def test_two_channels_are_counted_right() -> None:
    stream = AudioByteStream(16000, 2, 100)
    (frame,) = stream.push(numbers(250))
    (rest,) = stream.flush()

    assert (frame.samples_per_channel, frame.num_channels, len(frame.data)) == (100, 2, 200)
    assert (rest.samples_per_channel, rest.num_channels, len(rest.data)) == (25, 2, 50)


def test_bytes_of_an_incomplete_sample_wait_for_its_rest(caplog: pytest.LogCaptureFixture) -> None:
    stream, data = AudioByteStream(16000, 2, 100), numbers(20)
    stream.push(data[:15])
    (first,) = stream.flush()
    assert first.samples_per_channel == 3
    assert [record.__dict__["bytes"] for record in caplog.records] == [3]
    stream.push(data[15:])
    (second,) = stream.flush()

    assert joined([first, second]) == data
    assert len(caplog.records) == 1


def test_a_lone_byte_is_no_frame() -> None:
    stream = AudioByteStream(16000, 1)
    stream.push(b"x")

    assert stream.flush() == []
    assert stream.flush() == []


def test_clearing_forgets_the_rest_and_the_bytes_of_an_incomplete_sample() -> None:
    stream = AudioByteStream(16000, 1, 4)
    stream.push(b"abc")
    stream.clear()

    assert joined(stream.push(numbers(4))) == numbers(4)


def test_the_frames_belong_to_the_caller() -> None:
    stream, piece = AudioByteStream(16000, 1, 4), bytearray(numbers(4))
    (first,) = stream.push(piece)
    piece[:] = bytes(8)
    assert list(first.data) == [0, 1, 2, 3]
    first.data[0] = 77
    (second,) = stream.push(numbers(4))

    assert list(second.data) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("rate", "channels", "samples"), [(0, 1, None), (9, 1, None), (16000, 0, None), (16000, 1, 0), (16000, 1, -5)]
)
def test_a_frame_of_nothing_cannot_be_cut(rate: int, channels: int, samples: int | None) -> None:
    with pytest.raises(ConfigError, match="1 or more"):
        AudioByteStream(rate, channels, samples)


@given(
    sizes=st.lists(st.integers(0, 700), max_size=20),
    channels=st.integers(1, 3),
    samples=st.integers(1, 150),
    flushes=st.sets(st.integers(0, 19)),
    kind=st.sampled_from([bytes, bytearray, memoryview]),
)
def test_the_frames_add_up_to_the_input(
    sizes: list[int], channels: int, samples: int, flushes: set[int], kind: type
) -> None:
    stream, data = AudioByteStream(16000, channels, samples), numbers(sum(sizes))[: sum(sizes)]
    frames, at = [], 0
    for number, size in enumerate(sizes):
        pushed = stream.push(kind(data[at : at + size]))
        assert all(frame.samples_per_channel == samples for frame in pushed)
        frames += pushed
        at += size
        if number in flushes:
            flushed = stream.flush()
            assert all(frame.samples_per_channel < samples for frame in flushed)
            frames += flushed
    frames += stream.flush()

    assert joined(frames) == data[: len(data) - len(data) % (2 * channels)]
    assert all(len(frame.data) == frame.samples_per_channel * channels for frame in frames)


def test_the_samples_of_another_frame_can_be_pushed() -> None:
    source = rtc.AudioFrame(numbers(10), 16000, 1, 10)

    assert joined(AudioByteStream(16000, 1, 10).push(source.data)) == numbers(10)
