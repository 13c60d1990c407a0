"""What the watchdog has to know of the user, made of what the turn machine is told. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lk_agents.voice import signals as s
from lk_agents.voice.watchdog import UserState

if TYPE_CHECKING:
    from lk_agents.voice.turn import TurnMachine

__all__ = ["UserWatch"]


class UserWatch:
    """Counts how much speech the recogniser has said nothing about."""

    def __init__(self) -> None:
        self._unanswered_seconds = 0.0

    def after(self, event: s.Input, machine: TurnMachine) -> UserState:
        """Return what is known of the user once the machine has taken note of an input."""
        match event:
            case s.VoiceRunEnded():
                self._unanswered_seconds += event.last_speech_at - event.onset_at
            case s.Final() | s.Interim() | s.RecognitionClosed() | s.Typed():
                self._unanswered_seconds = 0.0
        turn = machine.turn
        return UserState(
            turn=turn.number,
            speaking=turn.run_open,
            last_speech_at=turn.last_speech_at,
            speech_seconds=self._unanswered_seconds,
            understood=turn.fresh,
            recognizing=turn.has_interim or turn.is_recognizing,
            waits_until=turn.waits_until,
        )
