"""Turn-taking as plugins see it: evidence in, a decision out, under a deadline."""

from __future__ import annotations

from lk_agents.turns.evidence import Decision, Evidence, Verdict
from lk_agents.turns.judges import (
    EndOfTurnPredictor,
    InterruptionStrategy,
    PredictorTurnDetector,
    TurnDetector,
    as_turn_detector,
    decide,
)
from lk_agents.turns.lookup import create_interruption, create_turn_detector

__all__ = [
    "Decision",
    "EndOfTurnPredictor",
    "Evidence",
    "InterruptionStrategy",
    "PredictorTurnDetector",
    "TurnDetector",
    "Verdict",
    "as_turn_detector",
    "create_interruption",
    "create_turn_detector",
    "decide",
]
