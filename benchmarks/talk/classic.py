"""The scripted model and voice on the interface that livekit-agents 0.12 and lk-agents share. Both are instant."""

from __future__ import annotations

import importlib
from typing import Any

from benchmarks.agents import work
from benchmarks.talk import script

__all__ = ["model", "voice"]


def model(package: str, room: str) -> Any:
    """Return a model whose answers come whole, in one piece.

    :param package: of the framework.
    """
    llm, framework = importlib.import_module(f"{package}.llm"), importlib.import_module(package)

    class Answer(llm.LLMStream):  # type: ignore[misc, name-defined]
        def __init__(self, model: Any, number: int, **request: Any) -> None:
            self._number = number
            super().__init__(model, **request)

        async def _run(self) -> None:
            delta = llm.ChoiceDelta(role="assistant", content=script.answer(self._number))
            self._event_ch.send_nowait(llm.ChatChunk(request_id=f"{self._number}", choices=[llm.Choice(delta=delta)]))

    class Model(llm.LLM):  # type: ignore[misc, name-defined]
        asked = 0

        def chat(self, *, chat_ctx: Any, conn_options: Any = None, fnc_ctx: Any = None, **_: Any) -> Any:
            self.asked += 1
            work.note("asked", room=room, number=self.asked)
            options = conn_options or framework.APIConnectOptions()
            return Answer(self, self.asked, chat_ctx=chat_ctx, fnc_ctx=fnc_ctx, conn_options=options)

    return Model()


def voice(package: str, room: str) -> Any:
    """Return a voice that speaks a tone, sentence by sentence, each at once.

    :param package: of the framework.
    """
    tts, audio = (importlib.import_module(f"{package}.{name}") for name in ("tts", "utils.audio"))

    class Speech(tts.ChunkedStream):  # type: ignore[misc, name-defined]
        async def _run(self) -> None:
            work.note("spoken", room=room, text=self._input_text)
            frames = audio.AudioByteStream(script.RATE, 1)
            for frame in [*frames.write(script.spoken(self._input_text)), *frames.flush()]:
                self._event_ch.send_nowait(tts.SynthesizedAudio(frame=frame, request_id="speech"))

    class Voice(tts.TTS):  # type: ignore[misc, name-defined]
        def synthesize(self, text: str, *, conn_options: Any = None) -> Any:
            return Speech(tts=self, input_text=text, conn_options=conn_options)

    return Voice(capabilities=tts.TTSCapabilities(streaming=False), sample_rate=script.RATE, num_channels=1)
