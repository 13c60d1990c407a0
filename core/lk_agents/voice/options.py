"""The rules of turn-taking that users can set."""

from __future__ import annotations

from dataclasses import dataclass, fields
from numbers import Real
from typing import Final

from lk_agents.foundation.errors import ConfigError

__all__ = ["TurnOptions"]

_MAY_BE_NONE: Final = frozenset({"empty_turn_timeout"})


@dataclass(frozen=True, kw_only=True)
class TurnOptions:
    """When the user's turn is over, and what interrupts the agent. All times are seconds.

    :param allow_interruptions: whether the user may interrupt replies.
    :param interrupt_speech_duration: how long the user must speak to interrupt.
    :param interrupt_min_words: how many words must be understood to interrupt; 0 for none.
    :param min_endpointing_delay: how long after the user's last sample of speech the turn is over.
    :param max_endpointing_delay: the same where a turn detector says that the user has not finished.
    :param punctuation_factor: multiplies the delay where what was understood ends like a sentence.
    :param transcript_timeout: how much longer than that a text is waited for which is not final yet.
    :param empty_turn_timeout: after this long, a turn in which nothing was understood is answered too; None for never.
    :param resume_false_interruption: go on where the agent was if no words follow what interrupted it.
    :param false_interruption_timeout: how long after the user's last sample words may follow.
    :param preemptive_synthesis: prepare a reply whenever something was understood, before the turn is over.
    :param turn_detector: whether there is one to be asked.
    :raises ConfigError: a value is negative, or no number at all.
    """

    allow_interruptions: bool = True
    interrupt_speech_duration: float = 0.5
    interrupt_min_words: int = 0
    min_endpointing_delay: float = 0.5
    max_endpointing_delay: float = 6.0
    punctuation_factor: float = 1.0
    transcript_timeout: float = 2.0
    empty_turn_timeout: float | None = None
    resume_false_interruption: bool = True
    false_interruption_timeout: float = 1.0
    preemptive_synthesis: bool = False
    turn_detector: bool = False

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if value is None and each.name in _MAY_BE_NONE:
                continue
            is_number = isinstance(value, Real)  # kept apart: narrowed, a type checker would not compare it
            if not is_number:
                kind = "True or False" if each.type == "bool" else "a number, 0 or more"
                none = ", or None for never" if each.name in _MAY_BE_NONE else ""
                raise ConfigError(f"{each.name} is {value!r}; it must be {kind}{none}")
            if not value >= 0:
                raise ConfigError(f"{each.name} is {value!r}; it must be 0 or more")
