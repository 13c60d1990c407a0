"""Who decides about turns: asked under a deadline, with a default that stands when nobody answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from livekit import rtc

from lk_agents.testing import VirtualClock
from lk_agents.turns import (
    Decision,
    Evidence,
    InterruptionStrategy,
    PredictorTurnDetector,
    TurnDetector,
    as_turn_detector,
    decide,
)


class Fixed(InterruptionStrategy):
    """Says what it is made with, after a while."""

    def __init__(self, decision: Decision, seconds: float = 0.0, error: Exception | None = None) -> None:
        self.decision = decision
        self.seconds = seconds
        self.error = error

    async def judge(self, evidence: Evidence) -> Decision:
        await asyncio.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return self.decision


class Predictor:
    """A detector of the older interface."""

    def __init__(self, probability: float, threshold: float | None = 0.5) -> None:
        self.probability = probability
        self.threshold = threshold
        self.asked: list[Any] = []

    def unlikely_threshold(self, language: str | None) -> float | None:
        return self.threshold

    def supports_language(self, language: str | None) -> bool:
        return language == "en"

    async def predict_end_of_turn(self, chat_ctx: Any) -> float:
        self.asked.append(chat_ctx)
        return self.probability


@pytest.mark.usefixtures("lk_clock")
async def test_the_verdict_carries_decision_turn_judge_and_time() -> None:
    verdict = await decide(Fixed(Decision.IGNORE, 0.25), Evidence(turn=7), default=Decision.ACT)

    assert (verdict.decision, verdict.turn, verdict.took_seconds) == (Decision.IGNORE, 7, 0.25)
    assert verdict.source.endswith(".Fixed")


async def test_the_default_stands_when_the_deadline_passes(
    lk_clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    verdict = await decide(Fixed(Decision.ACT, 60), Evidence(turn=1), default=Decision.WAIT, deadline_seconds=0.5)

    assert (verdict.decision, verdict.source) == (Decision.WAIT, "deadline")
    assert lk_clock.monotonic() == 0.5
    assert "a judge of turns took too long" in caplog.messages


async def test_the_default_stands_when_the_judge_fails(caplog: pytest.LogCaptureFixture) -> None:
    broken = Fixed(Decision.ACT, error=ZeroDivisionError())

    verdict = await decide(broken, Evidence(turn=1), default=Decision.IGNORE)

    assert (verdict.decision, verdict.source) == (Decision.IGNORE, "error")
    assert "a judge of turns failed" in caplog.messages


async def test_cancelling_the_question_cancels_the_judge() -> None:
    asking = asyncio.create_task(
        decide(Fixed(Decision.ACT, 60), Evidence(turn=1), default=Decision.WAIT), name="asking"
    )
    await asyncio.sleep(0)
    asking.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asking


@pytest.mark.parametrize(
    ("probability", "threshold", "decision"),
    [(0.6, 0.5, Decision.ACT), (0.5, 0.5, Decision.ACT), (0.4, 0.5, Decision.WAIT), (0.1, None, Decision.WAIT)],
)
async def test_a_predictor_of_the_older_interface_is_a_turn_detector(
    probability: float, threshold: float | None, decision: Decision
) -> None:
    predictor = Predictor(probability, threshold)
    detector = as_turn_detector(predictor)
    context: Any = object()

    assert await detector.judge(Evidence(turn=1, chat_ctx=context)) is decision
    assert predictor.asked == [context]
    assert detector.supports_language("en")
    assert not detector.supports_language("de")
    assert detector.label.endswith(".Predictor")


async def test_a_predictor_without_a_context_ends_the_turn() -> None:
    predictor = Predictor(0.0)

    assert await PredictorTurnDetector(predictor).judge(Evidence(turn=1)) is Decision.ACT
    assert predictor.asked == []


def test_a_turn_detector_stays_what_it_is() -> None:
    class Own(TurnDetector):
        async def judge(self, evidence: Evidence) -> Decision:
            return Decision.ACT

    own = Own()
    assert as_turn_detector(own) is own
    assert own.supports_language(None)


def test_evidence_counts_words_and_asks_for_audio_only_when_wanted() -> None:
    asked: list[bool] = []

    def audio() -> Sequence[rtc.AudioFrame]:
        asked.append(True)
        return ()

    evidence = Evidence(turn=1, text=" well,  I see ", recent_audio=audio)

    assert evidence.word_count == 3
    assert repr(evidence)
    assert asked == []
    assert evidence.recent_audio() == ()
    assert Evidence(turn=1).recent_audio() == ()
