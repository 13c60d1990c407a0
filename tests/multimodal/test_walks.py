"""Calls in detail: what happens in which order, and when."""

from __future__ import annotations

import asyncio

import pytest
from tests.multimodal.calls import DECIDED, LONG, QUESTION, Call, Functions

from lk_agents.testing.providers import Heard, RealtimeAnswer
from lk_agents.testing.session_io import MemorySessionIO

pytestmark = pytest.mark.usefixtures("lk_no_leaks", "lk_clock")

REPLY = "Good day to you."
SECONDS = len(REPLY) * 0.06


def lines(call: Call) -> list[tuple[float, str]]:
    """Return what has happened, and when."""
    hidden = {"metrics_collected", "turn_finished", "closed"}
    return [
        (at, f"{event}: {told}" if isinstance(told, str) else event)
        for at, event, told in call.log
        if event not in hidden
    ]


def happens(call: Call, expected: list[tuple[float, str]]) -> None:
    """Check that exactly this has happened, in this order, at these times."""
    found = lines(call)
    assert [what for _, what in found] == [what for _, what in expected]
    for (at, what), (wanted, _) in zip(found, expected, strict=True):
        assert at == pytest.approx(wanted, abs=0.021), what


async def test_one_turn() -> None:
    call = await Call([RealtimeAnswer(text=REPLY, first_seconds=0.5)]).run(8)

    happens(
        call,
        [
            (0.0, "agent_state_changed: initializing"),
            (0.0, "agent_state_changed: listening"),
            (1.06, "user_started_speaking"),
            (DECIDED, "user_stopped_speaking"),
            (DECIDED, "user_speech_committed: Hello there"),
            (DECIDED + 0.2, "agent_state_changed: thinking"),
            (DECIDED + 0.5, "agent_state_changed: speaking"),
            (DECIDED + 0.5, "agent_started_speaking"),
            (DECIDED + 0.5 + SECONDS, "agent_stopped_speaking"),
            (DECIDED + 0.5 + SECONDS, f"agent_speech_committed: {REPLY}"),
            (DECIDED + 0.5 + SECONDS, "agent_state_changed: listening"),
        ],
    )


async def test_an_interruption() -> None:
    call = await Call([LONG, REPLY], caller=[QUESTION, Heard("stop it now", 4.0, 5.0)]).run(8)

    happens(
        call,
        [
            (0.0, "agent_state_changed: initializing"),
            (0.0, "agent_state_changed: listening"),
            (1.06, "user_started_speaking"),
            (DECIDED, "user_stopped_speaking"),
            (DECIDED, "user_speech_committed: Hello there"),
            (DECIDED, "agent_state_changed: speaking"),
            (DECIDED, "agent_started_speaking"),
            (4.0, "user_started_speaking"),
            (4.0, "agent_stopped_speaking"),
            (4.0, "agent_state_changed: listening"),
            (4.0, f"agent_speech_interrupted: {call.told('agent_speech_interrupted')[0]}"),
            (5.5, "user_stopped_speaking"),
            (5.5, "user_speech_committed: stop it now"),
            (5.5, "agent_state_changed: speaking"),
            (5.5, "agent_started_speaking"),
            (5.5 + SECONDS, "agent_stopped_speaking"),
            (5.5 + SECONDS, f"agent_speech_committed: {REPLY}"),
            (5.5 + SECONDS, "agent_state_changed: listening"),
        ],
    )


async def test_a_function() -> None:
    asks = RealtimeAnswer(text="One moment.", calls=[("weather", {"place": "Rome"})])
    call = await Call([asks, REPLY], fnc_ctx=Functions(seconds=2.0)).run(10)

    first = len("One moment.") * 0.06
    happens(
        call,
        [
            (0.0, "agent_state_changed: initializing"),
            (0.0, "agent_state_changed: listening"),
            (1.06, "user_started_speaking"),
            (DECIDED, "user_stopped_speaking"),
            (DECIDED, "user_speech_committed: Hello there"),
            (DECIDED, "agent_state_changed: speaking"),
            (DECIDED, "agent_started_speaking"),
            (DECIDED, "function_calls_collected"),
            (DECIDED + first, "agent_stopped_speaking"),
            (DECIDED + first, "agent_speech_committed: One moment."),
            (DECIDED + first, "agent_state_changed: listening"),
            (DECIDED + 2.0, "function_calls_finished"),
            (DECIDED + 2.0, "agent_state_changed: speaking"),
            (DECIDED + 2.0, "agent_started_speaking"),
            (DECIDED + 2.0 + SECONDS, "agent_stopped_speaking"),
            (DECIDED + 2.0 + SECONDS, f"agent_speech_committed: {REPLY}"),
            (DECIDED + 2.0 + SECONDS, "agent_state_changed: listening"),
        ],
    )


async def test_the_transcript_of_what_was_said_comes_when_it_comes() -> None:
    call = Call([REPLY])
    call.model.transcript_seconds = 3.0
    await call.until(DECIDED + 0.1)
    assert call.shown("caller") == [("", False)]

    await call.run(8)

    assert call.at("user_speech_committed") == [pytest.approx(DECIDED + 3.0, abs=0.02)]
    assert call.shown("caller") == [("Hello there", True)]


async def test_functions_may_go_on_when_nothing_more_is_to_be_heard() -> None:
    call = Call([REPLY, LONG], caller=None)
    call.start()
    waits = call.session.playout_complete
    assert isinstance(waits, asyncio.Event)
    assert waits.is_set()

    call.agent.generate_reply()
    call.agent.generate_reply("keep_both")
    await call.until(0.5)
    assert not waits.is_set()
    await call.until(SECONDS + 0.01)
    assert not waits.is_set(), "the next reply is heard"
    await call.until(2.0)
    call.agent.interrupt()
    await asyncio.sleep(0.01)
    assert waits.is_set()
    await call.run(2.1)


async def test_a_clock_that_drifts_moves_nothing() -> None:
    io = MemorySessionIO(voice_rate=24_000, drift_ppm=200.0)
    call = Call([RealtimeAnswer(text=LONG, seconds=60.0)], caller=None, io=io)
    call.start()
    call.agent.generate_reply()
    await call.until(50.0)
    call.agent.interrupt()
    await call.run(51.0)

    ((_, milliseconds),) = call.session.truncated
    assert milliseconds == len(io.audio_out.played_audio) // 2 * 1000 // 24_000
    assert milliseconds == pytest.approx(50_010, abs=2)
