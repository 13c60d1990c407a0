"""What is done about dead air: by the stage that stalls, and by how often it was noticed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.log import logger
from lk_agents.voice.watchdog import DeadAir, Stage

__all__ = ["DEFAULT_STEPS", "Action", "DeadAirDecider", "DeadAirPolicy", "actions_for"]


class Action(StrEnum):
    """Something that can be done about dead air. Every alarm is reported, whatever else is done."""

    REPORT = "report"
    """Nothing more than to report it."""
    RETRY = "retry"
    """Generate the reply again; with a fallback adapter, by its next member. Only where nothing of it was heard."""
    FILLER = "filler"
    """Play the recorded filler, if there is one. It does not count as audible: the watch goes on under it."""
    REBUILD = "rebuild"
    """Build the stage anew: another stream of the recogniser, with the audio since its last final text."""
    GIVE_UP = "give_up"
    """The reply has failed, or the turn gets none: the agent listens again. What the user has said is kept."""
    END = "end"
    """Play the recorded goodbye, if there is one, and end the session."""


Steps: TypeAlias = Mapping[Stage, Sequence[Sequence[Action]]]

DeadAirDecider: TypeAlias = Callable[[DeadAir], Action | Sequence[Action]]
"""Says what is to be done about an alarm; a :class:`DeadAirPolicy`, or a function of the user's."""

DEFAULT_STEPS: Final[Steps] = MappingProxyType(
    {
        # A recogniser that hangs mostly hangs with its connection; a new one hears the last seconds again. What it does
        # not understand then, it will not: the user is heard best by listening.
        Stage.STT_FINAL: ((Action.REBUILD,), (Action.GIVE_UP,)),
        # Nobody but ourselves is late here, and doing it again would do the same.
        Stage.ENDPOINTING: ((Action.REPORT,), (Action.GIVE_UP,)),
        # Nothing was heard, so asking again repeats nothing. A user who waits this long needs a sign of life.
        Stage.LLM_FIRST_TOKEN: ((Action.FILLER, Action.RETRY), (Action.GIVE_UP,)),
        Stage.TTS_FIRST_BYTE: ((Action.FILLER, Action.RETRY), (Action.GIVE_UP,)),
        # The audio is there: the network may only be slow for a moment, and a second copy would wait behind it.
        Stage.PLAYOUT: ((Action.REPORT,), (Action.GIVE_UP,)),
        # Functions have effects and time-outs of their own; they are not given up for the sake of silence.
        Stage.TOOL: ((Action.FILLER,),),
    }
)


@dataclass(frozen=True, kw_only=True)
class DeadAirPolicy:
    """What is done at the first alarm about a silence, at the second, and so on; the last step is repeated.

    Where the second step of a stage gives up, the agent listens again two time-outs after the last sound at the latest.

    :param steps: by the stage, the actions of each step. A stage that is left out has its default.
    :param end_after: end the session, instead of giving up, when so many replies in a row could not be heard: a caller
        who is not answered three times is better told so. None for never.
    :raises ConfigError: a stage has no steps, or ``end_after`` is below 1.
    """

    steps: Steps = field(default_factory=dict)
    end_after: int | None = 3

    def __post_init__(self) -> None:
        for stage, steps in self.steps.items():
            if not steps:
                raise ConfigError(f"steps[{str(stage)!r}] is empty; give at least one step, such as (Action.REPORT,)")
        if self.end_after is not None and self.end_after < 1:
            raise ConfigError(f"end_after is {self.end_after!r}; it must be 1 or more, or None for never")

    def __call__(self, alarm: DeadAir) -> Sequence[Action]:
        """Return what is to be done about an alarm, in this order."""
        steps = self.steps.get(alarm.stage) or DEFAULT_STEPS[alarm.stage]
        actions = steps[min(alarm.count, len(steps)) - 1]
        is_last = self.end_after is not None and alarm.speech and alarm.given_up + 1 >= self.end_after
        return (*actions, Action.END) if Action.GIVE_UP in actions and is_last else tuple(actions)


_DEFAULT_POLICY: Final = DeadAirPolicy()


def actions_for(decider: DeadAirDecider, alarm: DeadAir) -> tuple[Action, ...]:
    """Ask what is to be done; the default policy stands where the answer is no action, or an error, which is logged."""
    try:
        answer = decider(alarm)
        return tuple(Action(each) for each in ((answer,) if isinstance(answer, str) else answer))
    except Exception:  # noqa: BLE001  the user's code; the agent must not stay silent for its sake
        logger.exception("a policy for dead air failed; the default is used", extra={"stage": alarm.stage.value})
        return tuple(_DEFAULT_POLICY(alarm))
