"""The decisions of a playout, without time."""

from __future__ import annotations

import pytest
from tests.media.sounds import RATE, frame, samples

from lk_agents.media.playout_state import PlayoutState, cut


def state_with(length_ms: int) -> PlayoutState:
    state = PlayoutState(RATE, lead_seconds=0.2)
    state.push(frame(0, length_ms))
    return state


def send_all(state: PlayoutState, *, played: int = 0, queued: int = 0) -> list[int]:
    """Give a sink all that it has room for; return the samples."""
    given: list[int] = []
    while (piece := state.take(queued)) is not None:
        state.note_sent(piece.samples_per_channel, sink_samples=played, queued=queued, now=0.0)
        queued += piece.samples_per_channel
        given += samples(bytes(piece.data))
    return given


def test_a_sink_is_filled_up_to_the_lead() -> None:
    state = state_with(1000)

    assert send_all(state) == list(range(200))
    assert state.seconds_until_due(200) == 0.05
    state.look(51)
    assert send_all(state, queued=149) == list(range(200, 250))


def test_what_others_played_before_does_not_count() -> None:
    state = state_with(1000)
    send_all(state, played=5000, queued=30)

    state.look(5030)
    assert state.position == 0
    state.look(5130)
    assert (state.position, state.heard) == (100, 100)


def test_no_more_is_heard_than_was_sent() -> None:
    state = state_with(1000)
    send_all(state)
    state.look(10_000)

    assert state.position == 200


def test_after_a_pause_the_rest_of_a_frame_is_sent_again() -> None:
    state = state_with(1000)
    send_all(state)
    state.look(133)
    state.pause()
    assert (state.take(0), state.seconds_until_due(0)) == (None, None)

    state.resume(None)
    assert send_all(state, played=133) == list(range(133, 300))  # the rest of a piece, and whole ones
    state.look(134)
    assert state.position == 134


def test_what_was_played_long_ago_is_forgotten() -> None:
    state = state_with(10_000)
    for played in range(0, 5000, 150):
        state.look(played)
        send_all(state, played=played, queued=state.sent - played)

    assert state.resume_position(0.0) == 2950  # 2 s before the last position


@pytest.mark.parametrize(("start", "end", "expected"), [(0, 20, 20), (0, 5, 5), (15, 20, 5), (7, 9, 2)])
def test_a_frame_is_cut_by_samples_of_all_channels(start: int, end: int, expected: int) -> None:
    piece = cut(frame(0, 20, channels=2), start, end)

    assert (piece.samples_per_channel, piece.num_channels) == (expected, 2)
    assert samples(bytes(piece.data)) == [n for n in range(start, end) for _ in range(2)]
