"""From what was said and heard to turns: pure arithmetic on moments of one clock."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.talk.heard import Stretch

__all__ = ["Said", "Turn", "gaps", "turns"]


@dataclass(frozen=True)
class Said:
    """A phrase of the caller.

    :param begin: when its first loud sample was sent.
    :param end: when its last loud sample was sent.
    :param interrupts: whether it was said into the agent's speech, so as to stop it.
    """

    begin: float
    end: float
    interrupts: bool = False


@dataclass(frozen=True)
class Turn:
    """What became of a phrase. All in seconds.

    :param response: from its last loud sample to the first loud sample of a new answer; None if none came.
    :param tone: the answer's, in Hz.
    :param answer_seconds: how much of the answer was heard, without gaps.
    :param silencing: of a phrase that interrupts: from its first loud sample to the last one of the answer that it
        interrupted; None of other phrases, and if there was nothing to interrupt.
    :param spoken_over: whether the agent spoke while the caller did, other than being interrupted.
    """

    response: float | None
    tone: int
    answer_seconds: float
    silencing: float | None
    spoken_over: bool


def turns(said: Sequence[Said], heard: Sequence[Stretch]) -> list[Turn]:
    """Return what became of each phrase.

    :param said: in order.
    :param heard: in order.
    """
    ends = [-math.inf, *[each.end for each in said]]
    begins = [*[each.begin for each in said], math.inf]
    return [_turn(phrase, heard, ends[index], begins[index + 1]) for index, phrase in enumerate(said)]


def gaps(heard: Sequence[Stretch]) -> list[float]:
    """Return the quiet times within answers, in seconds: between two stretches of the same tone."""
    return [after.first - before.last for before, after in pairwise(heard) if before.tone == after.tone]


def _turn(phrase: Said, heard: Sequence[Stretch], after: float, until: float) -> Turn:
    """Return what became of a phrase.

    :param after: when the phrase before it ended.
    :param until: when the next phrase begins.
    """
    old = [each for each in heard if after < each.end and each.begin < phrase.end]
    known = {each.tone for each in old}
    new = [each for each in heard if phrase.end <= each.begin < until and each.tone not in known]
    answer = [each for each in new if each.tone == new[0].tone]
    interrupted = _speaking_at(phrase.begin, old) if phrase.interrupts else 0
    rest = [
        each.end
        for each in heard
        if interrupted and each.tone == interrupted and after < each.end and each.begin < until
    ]
    return Turn(
        response=answer[0].begin - phrase.end if answer else None,
        tone=answer[0].tone if answer else 0,
        answer_seconds=sum(each.seconds for each in answer),
        silencing=max(rest) - phrase.begin if rest else None,
        spoken_over=any(_over(each, phrase, interrupted) for each in old),
    )


def _speaking_at(moment: float, heard: Sequence[Stretch]) -> int:
    """Return the tone that is heard at that moment, or 0."""
    return next((each.tone for each in heard if each.begin <= moment <= each.end), 0)


def _over(each: Stretch, phrase: Said, interrupted: int) -> bool:
    """Return whether a stretch is in the way of a phrase. One that is interrupted may last, but not to its end."""
    if interrupted and each.tone == interrupted:
        return each.end >= phrase.end
    return each.end > phrase.begin and each.begin < phrase.end
