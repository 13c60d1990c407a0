"""Turn-taking as plugins see it: evidence in, a decision out, under a deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_NAMES = {
    "evidence": (
        "Decision",
        "Evidence",
        "Verdict",
    ),
    "judges": (
        "EndOfTurnPredictor",
        "InterruptionStrategy",
        "PredictorTurnDetector",
        "TurnDetector",
        "as_turn_detector",
        "decide",
    ),
    "lookup": (
        "create_interruption",
        "create_turn_detector",
    ),
}


def __getattr__(name: str) -> Any:
    from lk_agents.foundation.lazy import load_name

    return load_name(__name__, name, _NAMES)


def __dir__() -> list[str]:
    return sorted(__all__)
