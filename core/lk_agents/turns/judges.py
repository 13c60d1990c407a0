"""Who decides about turns and interruptions: interfaces for plugins, and the way they are asked."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from lk_agents.foundation import clock
from lk_agents.foundation.log import logger
from lk_agents.turns.evidence import Decision, Evidence, Verdict

if TYPE_CHECKING:
    from lk_agents.llm import ChatContext

__all__ = [
    "EndOfTurnPredictor",
    "InterruptionStrategy",
    "PredictorTurnDetector",
    "TurnDetector",
    "as_turn_detector",
    "checked",
    "decide",
]

DECISION_SECONDS: Final = 1.0
DEFAULT_THRESHOLD: Final = 0.15
"""Used where a predictor knows no threshold for a language."""


class _Judge(ABC):
    """Looks at evidence and decides."""

    @property
    def label(self) -> str:
        """Its name in events and logs."""
        return f"{type(self).__module__}.{type(self).__name__}"

    @abstractmethod
    async def judge(self, evidence: Evidence) -> Decision:
        """Decide. Cancelled where the deadline passes or the evidence is out of date; keep no state half changed."""

    async def aclose(self) -> None:
        """Release what it holds; nothing by default."""
        return


class TurnDetector(_Judge):
    """Decides whether the user's turn has ended: ``ACT`` to reply, ``WAIT`` to give the user more time."""

    def supports_language(self, language: str | None) -> bool:  # noqa: ARG002  for those who decide by it
        """Tell whether it can judge text of that language; it is not asked otherwise."""
        return True


class InterruptionStrategy(_Judge):
    """Decides whether speech under the agent's own stops it: ``ACT`` to stop, ``IGNORE`` for a backchannel."""


@runtime_checkable
class EndOfTurnPredictor(Protocol):
    """The older interface of turn detectors, taken as well: gives a probability for a chat context."""

    def unlikely_threshold(self, language: str | None) -> float | None:
        """Return the probability below which the turn has probably not ended; None if the language is unknown."""

    def supports_language(self, language: str | None) -> bool:
        """Tell whether text of that language can be judged."""

    async def predict_end_of_turn(self, chat_ctx: ChatContext) -> float:
        """Return how probable it is that the turn has ended, 0 to 1."""


class PredictorTurnDetector(TurnDetector):
    """A turn detector made of an :class:`EndOfTurnPredictor`."""

    def __init__(self, predictor: EndOfTurnPredictor) -> None:
        self._predictor = predictor

    @property
    def label(self) -> str:
        """The predictor's name."""
        return f"{type(self._predictor).__module__}.{type(self._predictor).__name__}"

    def supports_language(self, language: str | None) -> bool:
        """Ask the predictor."""
        return self._predictor.supports_language(language)

    async def judge(self, evidence: Evidence) -> Decision:
        """``WAIT`` below the predictor's threshold, else ``ACT``; also ``ACT`` without a chat context."""
        if evidence.chat_ctx is None:
            return Decision.ACT
        probability = await self._predictor.predict_end_of_turn(evidence.chat_ctx)
        threshold = self._predictor.unlikely_threshold(evidence.language)
        return Decision.WAIT if probability < (DEFAULT_THRESHOLD if threshold is None else threshold) else Decision.ACT


def as_turn_detector(detector: TurnDetector | EndOfTurnPredictor) -> TurnDetector:
    """Return a :class:`TurnDetector`, whichever of the two interfaces was given."""
    return detector if isinstance(detector, TurnDetector) else PredictorTurnDetector(detector)


def checked(decision: Any, judge: TurnDetector | InterruptionStrategy) -> Decision:
    """Return a judge's answer.

    :raises TypeError: it is no :class:`Decision`.
    """
    if not isinstance(decision, Decision):
        raise TypeError(f"{judge.label} answered {decision!r}; a judge answers with a Decision, such as Decision.ACT")
    return decision


async def decide(
    judge: TurnDetector | InterruptionStrategy,
    evidence: Evidence,
    *,
    default: Decision,
    deadline_seconds: float = DECISION_SECONDS,
) -> Verdict:
    """Ask a judge; where it fails or takes too long, the default stands. Never raises but for cancellation.

    :param default: what stands when the deadline passes or the judge raises.
    :param deadline_seconds: how long the judge may take.
    """
    began_at = clock.monotonic()
    source = judge.label
    try:
        async with asyncio.timeout(deadline_seconds):
            decision = checked(await judge.judge(evidence), judge)
    except TimeoutError:
        decision, source = default, "deadline"
        logger.warning("a judge of turns took too long", extra={"judge": judge.label, "seconds": deadline_seconds})
    except Exception as error:  # noqa: BLE001  a plugin's error must not silence the agent; it is logged
        decision, source = default, "error"
        logger.exception("a judge of turns failed", extra={"judge": judge.label, "error": type(error).__name__})
    return Verdict(decision, evidence.turn, source, clock.monotonic() - began_at)
