"""Tells the agent's own voice, heard again by the microphone, from the user's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from lk_agents.foundation import clock
from lk_agents.turns.self_speech import is_self_speech, may_become_self_speech
from lk_agents.voice.inputs import Final as FinalText
from lk_agents.voice.inputs import Interim

if TYPE_CHECKING:
    from lk_agents.turns.evidence import Evidence
    from lk_agents.voice.inputs import Input

__all__ = ["OwnVoice"]

UNSURE_SECONDS: Final = 1.5
"""Whoever speaks for so long is no echo of a word or two, where there was none before."""
LATE_SECONDS: Final = 2.0
"""So long behind a speech its last words may be understood."""


class OwnVoice:
    """Knows what the agent says, and has said just now.

    Once its voice has come back by the microphone, a word or two are taken for it as well.
    """

    def __init__(self) -> None:
        self._comes_back = False
        self._said = ""
        self._said_until = float("-inf")

    def is_heard(self, evidence: Evidence) -> bool:
        """Whether what was understood is what the agent is saying."""
        if not evidence.text or not is_self_speech(evidence.text, evidence.playout_text, final=evidence.final):
            return False
        self._comes_back = True
        return True

    def may_be_heard(self, evidence: Evidence) -> bool:
        """Whether the words so far are the agent's own, but too few to be sure; if they are the user's, more come."""
        if evidence.final or not (self._comes_back or evidence.speech_seconds < UNSURE_SECONDS):
            return False
        return may_become_self_speech(evidence.text, evidence.playout_text)

    def fell_silent(self, text: str) -> None:
        """Note that a speech is over, of which this is the text."""
        self._said, self._said_until = text, clock.monotonic()

    def without_tail(self, event: Input, *, onset_at: float | None) -> Input:
        """Return what is to be told of something understood: no words, where they are the last ones of the agent.

        :param onset_at: when the sound began in which it was heard. What begins behind the agent's last word is the
            user's, also where it repeats that.
        """
        if not (self._comes_back and isinstance(event, FinalText | Interim) and event.text):
            return event
        is_late = event.at - self._said_until > LATE_SECONDS
        if is_late or onset_at is None or onset_at >= self._said_until:
            return event
        is_own = may_become_self_speech(event.text, self._said) or is_self_speech(event.text, self._said)
        return replace(event, text="") if is_own else event
