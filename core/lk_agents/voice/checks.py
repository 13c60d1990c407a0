"""What an agent is given is looked at when it is built: later, nobody would know which argument it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from reprlib import repr as short
from typing import Any, Final

from lk_agents.foundation.errors import ConfigError
from lk_agents.llm.chat_context import ChatContext
from lk_agents.llm.function_context import FunctionContext
from lk_agents.media.session_io import EndPolicy
from lk_agents.turns.judges import EndOfTurnPredictor, TurnDetector
from lk_agents.voice.transcription_options import AgentTranscriptionOptions

__all__ = ["check_arguments", "check_providers", "check_settings"]


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """What an argument must be, and in words what to give instead."""

    fits: Callable[[Any], bool]
    give: str
    or_none: bool = True

    def check(self, name: str, value: Any) -> None:
        if value is None and self.or_none:
            return
        if not self.fits(value):
            raise ConfigError(f"{name} is {short(value)}; give {self.give}{' or None' if self.or_none else ''}")


def _with(*names: str) -> Callable[[Any], bool]:
    """Whether it is an object with these, and no class: whoever writes one need not inherit from ours."""
    return lambda value: not isinstance(value, type) and all(hasattr(value, name) for name in names)


def _is(*kinds: type[Any]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kinds)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_above_0(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_0_or_more(value: Any) -> bool:
    return _is_number(value) and value >= 0


_is_frame: Final = _with("data", "sample_rate", "num_channels", "samples_per_channel")


def _is_recording(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes) and all(map(_is_frame, value))


def _is_policy(value: Any) -> bool:
    return value in list(EndPolicy)


_PROVIDERS: Final = {
    "vad": _Rule(fits=_with("on", "stream"), give="a VAD, such as lk_agents.vad.create('silero')", or_none=False),
    "stt": _Rule(fits=_with("on", "stream"), give="an STT, such as lk_agents.stt.create('deepgram')", or_none=False),
    "llm": _Rule(fits=_with("on", "chat"), give="an LLM, such as lk_agents.llm.create('openai')", or_none=False),
    "tts": _Rule(
        fits=_with("on", "stream", "capabilities"),
        give="a TTS, such as lk_agents.tts.create('openai')",
        or_none=False,
    ),
}
_CALLBACK: Final = _Rule(fits=callable, give="a function")
_SWITCH: Final = _Rule(fits=_is(bool), give="True or False", or_none=False)
_ARGUMENTS: Final = {
    "turn_detector": _Rule(fits=_is(TurnDetector, EndOfTurnPredictor), give="a TurnDetector"),
    "chat_ctx": _Rule(fits=_is(ChatContext), give="a ChatContext"),
    "fnc_ctx": _Rule(
        fits=_is(FunctionContext), give="an object of a class that inherits from lk_agents.llm.FunctionContext"
    ),
    "max_nested_fnc_calls": _Rule(fits=_is_0_or_more, give="a number, 0 or more", or_none=False),
    "transcription": _Rule(
        fits=_is(AgentTranscriptionOptions), give="an AgentTranscriptionOptions, which can switch either side off,"
    ),
    "before_llm_cb": _CALLBACK,
    "before_tts_cb": _CALLBACK,
    "plotting": _Rule(fits=_is(bool, str, Path), give="True, False or the path of a file", or_none=False),
}
_RECORDING: Final = _Rule(fits=_is_recording, give="a list of rtc.AudioFrame, such as the frames of a recording,")
_SETTINGS: Final = {
    "interruption": _Rule(fits=_with("judge", "label"), give="an InterruptionStrategy"),
    "speculative_recognition": _SWITCH,
    "tool_timeout": _Rule(fits=_is_above_0, give="seconds above 0"),
    "serial_tools": _SWITCH,
    "dead_air_timeout": _Rule(fits=_is_above_0, give="seconds above 0"),
    "dead_air_policy": _Rule(fits=callable, give="a DeadAirPolicy, a function"),
    "filler": _RECORDING,
    "goodbye": _RECORDING,
    "end_policy": _Rule(
        fits=_is_policy, give=f"one of {', '.join(repr(str(one)) for one in EndPolicy)}", or_none=False
    ),
    "grace_seconds": _Rule(fits=_is_0_or_more, give="seconds, 0 or more", or_none=False),
}


def check_providers(**providers: Any) -> None:
    """Make sure that each can do what is asked of its kind; whoever can need not inherit from the base class.

    :param providers: ``vad``, ``stt``, ``llm``, ``tts``, or some of them.
    :raises ConfigError: one cannot.
    """
    _check(_PROVIDERS, providers)


def check_arguments(**arguments: Any) -> None:
    """Make sure that arguments of the agent are what they should be.

    :param arguments: ``turn_detector``, ``chat_ctx``, ``fnc_ctx``, ``max_nested_fnc_calls``, ``transcription``,
        ``before_llm_cb``, ``before_tts_cb``, ``plotting``, or some of them.
    :raises ConfigError: one is not.
    """
    _check(_ARGUMENTS, arguments)


def check_settings(more: Mapping[str, Any]) -> None:
    """Make sure that settings are what they should be; rules of turn-taking are left to those who know them.

    :raises ConfigError: one is not.
    """
    _check(_SETTINGS, {name: value for name, value in more.items() if name in _SETTINGS})


def _check(rules: Mapping[str, _Rule], given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        rules[name].check(name, value)
