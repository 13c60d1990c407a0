"""What is known at one moment of a conversation, and what can be decided about it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lk_agents.foundation.types import AgentState

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.llm import ChatContext

__all__ = ["Decision", "Evidence", "Verdict"]


class Decision(enum.Enum):
    """What a turn detector or an interruption strategy says."""

    ACT = "act"
    """The turn has ended: reply. Or: the user wants to be heard: stop speaking."""
    IGNORE = "ignore"
    """It means nothing: a backchannel, a cough, the agent's own voice."""
    WAIT = "wait"
    """It is too early to say; ask again when there is more."""


def _no_audio() -> Sequence[rtc.AudioFrame]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One moment of a conversation.

    :param turn: counts the user's turns; a verdict about an earlier turn is void.
    :param speech_seconds: length of the present or last voice run, without the silence behind it.
    :param silence_seconds: since the last sample of speech; 0 while the user speaks.
    :param speaking: whether the voice run goes on.
    :param text: what was understood in this turn so far.
    :param final: whether the text will not change any more.
    :param language: of the text, where the recogniser says.
    :param agent_state: what the agent is doing.
    :param playout_seconds: how much of the agent's present speech was heard; None if it does not speak.
    :param playout_text: what the agent says at the moment, to tell its own voice from the user's.
    :param chat_ctx: the conversation so far, with this turn's text as its last message; do not change it.
    :param recent_audio: gives the last 8 s of what the user's microphone heard; called only by those who want it.
    """

    turn: int
    speech_seconds: float = 0.0
    silence_seconds: float = 0.0
    speaking: bool = False
    text: str = ""
    final: bool = False
    language: str | None = None
    agent_state: AgentState = "listening"
    playout_seconds: float | None = None
    playout_text: str = ""
    chat_ctx: ChatContext | None = None
    recent_audio: Callable[[], Sequence[rtc.AudioFrame]] = field(default=_no_audio, repr=False, compare=False)

    @property
    def word_count(self) -> int:
        """How many words were understood in this turn."""
        return len(self.text.split())


@dataclass(frozen=True)
class Verdict:
    """A decision with its origin.

    :param decision: what was decided.
    :param turn: the turn that it is about.
    :param source: who decided: the judge's label, or ``"deadline"``, ``"error"`` where the default was taken.
    :param took_seconds: how long it took.
    """

    decision: Decision
    turn: int
    source: str
    took_seconds: float = 0.0
