"""What an agent can be told beyond the signature of the older framework, and what becomes of all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, TypedDict

from lk_agents.voice.dead_air import DeadAirDecider, DeadAirPolicy
from lk_agents.voice.hearing import HearingOptions
from lk_agents.voice.options import TurnOptions
from lk_agents.voice.session_options import SessionOptions

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.media.session_io import EndPolicy
    from lk_agents.turns import InterruptionStrategy

__all__ = ["AgentSettings", "TurnRules", "session_options"]


class TurnRules(TypedDict, total=False):
    """The rules of turn-taking; durations are seconds.

    :param allow_interruptions: whether the user may interrupt replies.
    :param interrupt_speech_duration: how long the user must speak to interrupt.
    :param interrupt_min_words: how many words must be understood to interrupt; 0 for none.
    :param min_endpointing_delay: how long after the user's last sample of speech the turn is over.
    :param max_endpointing_delay: the same where the turn detector says that the user has not finished.
    :param preemptive_synthesis: prepare a reply whenever something was understood, before the turn is over.
    :param punctuation_factor: multiplies ``min_endpointing_delay`` where what was understood ends like a sentence; 1.0.
    :param transcript_timeout: how much longer than that delay a text is waited for which is not final yet; 2.
    :param empty_turn_timeout: after this long, a turn in which nothing was understood is answered; None for never.
    :param resume_false_interruption: go on where the agent was if no words follow what interrupted it; True.
    :param false_interruption_timeout: how long after the user's last sample words may follow; 1.
    """

    allow_interruptions: bool
    interrupt_speech_duration: float
    interrupt_min_words: int
    min_endpointing_delay: float
    max_endpointing_delay: float
    preemptive_synthesis: bool
    punctuation_factor: float
    transcript_timeout: float
    empty_turn_timeout: float | None
    resume_false_interruption: bool
    false_interruption_timeout: float


class AgentSettings(TypedDict, total=False):
    """What an agent can be told beyond the signature of the older framework; durations are seconds.

    :param interruption: judges whether what the user does under the agent's speech interrupts it; by default the
        length of the speech and the number of words.
    :param punctuation_factor: multiplies ``min_endpointing_delay`` where what was understood ends like a sentence; 1.0.
    :param transcript_timeout: how much longer than that delay a text is waited for which is not final yet; 2.
    :param empty_turn_timeout: after this long, a turn in which nothing was understood is answered; None for never.
    :param resume_false_interruption: go on where the agent was if no words follow what interrupted it; True.
    :param false_interruption_timeout: how long after the user's last sample words may follow; 1.
    :param speculative_recognition: ask an ``stt`` that cannot listen as soon as the user pauses; True.
    :param tool_timeout: how long a function may take, 60; None for ever.
    :param serial_tools: call the functions of one answer one after the other.
    :param dead_air_timeout: how long nothing may be heard when something should, 4; None to watch nothing.
    :param dead_air_policy: says what is done then.
    :param filler: recorded, to be heard when the agent cannot speak in time.
    :param goodbye: recorded, to be heard before a conversation ends that cannot go on.
    :param end_policy: when the conversation, and with it the job, is over because people have left; never by default.
    :param grace_seconds: how long the participant may be away, by the policy ``GRACE``; 20.
    """

    interruption: InterruptionStrategy | None
    punctuation_factor: float
    transcript_timeout: float
    empty_turn_timeout: float | None
    resume_false_interruption: bool
    false_interruption_timeout: float
    speculative_recognition: bool
    tool_timeout: float | None
    serial_tools: bool
    dead_air_timeout: float | None
    dead_air_policy: DeadAirDecider | None
    filler: Sequence[rtc.AudioFrame]
    goodbye: Sequence[rtc.AudioFrame]
    end_policy: EndPolicy | str
    grace_seconds: float


_RULES: Final = frozenset(each.name for each in fields(TurnOptions))
_OPTIONS: Final = ("tool_timeout", "serial_tools", "dead_air_timeout", "filler", "goodbye")


def session_options(rules: TurnRules, more: AgentSettings, *, detector: bool, **options: Any) -> SessionOptions:
    """Return the rules of a conversation; what was not given has its default.

    :param detector: whether there is a turn detector.
    :param options: further ones, by the names of :class:`~lk_agents.voice.session_options.SessionOptions`.
    :raises ConfigError: a number is negative.
    """
    turn: dict[str, Any] = {**rules, **{name: value for name, value in more.items() if name in _RULES}}
    named: dict[str, Any] = {name: value for name, value in more.items() if name in _OPTIONS}
    return SessionOptions(
        turn=TurnOptions(**turn, turn_detector=detector),
        hearing=HearingOptions(speculative=more.get("speculative_recognition", True)),
        dead_air_policy=more.get("dead_air_policy") or DeadAirPolicy(),
        **options,
        **named,
    )
