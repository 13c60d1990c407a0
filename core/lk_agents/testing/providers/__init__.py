"""Providers that follow a script: what to hear, say and answer, when, and what goes wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents.testing.providers.ear import Ear, Told
    from lk_agents.testing.providers.llm import Answer, ChatCall, ScriptedLLM
    from lk_agents.testing.providers.realtime import RealtimeAnswer, ScriptedContent, ScriptedRealtime
    from lk_agents.testing.providers.realtime_session import ScriptedRealtimeSession
    from lk_agents.testing.providers.script import Break, BreakKind, ScriptError
    from lk_agents.testing.providers.speech import Heard, voice
    from lk_agents.testing.providers.stt import RecognizeCall, ScriptedSTT
    from lk_agents.testing.providers.tts import ScriptedTTS
    from lk_agents.testing.providers.vad import ScriptedVAD

__all__ = [
    "Answer",
    "Break",
    "BreakKind",
    "ChatCall",
    "Ear",
    "Heard",
    "RealtimeAnswer",
    "RecognizeCall",
    "ScriptError",
    "ScriptedContent",
    "ScriptedLLM",
    "ScriptedRealtime",
    "ScriptedRealtimeSession",
    "ScriptedSTT",
    "ScriptedTTS",
    "ScriptedVAD",
    "Told",
    "voice",
]

_NAMES = {
    "ear": ("Ear", "Told"),
    "llm": ("Answer", "ChatCall", "ScriptedLLM"),
    "realtime": ("RealtimeAnswer", "ScriptedContent", "ScriptedRealtime"),
    "realtime_session": ("ScriptedRealtimeSession",),
    "script": ("Break", "BreakKind", "ScriptError"),
    "stt": ("RecognizeCall", "ScriptedSTT"),
    "tts": ("ScriptedTTS",),
    "vad": ("ScriptedVAD",),
    "speech": ("Heard", "voice"),
}


def __getattr__(name: str) -> Any:
    from lk_agents.foundation.lazy import load_name

    return load_name(__name__, name, _NAMES)


def __dir__() -> list[str]:
    return sorted(__all__)
