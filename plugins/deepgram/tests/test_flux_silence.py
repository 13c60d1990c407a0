"""How long a Flux may tell nothing."""

from __future__ import annotations

from lk_agents.foundation.clock import use_clock
from lk_agents.testing.clock import VirtualClock
from lk_agents_deepgram.flux_silence import FluxSilence


def test_it_counts_from_the_first_audio_that_was_not_answered() -> None:
    with use_clock(clock := VirtualClock()):
        silence = FluxSilence()
        waited = [silence.sent()]
        for _ in range(3):
            clock.advance(0.5)
            waited.append(silence.sent())

    assert waited == [0.0, 0.5, 1.0, 1.5]


def test_an_answer_ends_it() -> None:
    with use_clock(clock := VirtualClock()):
        silence = FluxSilence()
        silence.sent()
        clock.advance(0.5)
        silence.told()

        assert silence.sent() == 0.0


def test_a_pause_in_the_audio_is_no_silence_of_flux() -> None:
    with use_clock(clock := VirtualClock()):
        silence = FluxSilence()
        silence.sent()
        clock.advance(60.0)
        waited = [silence.sent()]
        clock.advance(0.5)
        waited.append(silence.sent())

    assert waited == [0.0, 0.5]
