"""Flux as a judge of turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lk_agents.foundation.errors import ConfigError
from lk_agents.turns.evidence import Decision, Evidence
from lk_agents.turns.judges import TurnDetector

if TYPE_CHECKING:
    from lk_agents_deepgram.flux_stt import STTv2

__all__ = ["FluxTurnDetector"]


class FluxTurnDetector(TurnDetector):
    """Says ``WAIT`` as long as Flux does not say that the turn has ended; for an agent that listens through Flux.

    Without it, such an agent answers when Flux says that the turn has ended, and also after a silence of
    ``min_endpointing_delay`` and ``transcript_timeout`` together. With it, the user has ``max_endpointing_delay`` to go
    on.

    :param stt: what the agent listens through, and nobody else.
    :raises ConfigError: that does not know turns.
    """

    def __init__(self, stt: STTv2) -> None:
        if not hasattr(stt, "turn_is_open"):
            raise ConfigError(f"stt is {stt!r}, which knows no turns; give the lk_agents_deepgram.STTv2 of the agent")
        self._stt = stt

    async def judge(self, evidence: Evidence) -> Decision:  # noqa: ARG002  Flux has heard it
        """Tell what Flux thinks."""
        return Decision.WAIT if self._stt.turn_is_open else Decision.ACT
