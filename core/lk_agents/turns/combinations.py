"""Combines interruption strategies: the framework's, those of plugins, your own.

What is made of strategies that need no time needs none itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Final, TypeAlias, overload

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.types import AgentState
from lk_agents.turns.evidence import Decision, Evidence
from lk_agents.turns.judges import InterruptionStrategy
from lk_agents.turns.strategies import Backchannels, InstantInterruption, MinWords, SpeechLength

__all__ = ["all_of", "any_of", "by_state", "default_interruption", "first_of", "words_or_length"]

WORDLESS_SECONDS: Final = 1.5
"""What listeners say to show that they listen is shorter."""

_Plan: TypeAlias = Callable[[Evidence], Generator[Sequence[InterruptionStrategy], Sequence[Decision], Decision]]
"""Gives those who are to be asked together, is sent what they say, and returns what comes of it."""


@overload
def any_of(*strategies: InstantInterruption) -> InstantInterruption: ...


@overload
def any_of(*strategies: InterruptionStrategy) -> InterruptionStrategy: ...


def any_of(*strategies: InterruptionStrategy) -> InterruptionStrategy:
    """Return what says ``ACT`` if one of the strategies does, else ``WAIT`` if one does, else ``IGNORE``.

    Those that need time are asked at the same time, and not at all if one that needs none has settled it.

    :raises ConfigError: there are none.
    """
    return _ranked("any_of", strategies, (Decision.ACT, Decision.WAIT, Decision.IGNORE))


@overload
def all_of(*strategies: InstantInterruption) -> InstantInterruption: ...


@overload
def all_of(*strategies: InterruptionStrategy) -> InterruptionStrategy: ...


def all_of(*strategies: InterruptionStrategy) -> InterruptionStrategy:
    """Return what says ``ACT`` if all strategies do, ``IGNORE`` if one does, else ``WAIT``; asked as by :func:`any_of`.

    :raises ConfigError: there are none.
    """
    return _ranked("all_of", strategies, (Decision.IGNORE, Decision.WAIT, Decision.ACT))


@overload
def first_of(*strategies: InstantInterruption) -> InstantInterruption: ...


@overload
def first_of(*strategies: InterruptionStrategy) -> InterruptionStrategy: ...


def first_of(*strategies: InterruptionStrategy) -> InterruptionStrategy:
    """Return what asks one strategy after the other until one does not say ``WAIT``.

    :raises ConfigError: there are none.
    """
    _refuse_none("first_of", strategies)

    def plan(_: Evidence) -> Generator[Sequence[InterruptionStrategy], Sequence[Decision], Decision]:
        for each in strategies:
            (decision,) = yield (each,)
            if decision is not Decision.WAIT:
                return decision
        return Decision.WAIT

    return _planned(strategies, plan)


@overload
def by_state(
    strategies: Mapping[AgentState, InstantInterruption], *, otherwise: InstantInterruption | None = None
) -> InstantInterruption: ...


@overload
def by_state(
    strategies: Mapping[AgentState, InterruptionStrategy], *, otherwise: InterruptionStrategy | None = None
) -> InterruptionStrategy: ...


def by_state(
    strategies: Mapping[AgentState, InterruptionStrategy], *, otherwise: InterruptionStrategy | None = None
) -> InterruptionStrategy:
    """Return what asks another strategy for each state of the agent, as in ``{"speaking": MinWords(2)}``.

    :param strategies: by the agent's state.
    :param otherwise: for all other states; by default :func:`default_interruption`.
    """
    rest = default_interruption() if otherwise is None else otherwise
    known = dict(strategies)

    def plan(evidence: Evidence) -> Generator[Sequence[InterruptionStrategy], Sequence[Decision], Decision]:
        (decision,) = yield (known.get(evidence.agent_state, rest),)
        return decision

    return _planned((*known.values(), rest), plan)


def default_interruption(speech_seconds: float = 0.5, min_words: int = 0) -> InstantInterruption:
    """Return the strategy of agents that name none: so much speech interrupts, if so many words were understood.

    :param speech_seconds: length of the voice run, without the silence behind it.
    :param min_words: 0 if no words are needed.
    :raises ConfigError: one of them is negative.
    """
    return all_of(SpeechLength(speech_seconds), MinWords(min_words))


def words_or_length(
    languages: str | Iterable[str] | None = None,
    *,
    words: Iterable[str] | None = None,
    speech_seconds: float = WORDLESS_SECONDS,
) -> InstantInterruption:
    """Return what goes by the name ``"backchannels"``: words decide, and where there are none, long speech does.

    :param languages: as those of :class:`Backchannels`.
    :param words: likewise.
    :param speech_seconds: so much speech without a word, or with a mere hesitation, interrupts.
    :raises ConfigError: there is no list for a language, or the length is negative.
    """
    return first_of(Backchannels(languages, words=words), SpeechLength(speech_seconds))


def _ranked(name: str, strategies: Sequence[InterruptionStrategy], ranking: Sequence[Decision]) -> InterruptionStrategy:
    """Return what says the strongest of what all say, the first of ``ranking`` being the strongest."""
    _refuse_none(name, strategies)
    instant = [each for each in strategies if isinstance(each, InstantInterruption)]
    others = [each for each in strategies if not isinstance(each, InstantInterruption)]

    def plan(_: Evidence) -> Generator[Sequence[InterruptionStrategy], Sequence[Decision], Decision]:
        found = min((yield instant), key=ranking.index, default=ranking[-1])
        if found is ranking[0] or not others:
            return found
        return min((found, *(yield others)), key=ranking.index)

    return _planned(strategies, plan)


def _refuse_none(name: str, strategies: Sequence[InterruptionStrategy]) -> None:
    if not strategies:
        raise ConfigError(f"{name}() was given no strategy; give it one or more")


def _planned(strategies: Sequence[InterruptionStrategy], plan: _Plan) -> InterruptionStrategy:
    if all(isinstance(each, InstantInterruption) for each in strategies):
        return _Instant(strategies, plan)
    return _Planned(strategies, plan)


class _Planned(InterruptionStrategy):
    """Asks as a plan says."""

    def __init__(self, strategies: Sequence[InterruptionStrategy], plan: _Plan) -> None:
        self._strategies = strategies
        self._plan = plan

    async def judge(self, evidence: Evidence) -> Decision:
        """Ask; the first error ends all that is being asked, and is raised."""
        asking = self._plan(evidence)
        try:
            batch = next(asking)
            while True:
                batch = asking.send(await _all_say(batch, evidence))
        except StopIteration as end:
            decision: Decision = end.value
            return decision

    async def aclose(self) -> None:
        """Close all."""
        await _close(self._strategies)


class _Instant(InstantInterruption):
    """The same where all need no time."""

    def __init__(self, strategies: Sequence[InterruptionStrategy], plan: _Plan) -> None:
        self._strategies = strategies
        self._plan = plan

    def judge_now(self, evidence: Evidence) -> Decision:
        """Ask."""
        asking = self._plan(evidence)
        try:
            batch = next(asking)
            while True:
                batch = asking.send(_instant_say(batch, evidence))
        except StopIteration as end:
            decision: Decision = end.value
            return decision

    async def aclose(self) -> None:
        """Close all."""
        await _close(self._strategies)


def _instant_say(strategies: Sequence[InterruptionStrategy], evidence: Evidence) -> list[Decision]:
    return [each.judge_now(evidence) for each in strategies if isinstance(each, InstantInterruption)]


async def _all_say(strategies: Sequence[InterruptionStrategy], evidence: Evidence) -> list[Decision]:
    if all(isinstance(each, InstantInterruption) for each in strategies):
        return _instant_say(strategies, evidence)
    try:
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(each.judge(evidence), name=f"interruption:{each.label}") for each in strategies]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in asked]


async def _close(strategies: Sequence[InterruptionStrategy]) -> None:
    """Close each once; one that fails does not keep the others open."""
    errors = []
    for each in dict.fromkeys(strategies):
        try:
            await each.aclose()
        except Exception as error:  # noqa: BLE001  raised below, when all are closed
            errors.append(error)
    if errors:
        raise errors[0]
