"""What goes into a stream: bounded, positioned, and kept until it is settled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.streams.frames import frame, positions

from lk_agents.foundation.errors import StreamInputError
from lk_agents.streams.axis import TimeAxis
from lk_agents.streams.inputs import AudioInput, FlushSentinel, TextInput


class OpenGate:
    """Lets everything through."""

    def full(self) -> bool:
        return False

    async def wait_for_room(self) -> None:
        raise AssertionError("it is open")


def take_all(channel: AudioInput | TextInput) -> list[object]:
    return [channel.recv_nowait() for _ in range(channel.qsize())]


def test_audio_that_was_taken_and_not_settled_is_handed_out_again_before_the_rest() -> None:
    audio = AudioInput(OpenGate())
    for start in (0, 100, 200):
        audio.push(frame(start, 100))
    audio.recv_nowait()
    audio.recv_nowait()

    audio.rewind()

    assert positions(*take_all(audio)) == list(range(300))


@pytest.mark.parametrize("until_ms", [0, 1, 97, 100, 150, 250, 297, 300, 400])
def test_settled_audio_is_forgotten_to_the_sample(until_ms: int) -> None:
    audio = AudioInput(OpenGate())
    for start in (0, 100, 200):
        audio.push(frame(start, 100))
    take_all(audio)

    audio.acknowledge(until_ms / 1000)
    audio.rewind()

    expected = list(range(until_ms if until_ms > 1 else 0, 300))  # a millisecond is rounding
    assert positions(*take_all(audio)) == expected


def test_ten_seconds_wait_and_the_oldest_are_dropped() -> None:
    audio = AudioInput(OpenGate())
    audio.push(frame(0, 6000))
    audio.flush()
    assert audio.push(frame(6000, 4000)) == 0

    assert audio.push(frame(10_000, 1000)) == 6

    items = take_all(audio)
    assert isinstance(items[0], FlushSentinel)
    assert positions(*items) == list(range(6000, 11_000))
    assert audio.dropped_seconds == 6


def test_a_frame_longer_than_the_bound_is_kept() -> None:
    audio = AudioInput(OpenGate())

    audio.push(frame(0, 12_000))

    assert audio.dropped_seconds == 0
    take_all(audio)
    audio.rewind()
    assert len(positions(*take_all(audio))) == 12_000


def test_at_most_ten_seconds_are_handed_out_again() -> None:
    audio = AudioInput(OpenGate())
    for start in range(0, 15_000, 1000):
        audio.push(frame(start, 1000))
        audio.recv_nowait()

    audio.rewind()

    assert positions(*take_all(audio)) == list(range(5000, 15_000))


def test_nothing_is_kept_where_nobody_begins_anew() -> None:
    audio = AudioInput(OpenGate(), keep=False)
    audio.push(frame(0, 100))
    audio.recv_nowait()

    audio.rewind()

    assert audio.empty()


def test_times_of_a_second_attempt_lie_on_the_axis_of_the_stream() -> None:
    audio = AudioInput(OpenGate())
    for start in range(0, 3000, 1000):
        audio.push(frame(start, 1000))
    take_all(audio)
    assert audio.axis.to_stream(1.5) == 1.5

    audio.acknowledge(1.25)
    audio.rewind()
    take_all(audio)

    assert audio.axis.to_stream(0.0) == pytest.approx(1.25)
    assert audio.axis.to_stream(1.0) == pytest.approx(2.25)


def test_dropped_audio_leaves_a_jump_in_the_times() -> None:
    axis = TimeAxis()
    axis.gave(0.0, 1.0)
    axis.gave(1.0, 1.0)
    axis.gave(5.0, 1.0)

    assert [axis.to_stream(seconds) for seconds in (0.5, 1.5, 2.0, 2.5)] == [0.5, 1.5, 5.0, 5.5]


@given(
    lengths=st.lists(st.integers(1, 400), min_size=1, max_size=30),
    taken=st.integers(0, 30),
    settled=st.floats(0, 1),
)
def test_nothing_is_lost_and_nothing_comes_twice(lengths: list[int], taken: int, settled: float) -> None:
    audio = AudioInput(OpenGate())
    start = 0
    for length in lengths:
        audio.push(frame(start, length))
        start += length
    given_out = sum(lengths[: min(taken, len(lengths))])
    for _ in range(min(taken, len(lengths))):
        audio.recv_nowait()
    until = round(given_out * settled)

    audio.acknowledge(until / 1000)
    audio.rewind()

    again = positions(*take_all(audio))
    assert again == list(range(again[0], start)) if again else until >= start - 1
    if again:
        assert abs(again[0] - until) <= 1


def test_text_of_a_finished_segment_is_not_handed_out_again() -> None:
    text = TextInput(OpenGate())
    for token in ("one ", "two"):
        text.push(token)
    text.flush()
    text.push("three")
    take_all(text)

    text.acknowledge_segment()
    text.rewind()

    assert take_all(text) == ["three"]


def test_more_text_than_the_stream_holds_is_refused_and_what_was_taken_makes_room() -> None:
    text = TextInput(OpenGate())
    text.push("x" * 65_536)
    with pytest.raises(StreamInputError, match="65536 characters wait"):
        text.push("y")

    text.recv_nowait()
    text.push("y")
