"""The same five minutes of conversation with an agent."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from tests.conversation.test_five_minutes import ANSWERS, INTERRUPTING, LAST, QUESTIONS, SECONDS, TURNS

from lk_agents.stt import FallbackAdapter
from lk_agents.testing import VirtualClock
from lk_agents.testing.providers import Break, ScriptedLLM, ScriptedSTT, ScriptedTTS, ScriptedVAD
from lk_agents.testing.session import ScriptedCall

pytestmark = pytest.mark.timeout(90)  # a busy machine is slow at five minutes of audio

CALLER = [*QUESTIONS, INTERRUPTING]
ENDPOINTING = 0.5
FIRST_TOKEN = 0.4
WITHOUT_MEANING = ("id", "_id", "timestamp", "speech")
"""Of what is told, ids and wall times, which differ from one run to the other."""


def talk() -> ScriptedCall:
    """Hold the conversation: the recogniser fails once, and so does the model; whole texts are spoken only."""

    async def main() -> ScriptedCall:
        ears = ScriptedSTT(CALLER, by_sound=True, breaks=[Break(at=100.0)])
        call = ScriptedCall(
            CALLER,
            vad=ScriptedVAD(CALLER),
            stt=FallbackAdapter([ears, ScriptedSTT([])], max_retry_per_stt=1),
            llm=ScriptedLLM([*ANSWERS, LAST], breaks=[Break(at=0)]),
            tts=ScriptedTTS(streaming=False, speed=20),
        )
        return await call.run(SECONDS)

    return VirtualClock().run(main())


def described(told: Any) -> Any:
    """Return what was told without ids and wall times."""
    if is_dataclass(told) and not isinstance(told, type):
        named = {each.name: getattr(told, each.name) for each in fields(told)}
        return {name: described(value) for name, value in named.items() if not name.endswith(WITHOUT_MEANING)}
    return [described(each) for each in told] if isinstance(told, list) else told


@pytest.fixture(scope="module")
def call() -> ScriptedCall:
    return talk()


def test_every_question_is_understood_once_and_answered(call: ScriptedCall) -> None:
    assert " ".join(call.said()) == " ".join(each.text for each in CALLER)
    assert call.heard()[:-2] == [answer.text for answer in ANSWERS[:-1]]
    assert call.heard()[-1] == "Very well."
    assert [record.outcome.value for record in call.told("turn_finished")] == [
        *["spoken"] * (TURNS - 1),
        "interrupted",
        "spoken",
    ]


def test_the_answer_that_is_interrupted_is_kept_as_far_as_it_was_heard(call: ScriptedCall) -> None:
    (cut,) = call.told("agent_speech_interrupted")
    heard = str(cut.content).removesuffix("...")

    assert str(ANSWERS[-1].text).startswith(heard)
    assert 2 <= len(heard.split()) < len(str(ANSWERS[-1].text).split())


def test_what_is_shown_is_what_was_said_on_both_sides(call: ScriptedCall) -> None:
    shown = " ".join(segment.text for segment in call.io.text.shown if segment.final)

    for question, answer in zip(QUESTIONS[:-1], ANSWERS[:-1], strict=True):
        assert question.text in shown
        assert str(answer.text) in shown


def test_each_turn_takes_what_its_rule_and_the_model_take(call: ScriptedCall) -> None:
    records = call.told("turn_finished")

    for record in records[1:-1]:
        assert record.decision == pytest.approx(ENDPOINTING, abs=0.001)
        assert record.first_token == pytest.approx(ENDPOINTING + FIRST_TOKEN, abs=0.001)
    assert records[0].first_token > ENDPOINTING + FIRST_TOKEN, "the model has failed once"
    assert call.told("dead_air") == []


def test_it_is_the_same_conversation_each_time(call: ScriptedCall) -> None:
    first, second = ([(each.at, each.event, described(each.told)) for each in one.log] for one in (call, talk()))

    assert first == second
    assert len(first) > 500
