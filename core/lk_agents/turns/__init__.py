"""Turn-taking as plugins see it: evidence in, a decision out, under a deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents.turns.combinations import (
        all_of,
        any_of,
        by_state,
        default_interruption,
        first_of,
        words_or_length,
    )
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
    from lk_agents.turns.self_speech import is_self_speech
    from lk_agents.turns.strategies import Backchannels, InstantInterruption, MinWords, SpeechLength

__all__ = [
    "Backchannels",
    "Decision",
    "EndOfTurnPredictor",
    "Evidence",
    "InstantInterruption",
    "InterruptionStrategy",
    "MinWords",
    "PredictorTurnDetector",
    "SpeechLength",
    "TurnDetector",
    "Verdict",
    "all_of",
    "any_of",
    "as_turn_detector",
    "by_state",
    "create_interruption",
    "create_turn_detector",
    "decide",
    "default_interruption",
    "first_of",
    "is_self_speech",
    "words_or_length",
]

_NAMES = {
    "combinations": (
        "all_of",
        "any_of",
        "by_state",
        "default_interruption",
        "first_of",
        "words_or_length",
    ),
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
    "self_speech": ("is_self_speech",),
    "strategies": (
        "Backchannels",
        "InstantInterruption",
        "MinWords",
        "SpeechLength",
    ),
}


def __getattr__(name: str) -> Any:
    from lk_agents.foundation.lazy import load_name

    return load_name(__name__, name, _NAMES)


def __dir__() -> list[str]:
    return sorted(__all__)
