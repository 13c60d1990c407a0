"""A call without an agent: one loop joins scripted providers by the real streams, adapters, forwarders and playout."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from lk_agents import llm, stt, tokenize, tts
from lk_agents.foundation import clock
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.media import Playout
from lk_agents.testing.audio import MemoryAudioIn, MemoryAudioOut
from lk_agents.testing.providers import Answer, Break, Heard, ScriptedLLM, ScriptedSTT, ScriptedTTS, ScriptedVAD, voice
from lk_agents.testing.room import FakeRoom
from lk_agents.transcription import STTSegmentsForwarder, TTSSegmentsForwarder
from lk_agents.vad import VADEventType

FAST = APIConnectOptions(max_retry=1, retry_interval=0.1, timeout=2)
RATE = 24_000


class Call:
    """One call: a caller who follows a script, and what answers him.

    :param script: what the caller says.
    :param answers: what is said to it.
    :param seconds: how long the call is.
    """

    def __init__(self, script: Sequence[Heard], answers: Sequence[Answer], seconds: float) -> None:
        self.log: list[tuple[float, str, str]] = []
        """When what happened, in milliseconds."""
        self.script, self.seconds = script, seconds
        self.vad = ScriptedVAD(script)
        self.ears = ScriptedSTT(script, breaks=[Break(at=100.0)])  # it fails once, in the middle of the call
        self.brain = ScriptedLLM(answers, breaks=[Break(at=0)])
        self.mouth = ScriptedTTS(sample_rate=RATE, streaming=False, speed=20)
        self.room, self.sink, self.heard_from = FakeRoom(), MemoryAudioOut(RATE), MemoryAudioIn("caller")
        self.context = llm.ChatContext().append(text="You are on the telephone.")
        self.speaking: asyncio.Task[None] | None = None
        self.playout: Playout | None = None
        self.turn = ""

    def note(self, event: str, text: str = "") -> None:
        self.log.append((round(clock.monotonic() * 1000), event, text))

    # --- the loop that an agent will be -------------------------------------------------------------------------------

    async def run(self) -> None:
        await self.room.connect("ws://memory", "token")
        self.room.join("caller")
        self.caller_track = self.room.publish("caller")
        self.heard_from.feed(voice(self.script, self.seconds))
        self.heard_from.end()
        recognizer = stt.FallbackAdapter([self.ears, ScriptedSTT([])], max_retry_per_stt=1)
        async with AsyncExitStack() as stack:
            hearing = await stack.enter_async_context(recognizer.stream(conn_options=FAST))
            detecting = await stack.enter_async_context(self.vad.stream())
            shown = STTSegmentsForwarder(room=self.room, participant="caller", track=self.caller_track.sid)  # type: ignore[arg-type]
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen(hearing, detecting), name="listen")
                group.create_task(self._understand(hearing, shown), name="understand")
                group.create_task(self._notice(detecting), name="notice")
            if self.speaking is not None:
                await self.speaking
            await shown.aclose()
            await recognizer.aclose()

    async def _listen(self, hearing: stt.RecognizeStream, detecting: Any) -> None:
        async for frame in self.heard_from:
            hearing.push_frame(frame)
            detecting.push_frame(frame)
        hearing.end_input()
        detecting.end_input()

    async def _understand(self, hearing: stt.RecognizeStream, shown: STTSegmentsForwarder) -> None:
        async for event in hearing:
            shown.update(event)
            if event.type is stt.SpeechEventType.FINAL_TRANSCRIPT:
                self.note("understood", event.alternatives[0].text)
                self.turn = f"{self.turn} {event.alternatives[0].text}".strip()

    async def _notice(self, detecting: Any) -> None:
        async for event in detecting:
            if event.type is VADEventType.START_OF_SPEECH:
                self.note("caller speaks")
                if self.speaking is not None and not self.speaking.done() and self.playout is not None:
                    self.playout.stop()
                    await self.speaking
            elif event.type is VADEventType.END_OF_SPEECH:
                self.note("caller is silent")
                text, self.turn = self.turn, ""
                if text:
                    self.speaking = asyncio.create_task(self._answer(text), name="answer")

    async def _answer(self, text: str) -> None:
        self.context.append(text=text, role="user")
        voices = tts.StreamAdapter(tts=self.mouth, sentence_tokenizer=tokenize.basic.SentenceTokenizer())
        async with (
            llm.FallbackAdapter([self.brain]).chat(chat_ctx=self.context.copy(), conn_options=FAST) as thinking,
            voices.stream() as speaking,
            Playout(self.sink) as self.playout,
        ):
            shown = TTSSegmentsForwarder(room=self.room, participant="agent", track="TR_agent")  # type: ignore[arg-type]
            async with asyncio.TaskGroup() as group:
                group.create_task(self._think(thinking, speaking, shown), name="think")
                playing = group.create_task(self._play(speaking, shown, self.playout), name="play")
            await shown.aclose()
            self.note("agent is silent" if playing.result() else "agent was interrupted", shown.played_text)
        self.context.append(text=shown.played_text, role="assistant")

    async def _think(self, thinking: Any, speaking: tts.SynthesizeStream, shown: TTSSegmentsForwarder) -> None:
        async for chunk in thinking:
            for choice in chunk.choices:
                if choice.delta.content:
                    speaking.push_text(choice.delta.content)
                    shown.push_text(choice.delta.content)
        speaking.end_input()
        shown.mark_text_segment_end()

    async def _play(self, speaking: tts.SynthesizeStream, shown: TTSSegmentsForwarder, playout: Playout) -> bool:
        async for audio in speaking:
            if not playout.pushed_seconds:
                self.note("agent speaks")
                shown.segment_playout_started(lambda: playout.played_seconds)
            shown.push_audio(audio.frame)
            if not await playout.push(audio.frame):
                return False
        shown.mark_audio_segment_end()
        playout.end_input()
        if complete := await playout.wait_for_playout():
            shown.segment_playout_finished()
        return complete
