"""What goes out, piece by piece."""

from __future__ import annotations

import numpy as np
import pytest
from livekit import rtc

from lk_agents.streams.inputs import FlushSentinel
from lk_agents_deepgram import AudioEnergyFilter
from lk_agents_deepgram.outgoing import CLOSE_STREAM, FINALIZE, KEEP_ALIVE, Outgoing, SentUsage

PIECE = 1600


class Desk:
    """Outgoing, and what it reports."""

    def __init__(self, *, rate: int = 16_000, energy_filter: AudioEnergyFilter | None = None) -> None:
        self.reported: list[float] = []
        self.usage = SentUsage(self.reported.append)
        self.outgoing = Outgoing(rate, energy_filter, self.usage)

    def push(self, seconds: float, *, level: int = 1000, rate: int = 16_000, frame: float = 0.01) -> list[bytes | str]:
        messages: list[bytes | str] = []
        for _ in range(round(seconds / frame)):
            samples = np.full(round(rate * frame), level, np.int16)
            messages += self.outgoing.encode(rtc.AudioFrame(samples.tobytes(), rate, 1, len(samples)))
        return messages

    def flush(self) -> list[bytes | str]:
        return self.outgoing.encode(FlushSentinel())


def sizes(messages: list[bytes | str]) -> list[int | str]:
    return [len(each) if isinstance(each, bytes) else each for each in messages]


@pytest.mark.parametrize("frame", [0.01, 0.02, 0.07, 0.5])
def test_audio_goes_out_in_pieces_of_50_ms_whatever_the_frames_are(frame: float) -> None:
    desk = Desk()

    assert sizes(desk.push(0.7, frame=frame) if frame != 0.5 else desk.push(0.5, frame=0.5)) == [PIECE] * (
        14 if frame != 0.5 else 10
    )


@pytest.mark.parametrize(("rate", "size"), [(8_000, 800), (16_000, 1600), (44_100, 4410), (48_000, 4800)])
def test_a_piece_is_50_ms_at_every_rate(rate: int, size: int) -> None:
    assert sizes(Desk(rate=rate).push(0.1, rate=rate)) == [size, size]


def test_audio_is_resampled_to_the_rate_that_is_sent() -> None:
    desk = Desk()
    messages = [*desk.push(1.0, rate=48_000), *desk.flush()]

    audio = [each for each in messages if isinstance(each, bytes)]
    assert {len(each) for each in audio[:-1]} == {PIECE}
    assert sum(map(len, audio)) / 2 == pytest.approx(16_000, abs=32)


def test_a_flush_sends_what_is_left_and_a_finalize_behind_it() -> None:
    desk = Desk()

    assert sizes([*desk.push(0.07), *desk.flush()]) == [PIECE, 640, FINALIZE]


def test_a_flush_is_finalized_at_once_when_nothing_is_left() -> None:
    desk = Desk()
    desk.push(0.1)

    assert desk.flush() == [FINALIZE]


def test_nothing_empty_is_sent() -> None:
    desk = Desk()

    assert [*desk.flush(), *desk.flush(), *desk.outgoing.finish()] == [FINALIZE, FINALIZE, CLOSE_STREAM]


def test_a_frame_without_samples_sends_nothing() -> None:
    assert Desk().outgoing.encode(rtc.AudioFrame(b"", 16_000, 1, 0)) == []


def test_the_end_sends_what_is_left_and_close_stream_last() -> None:
    desk = Desk()
    desk.push(0.07)

    assert sizes(desk.outgoing.finish()) == [640, CLOSE_STREAM]


def test_what_is_said_besides_is_json_without_spaces() -> None:
    assert (KEEP_ALIVE, FINALIZE, CLOSE_STREAM) == (
        '{"type":"KeepAlive"}',
        '{"type":"Finalize"}',
        '{"type":"CloseStream"}',
    )


def test_silence_is_not_sent_and_its_end_brings_one_frame_of_it_back() -> None:
    desk = Desk(energy_filter=AudioEnergyFilter(min_silence=0.2))
    loud = desk.push(1.0)
    quiet = desk.push(3.0, level=0)
    again = desk.push(0.09)

    assert sizes(loud) == [PIECE] * 20
    assert sizes(quiet) == [PIECE] * 4 + [FINALIZE]
    assert sizes(again) == [PIECE, PIECE]
    first = np.frombuffer(b"".join(each for each in again if isinstance(each, bytes)), np.int16)
    assert [int(first[0]), int(first[159]), int(first[160])] == [0, 0, 1000]


def test_what_is_left_when_silence_begins_is_sent_before_the_finalize() -> None:
    desk = Desk(energy_filter=AudioEnergyFilter(min_silence=0.2))
    desk.push(0.02)

    assert sizes(desk.push(1.0, level=0)) == [PIECE] * 4 + [640, FINALIZE]


def test_silence_that_was_not_sent_does_not_shift_time() -> None:
    desk = Desk(energy_filter=AudioEnergyFilter(min_silence=0.2))
    desk.push(1.0)
    desk.push(3.0, level=0)
    desk.push(1.0)

    to_heard = desk.outgoing.axis.to_stream
    assert to_heard(0.5) == pytest.approx(0.5)
    assert to_heard(1.1) == pytest.approx(1.1)
    assert to_heard(1.22) == pytest.approx(4.01)  # 1.2 s were sent, then one frame from before 4.0 s, then what follows
    assert to_heard(2.0) == pytest.approx(4.79)


def test_without_a_filter_time_is_that_of_what_was_sent() -> None:
    desk = Desk()
    desk.push(2.0, level=0)

    assert desk.outgoing.axis.to_stream(1.5) == pytest.approx(1.5)


def test_usage_is_reported_every_5_seconds_and_at_a_flush() -> None:
    desk = Desk()
    desk.push(11.0)
    assert desk.reported == [pytest.approx(5.0), pytest.approx(5.0)]

    desk.flush()
    assert desk.reported[2:] == [pytest.approx(1.0)]

    desk.flush()
    desk.usage.flush()
    assert len(desk.reported) == 3


def test_that_nothing_was_sent_is_told_once() -> None:
    desk = Desk(energy_filter=AudioEnergyFilter(min_silence=0.0))
    desk.push(60.0, level=0)
    desk.usage.flush()

    assert desk.reported == [0.0]
