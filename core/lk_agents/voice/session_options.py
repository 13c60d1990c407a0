"""What a conversation is made of: the providers, the rules, and what the program wants to do itself."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from lk_agents.foundation.errors import ConfigError
from lk_agents.voice.dead_air import DeadAirDecider, DeadAirPolicy
from lk_agents.voice.hearing import HearingOptions
from lk_agents.voice.options import TurnOptions
from lk_agents.voice.tools import TOOL_TIMEOUT_SECONDS
from lk_agents.voice.transcription_options import AgentTranscriptionOptions
from lk_agents.voice.watchdog import DEAD_AIR_SECONDS

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.llm import LLM, ChatContext, LLMStream
    from lk_agents.stt import STT
    from lk_agents.tts import TTS
    from lk_agents.turns.judges import InterruptionStrategy, TurnDetector
    from lk_agents.vad import VAD

__all__ = ["BeforeLLM", "BeforeTTS", "Providers", "SessionOptions"]

BeforeLLM: TypeAlias = "Callable[[Any, ChatContext], LLMStream | bool | Awaitable[LLMStream | bool | None] | None]"
"""Called with the agent and a copy of the conversation before a model is asked for a reply."""
BeforeTTS: TypeAlias = (
    "Callable[[Any, str | AsyncIterable[str]], str | AsyncIterable[str] | Awaitable[str | AsyncIterable[str]]]"
)
"""Called with the agent and a text before it is spoken; returns the text to be spoken instead."""


@dataclass(frozen=True, kw_only=True)
class Providers:
    """Who listens, thinks, speaks and judges.

    :param tts: takes text piece by piece.
    :param detector: None for none.
    """

    vad: VAD
    stt: STT
    llm: LLM[Any]
    tts: TTS[Any]
    detector: TurnDetector | None
    strategy: InterruptionStrategy


@dataclass(frozen=True, kw_only=True)
class SessionOptions:
    """The rules of a conversation. Durations are seconds.

    :param max_nested_fnc_calls: how many rounds of functions may follow each other.
    :param tool_timeout: how long a function may take; None for ever.
    :param serial_tools: call the functions of one answer one after the other.
    :param dead_air_timeout: how long nothing may be heard when something should; None to watch nothing.
    :param dead_air_policy: says what is done then.
    :param filler: recorded, to be heard when the agent cannot speak in time.
    :param goodbye: recorded, to be heard before a conversation ends that cannot go on.
    :param before_llm: None asks the model.
    :param before_tts: None speaks what was written.
    :raises ConfigError: ``max_nested_fnc_calls`` is negative.
    """

    turn: TurnOptions = field(default_factory=TurnOptions)
    hearing: HearingOptions = field(default_factory=HearingOptions)
    transcription: AgentTranscriptionOptions = field(default_factory=AgentTranscriptionOptions)
    max_nested_fnc_calls: int = 1
    tool_timeout: float | None = TOOL_TIMEOUT_SECONDS
    serial_tools: bool = False
    dead_air_timeout: float | None = DEAD_AIR_SECONDS
    dead_air_policy: DeadAirDecider = field(default_factory=DeadAirPolicy)
    filler: Sequence[rtc.AudioFrame] = ()
    goodbye: Sequence[rtc.AudioFrame] = ()
    before_llm: BeforeLLM | None = None
    before_tts: BeforeTTS | None = None

    def __post_init__(self) -> None:
        if self.max_nested_fnc_calls < 0:
            raise ConfigError(f"max_nested_fnc_calls is {self.max_nested_fnc_calls!r}; it must be 0 or more")
