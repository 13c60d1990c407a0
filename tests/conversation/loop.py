"""The loop that an agent is: it joins the real streams, adapters, forwarders and the playout."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from lk_agents import llm, stt, tokenize, tts
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.media import AudioIn, Playout, SessionIO
from lk_agents.testing.providers import ScriptedSTT
from lk_agents.transcription import STTSegmentsForwarder, TTSSegmentsForwarder
from lk_agents.vad import VADEventType

if TYPE_CHECKING:
    from tests.conversation.call import Call

FAST = APIConnectOptions(max_retry=1, retry_interval=0.1, timeout=2)


class Loop:
    """Hears the caller, answers when he is silent, and stops when he speaks."""

    def __init__(self, call: Call, io: SessionIO) -> None:
        self.call, self.io, self.turn = call, io, ""
        self.speaking: asyncio.Task[None] | None = None
        self.playout: Playout | None = None

    async def run(self, heard: AudioIn) -> None:
        recognizer = stt.FallbackAdapter([self.call.ears, ScriptedSTT([])], max_retry_per_stt=1)
        async with recognizer, recognizer.stream(conn_options=FAST) as hearing, self.call.vad.stream() as detecting:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._understand(hearing), name="understand")
                group.create_task(self._notice(detecting), name="notice")
                async for frame in heard:
                    hearing.push_frame(frame)
                    detecting.push_frame(frame)
                hearing.end_input()
                detecting.end_input()
            if self.speaking is not None:
                await self.speaking

    async def _understand(self, hearing: stt.RecognizeStream) -> None:
        shown = STTSegmentsForwarder(room=self.call.room, participant="caller", track=self.io.user_track)
        async for event in hearing:
            shown.update(event)
            if event.type is stt.SpeechEventType.FINAL_TRANSCRIPT:
                self.call.note("understood", event.alternatives[0].text)
                self.turn = f"{self.turn} {event.alternatives[0].text}".strip()
        await shown.aclose()

    async def _notice(self, detecting: Any) -> None:
        async for event in detecting:
            if event.type is VADEventType.START_OF_SPEECH:
                self.call.note("caller speaks")
                if self.speaking is not None and not self.speaking.done() and self.playout is not None:
                    self.playout.stop()
                    await self.speaking
            elif event.type is VADEventType.END_OF_SPEECH:
                self.call.note("caller is silent")
                text, self.turn = self.turn, ""
                if text:
                    self.speaking = asyncio.create_task(self._answer(text), name="answer")

    async def _answer(self, text: str) -> None:
        context = self.call.context.append(text=text, role="user")
        thinking = llm.FallbackAdapter([self.call.brain]).chat(chat_ctx=context.copy(), conn_options=FAST)
        voices = tts.StreamAdapter(tts=self.call.mouth, sentence_tokenizer=tokenize.basic.SentenceTokenizer())
        shown = TTSSegmentsForwarder(room=self.call.room, participant=self.io.agent, track=self.io.agent_track)
        async with thinking, voices.stream() as speaking, Playout(self.io.audio_out) as self.playout:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._think(thinking, speaking, shown), name="think")
                playing = group.create_task(self._play(speaking, shown, self.playout), name="play")
            await shown.aclose()
        self.call.note("agent is silent" if playing.result() else "agent was interrupted", shown.played_text)
        context.append(text=shown.played_text, role="assistant")

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
                self.call.note("agent speaks")
                shown.segment_playout_started(lambda: playout.played_seconds)
            shown.push_audio(audio.frame)
            if not await playout.push(audio.frame):
                return False
        shown.mark_audio_segment_end()
        playout.end_input()
        if complete := await playout.wait_for_playout():
            shown.segment_playout_finished()
        return complete
