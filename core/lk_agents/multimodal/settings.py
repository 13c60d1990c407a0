"""What an agent can be told beyond the signature of the older framework."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, TypedDict

from lk_agents.foundation.errors import ConfigError
from lk_agents.voice.dead_air import DeadAirDecider, DeadAirPolicy
from lk_agents.voice.options import TurnOptions
from lk_agents.voice.session_options import SessionOptions
from lk_agents.voice.watchdog import DEAD_AIR_SECONDS

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.media.session_io import EndPolicy
    from lk_agents.turns import InterruptionStrategy
    from lk_agents.vad import VAD
    from lk_agents.voice.transcription_options import AgentTranscriptionOptions

__all__ = ["MultimodalOptions", "MultimodalSettings", "multimodal_options"]

TEXT_RETRIES: Final = 5
"""So many answers in text in a row are brought back to audio."""
_RULES: Final = frozenset(each.name for each in fields(TurnOptions))


class MultimodalSettings(TypedDict, total=False):
    """What an agent can be told beyond the signature of the older framework; durations are seconds.

    The rules of turn-taking count where ``vad`` is given and the model's server does not hear when a turn is over.

    :param allow_interruptions: whether the user may interrupt replies; True.
    :param interrupt_speech_duration: how long the user must speak to interrupt; 0.5.
    :param interruption: judges whether what the user does under the agent's speech interrupts it; by default the
        length of the speech.
    :param min_endpointing_delay: how long after the user's last sample of speech the turn is over; 0.5.
    :param dead_air_timeout: how long nothing may be heard when something should, 4; None to watch nothing.
    :param dead_air_policy: says what is done then.
    :param filler: recorded, to be heard when the model does not speak in time.
    :param goodbye: recorded, to be heard before a conversation ends that cannot go on.
    :param end_policy: when the conversation, and with it the job, is over because people have left; never by default.
    :param grace_seconds: how long the participant may be away, by the policy ``GRACE``; 20.
    """

    allow_interruptions: bool
    interrupt_speech_duration: float
    interruption: InterruptionStrategy | None
    min_endpointing_delay: float
    dead_air_timeout: float | None
    dead_air_policy: DeadAirDecider | None
    filler: Sequence[rtc.AudioFrame]
    goodbye: Sequence[rtc.AudioFrame]
    end_policy: EndPolicy | str
    grace_seconds: float


@dataclass(frozen=True, kw_only=True)
class MultimodalOptions(SessionOptions):
    """The rules of a conversation with a model that speaks itself.

    :param max_text_response_retries: how many answers in text in a row are brought back to audio.
    :param vad: finds speech, where the model's server does not; None for nobody.
    :param interruption: judges what interrupts then; None for the length of the speech.
    :raises ConfigError: it is negative.
    """

    max_text_response_retries: int = TEXT_RETRIES
    vad: VAD | None = None
    interruption: InterruptionStrategy | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_text_response_retries < 0:
            raise ConfigError(f"max_text_response_retries is {self.max_text_response_retries!r}; it must be 0 or more")


def multimodal_options(
    more: MultimodalSettings,
    *,
    transcription: AgentTranscriptionOptions,
    max_text_response_retries: int,
    vad: VAD | None,
) -> MultimodalOptions:
    """Return the rules of a conversation; what was not given has its default.

    :raises ConfigError: a number is negative.
    """
    rules: dict[str, Any] = {name: value for name, value in more.items() if name in _RULES}
    return MultimodalOptions(
        turn=TurnOptions(resume_false_interruption=False, **rules),  # what was said is not known: no words, no doubt
        vad=vad,
        interruption=more.get("interruption"),
        transcription=transcription,
        dead_air_timeout=more.get("dead_air_timeout", DEAD_AIR_SECONDS),
        dead_air_policy=more.get("dead_air_policy") or DeadAirPolicy(),
        filler=more.get("filler", ()),
        goodbye=more.get("goodbye", ()),
        max_text_response_retries=max_text_response_retries,
    )
