"""What is told of a conversation: who takes part, and what became of each turn. Nothing that anybody has said."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Final

__all__ = ["MARK_ORDER", "Mark", "Outcome", "SessionInfo", "TurnRecord"]


class Mark(StrEnum):
    """A moment on the way from the user's last word to the agent's first; each is the name of a field of the record."""

    DECISION = "decision"
    """The user's turn was found to be over."""
    FINAL_TEXT = "final_text"
    """The last text of the turn had come."""
    LLM_REQUESTED = "llm_requested"
    """The language model was asked."""
    FIRST_TOKEN = "first_token"  # noqa: S105  a token of a language model
    """Its first text, or its first call of a function, came."""
    FIRST_SENTENCE = "first_sentence"
    """Its first sentence was complete."""
    FIRST_AUDIO = "first_audio"
    """The first audio came from the synthesis."""
    FIRST_PLAYED = "first_played"
    """The first frame was heard."""
    TEXT_COMPLETE = "text_complete"
    """No more text will come."""


MARK_ORDER: Final = (
    Mark.DECISION,
    Mark.FINAL_TEXT,
    Mark.LLM_REQUESTED,
    Mark.FIRST_TOKEN,
    Mark.FIRST_SENTENCE,
    Mark.FIRST_AUDIO,
    Mark.FIRST_PLAYED,
)
"""The stages of a turn in their usual order. Work begun before the decision may make one earlier than those before."""


class Outcome(StrEnum):
    """How a turn ended; every turn ends in one of these."""

    SPOKEN = "spoken"
    """The reply was heard to its end."""
    INTERRUPTED = "interrupted"
    """The user or the program stopped it while it was heard."""
    SILENT = "silent"
    """There was nothing to say."""
    DROPPED = "dropped"
    """It was prepared and never heard: something else came before it."""
    FAILED = "failed"
    """A provider or the program failed, or the reply was given up."""


@dataclass(frozen=True, kw_only=True)
class SessionInfo:
    """A conversation that has begun.

    :param id: names it in logs and records.
    :param room_name: the room; empty where there is none.
    :param participant: the identity of whom the agent listens to; empty if nobody is there yet.
    :param stt: the recogniser as ``"<module>.<class>"``; like the others empty where there is none.
    :param llm: the language model.
    :param tts: the synthesis.
    :param vad: the detector of voice.
    """

    id: str
    room_name: str = ""
    participant: str = ""
    stt: str = ""
    llm: str = ""
    tts: str = ""
    vad: str = ""


@dataclass(frozen=True, kw_only=True)
class TurnRecord:
    """One turn: how long each stage took and how it ended.

    The stages are seconds since the user's last sample of speech, in a turn without speech (something was typed, or
    the program spoke of itself) since its decision; None where a stage was not reached. A stage that was done ahead may
    have an earlier moment than the decision, even one below 0.

    :param turn: counts the user's turns.
    :param speech: the id of the reply, which metrics call ``sequence_id``.
    :param timestamp: wall clock of the end of the turn, seconds since 1970-01-01 UTC.
    :param outcome: how it ended.
    :param from_speech: whether the user spoke; tells from where the stages count.
    :param ended: when it ended, counted as the stages are.
    :param user_characters: length of what the user said.
    :param agent_characters: length of what the agent was to say.
    :param heard_seconds: how much of it was heard.
    :param tool_calls: how many functions ran.
    :param tool_seconds: how long at least one of them ran.
    :param dead_air: the stages that stalled, one for each alarm.
    """

    turn: int
    speech: str
    timestamp: float
    outcome: Outcome
    from_speech: bool = True
    decision: float | None = None
    final_text: float | None = None
    llm_requested: float | None = None
    first_token: float | None = None
    first_sentence: float | None = None
    first_audio: float | None = None
    first_played: float | None = None
    text_complete: float | None = None
    ended: float | None = None
    user_characters: int = 0
    agent_characters: int = 0
    heard_seconds: float = 0.0
    tool_calls: int = 0
    tool_seconds: float = 0.0
    dead_air: tuple[str, ...] = ()

    @property
    def interrupted(self) -> bool:
        """Whether it was stopped while it was heard."""
        return self.outcome is Outcome.INTERRUPTED

    def to_dict(self) -> dict[str, Any]:
        """Return the record as what JSON knows; :meth:`from_dict` is the way back."""
        told = {each.name: getattr(self, each.name) for each in fields(self)}
        return {**told, "outcome": self.outcome.value, "dead_air": list(self.dead_air), "interrupted": self.interrupted}

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> TurnRecord:
        """Return the record that :meth:`to_dict` was asked for; what a newer version has added is left out.

        :raises ValueError: something is missing, or the outcome is unknown.
        """
        known = {each.name: told[each.name] for each in fields(cls) if each.name in told}
        try:
            known["outcome"] = Outcome(known["outcome"])
            return cls(**{**known, "dead_air": tuple(known.get("dead_air", ()))})
        except (KeyError, TypeError) as error:
            raise ValueError(f"this is no record of a turn: {sorted(told)} ({error})") from error
