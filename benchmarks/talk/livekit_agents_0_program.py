"""The agent who talks, under livekit-agents 0.12.21."""

from __future__ import annotations

import math

from livekit.agents import JobContext, JobProcess, WorkerOptions, cli  # type: ignore[import-untyped]
from livekit.agents.pipeline import VoicePipelineAgent  # type: ignore[import-untyped]
from livekit.plugins import silero  # type: ignore[import-untyped]

from benchmarks.agents import work
from benchmarks.talk.classic import model, voice
from benchmarks.talk.recogniser import recogniser
from benchmarks.talk.script import ENDPOINTING_SECONDS, INTERRUPT_SECONDS

PACKAGE = "livekit.agents"


def prewarm(proc: JobProcess) -> None:
    proc.userdata["vad"] = silero.VAD.load()
    work.prewarm(proc)


async def entrypoint(ctx: JobContext) -> None:
    room = ctx.job.room.name
    work.note("entered", room=room)
    await ctx.connect()
    agent = VoicePipelineAgent(
        vad=ctx.proc.userdata["vad"],
        stt=recogniser(PACKAGE, room),
        llm=model(PACKAGE, room),
        tts=voice(PACKAGE, room),
        min_endpointing_delay=ENDPOINTING_SECONDS,
        interrupt_speech_duration=INTERRUPT_SECONDS,
    )
    agent.start(ctx.room)
    work.note("connected", room=room)


if __name__ == "__main__":
    cli.run_app(
        WorkerOptions(
            entrypoint_fnc=entrypoint,
            prewarm_fnc=prewarm,
            agent_name=work.AGENT_NAME,
            num_idle_processes=work.WARM,
            load_fnc=work.no_load,
            load_threshold=math.inf,
            host="127.0.0.1",
            port=0,
        )
    )
