"""What is measured and told of a conversation."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from tests.multimodal.calls import DECIDED, LONG, QUESTION, Call

from lk_agents.foundation.settings import Settings
from lk_agents.hooks.current import set_registry, use_registry
from lk_agents.hooks.registry import PluginRegistry
from lk_agents.metrics import MultimodalLLMMetrics, UsageCollector
from lk_agents.metrics.records import DeadAirMetrics, PipelineEOUMetrics, PipelineTurnMetrics
from lk_agents.testing.providers import Heard, RealtimeAnswer
from lk_agents.voice.records import SessionInfo, TurnRecord

pytestmark = pytest.mark.usefixtures("lk_no_leaks", "lk_clock")


def records(call: Call, kind: type) -> list:  # type: ignore[type-arg]
    """Return the measurements of a kind."""
    return [each for each in call.told("metrics_collected") if isinstance(each, kind)]


async def test_every_response_is_measured_once() -> None:
    caller = [QUESTION, Heard("stop it now", 4.0, 5.0)]
    call = await Call([RealtimeAnswer(text=LONG, pace=1.0), "I stop."], caller=caller).run(8)

    told = records(call, MultimodalLLMMetrics)
    assert [each.cancelled for each in told] == [True, False]
    usage = UsageCollector()
    for each in call.told("metrics_collected"):
        usage.collect(each)
    assert usage.get_summary().llm_completion_tokens == 12 + 2


async def test_a_turn_tells_where_its_time_went() -> None:
    call = await Call([RealtimeAnswer(text="Good day.", first_seconds=0.5)]).run(8)

    (record,) = call.told("turn_finished")
    assert record.from_speech
    assert record.decision == pytest.approx(0.5, abs=0.02)
    assert record.llm_requested == pytest.approx(0.5, abs=0.02)
    assert record.first_token == record.first_audio == record.first_played == pytest.approx(1.0, abs=0.02)
    assert record.ended == pytest.approx(1.0 + 9 * 0.06, abs=0.03)
    assert record.heard_seconds == pytest.approx(9 * 0.06, abs=0.021)
    assert (record.agent_characters, record.user_characters) == (len("Good day."), len("Hello there"))
    (turn,) = records(call, PipelineTurnMetrics)
    assert (turn.sequence_id, turn.first_played) == (record.speech, record.first_played)
    (delay,) = records(call, PipelineEOUMetrics)
    assert delay.end_of_utterance_delay == pytest.approx(0.5, abs=0.02)


async def test_a_session_that_does_not_say_where_speech_has_ended_counts_from_its_word() -> None:
    call = Call(["Good day."], caller=None)
    await call.until(1.0)
    call.session.emit("input_speech_started")
    await call.until(2.0)
    call.session.emit("input_speech_stopped")
    call.agent.generate_reply()
    await call.run(5.0)

    assert [each.turn for each in call.told("turn_finished")] == [1]


async def test_dead_air_is_measured() -> None:
    never = RealtimeAnswer(text="Never.", stall_at=0.0)
    call = await Call([never, never]).run(DECIDED + 10.0)

    assert [each.stage for each in records(call, DeadAirMetrics)] == ["llm_first_token"] * 2
    assert [each.seconds for each in records(call, DeadAirMetrics)] == [pytest.approx(4.0), pytest.approx(8.0)]


@pytest.fixture
def told() -> Iterator[list[object]]:
    """Give what a plugin is told that wants to know of conversations."""
    told: list[object] = []
    registry = PluginRegistry(Settings())
    hooks = ("lk_agents_session_started", "lk_agents_turn_finished", "lk_agents_metrics")
    registry.add_own(dict.fromkeys(hooks, told.append), name="listener")
    with use_registry(registry):
        yield told
    set_registry(None)


async def test_plugins_are_told_of_the_conversation_its_turns_and_responses_once(told: list[object]) -> None:
    call = await Call(["Good day."]).run(8)

    kinds = [type(each) for each in told]
    assert kinds == [SessionInfo, PipelineEOUMetrics, MultimodalLLMMetrics, PipelineTurnMetrics, TurnRecord]
    (info,) = [each for each in told if isinstance(each, SessionInfo)]
    assert (info.participant, info.llm, info.stt) == ("caller", call.model.label, "")


async def test_nothing_that_anybody_has_said_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        text = RealtimeAnswer(text="A secret.", as_text=True)
        caller = [QUESTION, Heard("stop it now", 6.0, 7.0)]
        await Call([text, LONG, RealtimeAnswer(status="failed")], caller=caller).run(10)

    told = " ".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert "turn finished" in told
    for said in ("A secret", "Hello there", "One two", "stop it now"):
        assert said not in told
