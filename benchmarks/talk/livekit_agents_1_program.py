"""The agent who talks, under livekit-agents 1.8.9, with the scripted model and voice on its interface."""

from __future__ import annotations

import math
from typing import Any

from livekit.agents import (  # type: ignore[import-untyped]
    Agent,
    AgentServer,
    AgentSession,
    APIConnectOptions,
    JobContext,
    JobProcess,
    cli,
    llm,
    tts,
)
from livekit.plugins import silero  # type: ignore[import-untyped]

from benchmarks.agents import work
from benchmarks.talk import script
from benchmarks.talk.recogniser import recogniser

PACKAGE = "livekit.agents"
TURNS = {
    "turn_detection": "vad",  # the default asks a model in the cloud
    "endpointing": {"min_delay": script.ENDPOINTING_SECONDS},
    "interruption": {"mode": "vad", "min_duration": script.INTERRUPT_SECONDS},
}


class Answer(llm.LLMStream):  # type: ignore[misc]
    def __init__(self, model: Any, number: int, **request: Any) -> None:
        self._number = number
        super().__init__(model, **request)

    async def _run(self) -> None:
        delta = llm.ChoiceDelta(role="assistant", content=script.answer(self._number))
        self._event_ch.send_nowait(llm.ChatChunk(id=f"{self._number}", delta=delta))


class Model(llm.LLM):  # type: ignore[misc]
    def __init__(self, room: str) -> None:
        super().__init__()
        self._room = room
        self._asked = 0

    def chat(self, *, chat_ctx: Any, tools: Any = None, conn_options: Any = None, **_: Any) -> Any:
        self._asked += 1
        work.note("asked", room=self._room, number=self._asked)
        options = conn_options or APIConnectOptions()
        return Answer(self, self._asked, chat_ctx=chat_ctx, tools=tools or [], conn_options=options)


class Speech(tts.ChunkedStream):  # type: ignore[misc]
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(request_id="speech", sample_rate=script.RATE, num_channels=1, mime_type="audio/pcm")
        output_emitter.push(script.spoken(self.input_text))
        output_emitter.flush()


class Voice(tts.TTS):  # type: ignore[misc]
    def __init__(self, room: str) -> None:
        super().__init__(capabilities=tts.TTSCapabilities(streaming=False), sample_rate=script.RATE, num_channels=1)
        self._room = room

    def synthesize(self, text: str, *, conn_options: Any = None) -> Any:
        work.note("spoken", room=self._room, text=text)
        return Speech(tts=self, input_text=text, conn_options=conn_options or APIConnectOptions())


def prewarm(proc: JobProcess) -> None:
    proc.userdata["vad"] = silero.VAD.load()
    work.prewarm(proc)


server = AgentServer(
    num_idle_processes=work.WARM,
    setup_fnc=prewarm,
    host="127.0.0.1",
    port=0,
    load_fnc=work.no_load,
    load_threshold=math.inf,
)


@server.rtc_session(agent_name=work.AGENT_NAME)  # type: ignore[untyped-decorator]
async def entrypoint(ctx: JobContext) -> None:
    room = ctx.job.room.name
    work.note("entered", room=room)
    await ctx.connect()
    session = AgentSession(
        vad=ctx.proc.userdata["vad"],
        stt=recogniser(PACKAGE, room),
        llm=Model(room),
        tts=Voice(room),
        turn_handling=TURNS,
        aec_warmup_duration=None,  # else nobody can interrupt in the first three seconds of a conversation
    )
    await session.start(Agent(instructions="Answer."), room=ctx.room)
    work.note("connected", room=room)


if __name__ == "__main__":
    cli.run_app(server)
