"""Whole calls with scripted providers, in virtual time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lk_agents.testing.providers import Answer, Heard, ScriptedVAD
from lk_agents.testing.session import ScriptedCall

MakeCall = Callable[..., ScriptedCall]
LONG = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen."


@pytest.mark.parametrize("streaming", [True, False])
async def test_it_answers_half_a_second_after_the_callers_last_sample(lk_session: MakeCall, streaming: bool) -> None:
    call = await lk_session([Heard("Hello there", 1.0, 2.0)], ["Hello to you."], streaming=streaming).run()

    assert call.said() == ["Hello there"]
    assert call.heard() == ["Hello to you."]
    assert call.at("agent_started_speaking") == [pytest.approx(2.5, abs=0.05)]


@pytest.mark.parametrize("streaming", [True, False])
async def test_half_a_second_of_speech_stops_it(lk_session: MakeCall, streaming: bool) -> None:
    caller = [Heard("Count to fifteen", 1.0, 2.0), Heard("that is quite enough", 5.0, 6.5)]
    call = await lk_session(caller, [Answer(LONG, when="Count"), "I stop."], streaming=streaming).run()

    assert call.said() == ["Count to fifteen", "that is quite enough"]
    cut, last = call.heard()
    assert cut.endswith("...")
    assert LONG.startswith(cut.removesuffix("..."))
    assert last == "I stop."
    assert call.at("agent_stopped_speaking")[0] <= 5.0 + 0.5 + 0.04


async def test_a_cough_pauses_it_and_it_goes_on(lk_session: MakeCall) -> None:
    caller = [Heard("Count to fifteen", 1.0, 2.0)]
    vad = ScriptedVAD([*caller, (5.0, 5.8)])
    call = await lk_session(caller, [LONG], vad=vad).run(20)

    assert call.heard() == [LONG]
    assert len(call.at("agent_started_speaking")) == 2
    assert not call.at("agent_speech_interrupted")
