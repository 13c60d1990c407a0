"""Speeches for tests: everything that a speech tells while it is prepared and heard, and what the sink has played."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

from lk_agents.foundation import clock
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.llm import ChatContext, FunctionContext, LLMStream
from lk_agents.testing.audio import MemoryAudioOut
from lk_agents.testing.providers import Answer, ScriptedLLM, ScriptedTTS
from lk_agents.testing.text import MemoryTextIO
from lk_agents.voice.stages import Stage
from lk_agents.voice.transcription_options import AgentTranscriptionOptions
from lk_agents.voice.utterance import Utterance
from lk_agents.voice.utterance_source import SpeechSource
from lk_agents.voice.utterance_voice import AgentVoice

RATE = 24_000
LONG = 1_000.0
ONCE = APIConnectOptions(max_retry=0, timeout=2.0)
SPOKEN = "This is what the agent says. It goes on for a while, so that somebody can cut it. Here it ends."


class Speaking:
    """Makes speeches, and writes down what they tell.

    :param tts: by default each character takes 60 ms.
    """

    def __init__(self, tts: Any = None, *, rate: int = RATE, channels: int = 1) -> None:
        self.tts = tts or ScriptedTTS()
        self.sink = MemoryAudioOut(rate, channels)
        self.text_io = MemoryTextIO()
        self.transcription = AgentTranscriptionOptions()
        self.told: list[str] = []
        """Every callback, in order."""
        self.told_at: dict[str, float] = {}
        self.stages: list[Stage] = []
        self.silent = asyncio.Event()
        self.ready = asyncio.Event()
        self.made: list[Utterance] = []

    @property
    def voice(self) -> AgentVoice:
        return AgentVoice(
            tts=self.tts,
            sink=self.sink,
            transcription=self.transcription,
            text_io=self.text_io,
            participant="agent",
            track="TR_agent",
        )

    def say(self, source: SpeechSource, **options: Any) -> Utterance:
        """Prepare a speech."""
        utterance = Utterance(
            source,
            voice=self.voice,
            on_ready=lambda: self._tell("ready", self.ready),
            on_silent=lambda: self._tell("silent", self.silent),
            on_stage=self._reach,
            on_function_call=lambda: self._tell("call"),
            **options,
        )
        self.made.append(utterance)
        return utterance

    async def say_to_the_end(self, source: SpeechSource, **options: Any) -> Utterance:
        """Prepare a speech, play it when it is ready, and wait until it is over and all of it is let go of."""
        utterance = self.say(source, **options)
        await within(self.ready.wait())
        utterance.play()
        await within(self.silent.wait())
        await utterance.aclose()
        return utterance

    @property
    def played_seconds(self) -> float:
        """How much the sink has played."""
        return self.sink.position()

    def _tell(self, what: str, event: asyncio.Event | None = None) -> None:
        self.told.append(what)
        self.told_at.setdefault(what, clock.monotonic())
        if event is not None:
            event.set()

    def _reach(self, stage: Stage, at: float) -> None:
        assert at == clock.monotonic()
        self.stages.append(stage)
        self.told_at.setdefault(stage, at)


async def within(waiting: Any, seconds: float = LONG) -> Any:
    """Wait, and fail where it would take for ever."""
    async with asyncio.timeout(seconds):
        return await waiting


def answer(*answers: Answer | str, fnc_ctx: FunctionContext | None = None, **options: Any) -> LLMStream:
    """Return the answer of a scripted model, which is asked once."""
    chat_ctx = ChatContext().append(text="Hi", role="user")
    return ScriptedLLM(answers, **options).chat(chat_ctx=chat_ctx, fnc_ctx=fnc_ctx, conn_options=ONCE)


async def pieces(texts: Iterable[str], *, seconds: float = 0.0) -> AsyncIterator[str]:
    """Give pieces of text, each after so many seconds."""
    for text in texts:
        await asyncio.sleep(seconds)
        yield text


def true_words(position: float, text: str, tts: ScriptedTTS) -> int:
    """Return how many words of a text were heard up to their middle."""
    return sum((word.start_time + word.end_time) / 2 <= position + 1e-6 for word in tts.words_of(text))
