"""What the watchdog has to know of the user, made of what the turn machine is told. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lk_agents.voice import signals as s
from lk_agents.voice.watchdog import UserState

if TYPE_CHECKING:
    from lk_agents.voice.turn import TurnMachine
    from lk_agents.voice.user_turn import UserTurn

__all__ = ["UserWatch"]


class UserWatch:
    """Knows the last sign of the user, and how long the longest speech was that the recogniser has left unanswered.

    Only what the detector takes for one speech is added up: coughs do not become a sentence.
    """

    def __init__(self) -> None:
        self._speech_seconds = self._unanswered_seconds = 0.0
        self._answered_at = self._interim_at = float("-inf")

    def after(self, event: s.Input, machine: TurnMachine) -> UserState:
        """Return what is known of the user once the machine has taken note of an input."""
        match event:
            case s.VoiceRunEnded():
                self._speech_seconds += max(event.last_speech_at - max(event.onset_at, self._answered_at), 0.0)
                self._unanswered_seconds = max(self._unanswered_seconds, self._speech_seconds)
            case s.SpeechStopped():
                self._speech_seconds = 0.0
            case s.Interim():
                self._interim_at = event.at
            case s.Final() | s.RecognitionClosed() | s.Typed():
                self._speech_seconds = self._unanswered_seconds = 0.0
                self._answered_at = event.at
        turn = machine.turn
        return UserState(
            turn=turn.number,
            speaking=turn.run_open,
            last_speech_at=self._last_sign(turn),
            speech_seconds=self._unanswered_seconds,
            understood=turn.fresh,
            recognizing=turn.has_interim or turn.is_recognizing,
            waits_until=turn.waits_until,
        )

    def _last_sign(self, turn: UserTurn) -> float | None:
        """Return when the user was last known to speak: where the detector hears nothing, the recogniser may."""
        if turn.has_interim and not turn.run_since_decision:
            return max(self._interim_at, turn.last_speech_at or self._interim_at)
        return turn.last_speech_at
