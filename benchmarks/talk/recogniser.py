"""The scripted recogniser, which all three frameworks would take as it stands: at once, one request per recording."""

from __future__ import annotations

import importlib
from typing import Any

from benchmarks.agents import work
from benchmarks.talk import script

__all__ = ["recogniser"]


def recogniser(package: str, room: str) -> Any:
    """Return the ears of the agent in a room, which write down each request.

    :param package: of the framework.
    """
    stt, audio = (importlib.import_module(f"{package}.{name}") for name in ("stt", "utils.audio"))

    class Recogniser(stt.STT):  # type: ignore[misc, name-defined]
        async def _recognize_impl(self, buffer: Any, **_: Any) -> Any:
            seconds = audio.calculate_audio_duration(buffer)
            work.note("recognised", room=room, seconds=seconds)
            said = stt.SpeechData(language="en", text=script.question(seconds))
            return stt.SpeechEvent(type=stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[said])

    return Recogniser(capabilities=stt.STTCapabilities(streaming=False, interim_results=False))
