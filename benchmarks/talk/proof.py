"""What one caller has to tell, and whether it is what was planned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from benchmarks.failure import MeasurementError
from benchmarks.journal import Journal
from benchmarks.talk.heard import Stretch
from benchmarks.talk.script import REPLY_SECONDS, tone_of
from benchmarks.talk.turns import Said, Turn, gaps, turns

__all__ = ["Conversation", "Requests", "check"]

STUMBLE_SECONDS: Final = 0.2
"""A caller whose microphone is later than that did not speak like one."""
STRANGE_SECONDS: Final = 0.05
"""A shorter sound is a click, as where a tone is cut."""
WHOLE_SECONDS: Final = 0.1
"""By so much an answer that is heard to its end may be shorter or longer than it is."""
MISSED: Final = 0.25
"""Share of turns that may remain without an answer where the machine has more to do than it can."""


@dataclass(frozen=True)
class Conversation:
    """One conversation.

    :param room: where it was held.
    :param turns: what became of each phrase.
    :param gaps: quiet times within answers, in seconds.
    :param strange: the longest loud sound that was no answer's, in seconds.
    :param late: by how much the caller's microphone was late at most while he spoke, in seconds.
    """

    room: str
    turns: Sequence[Turn]
    gaps: Sequence[float] = ()
    strange: float = 0.0
    late: float = 0.0

    @classmethod
    def of(cls, room: str, told: Mapping[str, Any]) -> Self:
        """Make it of what the callers' process tells."""
        said = [Said(**each) for each in told["said"]]
        heard = [Stretch(**each) for each in told["heard"]]
        strange = max([each.seconds for each in heard if not each.tone], default=0.0)
        return cls(room, turns(said, heard), gaps([each for each in heard if each.tone]), strange, told["late"])


@dataclass(frozen=True)
class Requests:
    """What was asked of the scripted providers in one conversation.

    :param recognised: how many recordings were to be recognised.
    :param asked: numbers of the requests to the model.
    """

    recognised: int
    asked: Sequence[int]

    @classmethod
    def of(cls, journal: Journal, room: str) -> Self:
        """Read it in the journal."""
        asked = [entry.fields["number"] for entry in journal.of("asked", room=room)]
        return cls(len(journal.of("recognised", room=room)), asked)


def check(
    told: Conversation, requests: Requests, interruptions: Sequence[bool], *, alone: bool = True, once: bool = True
) -> None:
    """Look whether a conversation is what was planned, and the answers are the agent's.

    :param interruptions: for each phrase, whether it was to interrupt the answer to the one before.
    :param alone: whether it was the only one: then every turn must be right.
    :param once: whether each phrase is recognised once, and not also on suspicion.
    :raises MeasurementError: it is not.
    """
    problems = [*_always(told, requests, interruptions)]
    if alone:
        problems += _alone(told.turns, interruptions)
    if alone and once and requests.recognised != len(told.turns):
        problems.append(f"{requests.recognised} recordings were recognised in {len(told.turns)} turns")
    if problems:
        raise MeasurementError(f"a conversation went wrong: {'; '.join(problems)}")


def _always(told: Conversation, requests: Requests, interruptions: Sequence[bool]) -> Iterator[str]:
    if len(told.turns) != len(interruptions):
        yield f"it had {len(told.turns)} turns instead of {len(interruptions)}"
    if told.late > STUMBLE_SECONDS:
        yield f"the caller stumbled: his microphone was {told.late * 1000:.0f} ms late"
    if told.strange > STRANGE_SECONDS:
        yield f"{told.strange:.2f} s of sound was no answer's"
    answered = [turn for turn in told.turns if turn.response is not None]
    if len(answered) < len(told.turns) * (1 - MISSED):
        yield f"{len(told.turns) - len(answered)} of {len(told.turns)} turns had no answer"
    if requests.recognised < len(answered):
        yield f"{requests.recognised} recordings were recognised, and {len(answered)} turns answered"
    if others := {turn.tone for turn in answered} - {tone_of(number) for number in requests.asked}:
        yield f"tones of {sorted(others)} Hz were heard, which the model was never asked for"


def _alone(found: Sequence[Turn], interruptions: Sequence[bool]) -> Iterator[str]:
    cut = [*interruptions[1:], False]
    for number, (turn, interrupts, is_cut) in enumerate(zip(found, interruptions, cut, strict=False), 1):
        if turn.response is None:
            yield f"turn {number} had no answer"
        if turn.spoken_over:
            yield f"the agent spoke over the caller in turn {number}"
        if interrupts and turn.silencing is None:
            yield f"there was no answer that turn {number} could interrupt"
        if not is_cut and abs(turn.answer_seconds - REPLY_SECONDS) > WHOLE_SECONDS:
            yield f"of answer {number} {turn.answer_seconds:.2f} s were heard instead of {REPLY_SECONDS:g}"
