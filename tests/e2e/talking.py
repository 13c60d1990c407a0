"""The agent of the conversations: silero hears, all other providers follow a script. Run it like any user's file.

The job's metadata are the options of the agent, as JSON. What the benchmarks' journal is told beside their own entries:
``history`` when the job ends, with the conversation as the agent has it.
"""

from __future__ import annotations

import json
import math
from typing import Any

from benchmarks.agents import work
from benchmarks.talk.classic import model, voice
from benchmarks.talk.recogniser import recogniser

from lk_agents import JobContext, JobProcess, WorkerOptions, cli
from lk_agents.pipeline import DeadAir, SessionError, TurnRecord, VoicePipelineAgent
from lk_agents_silero import VAD

PACKAGE = "lk_agents"
PATIENT_SECONDS = 1.0
"""Endpointing. The pauses within what callers say are shorter by 0.6 s: for so long a microphone may stumble on a busy
machine without a phrase being cut in two."""


def prewarm(proc: JobProcess) -> None:
    proc.userdata["vad"] = VAD.load()
    work.prewarm(proc)


async def entrypoint(ctx: JobContext) -> None:
    room = ctx.job.room.name
    work.note("entered", room=room, job=ctx.job.id)
    await ctx.connect()
    options: dict[str, Any] = {"min_endpointing_delay": PATIENT_SECONDS, **json.loads(ctx.job.metadata or "{}")}
    agent = VoicePipelineAgent(
        vad=ctx.proc.userdata["vad"],
        stt=recogniser(PACKAGE, room),
        llm=model(PACKAGE, room),
        tts=voice(PACKAGE, room),
        **options,
    )
    problems: list[str] = []
    outcomes: list[str] = []

    @agent.on("error")
    def _(error: SessionError) -> None:
        problems.append(f"{error.stage}: {error.error}")

    @agent.on("dead_air")
    def _(alarm: DeadAir) -> None:
        problems.append(f"dead air of {alarm.stage}")

    @agent.on("turn_finished")
    def _(record: TurnRecord) -> None:
        outcomes.append(record.outcome)

    async def report(reason: str) -> None:
        told = [(message.role, str(message.content)) for message in agent.chat_ctx.messages]
        work.note("history", room=room, messages=told, problems=problems, outcomes=outcomes, reason=reason)

    ctx.add_shutdown_callback(report)
    agent.start(ctx.room)
    work.note("connected", room=room, job=ctx.job.id)


if __name__ == "__main__":
    cli.run_app(
        WorkerOptions(
            entrypoint,
            prewarm_fnc=prewarm,
            agent_name=work.AGENT_NAME,
            num_idle_processes=work.WARM,
            load_fnc=work.no_load,
            load_threshold=math.inf,
            host="127.0.0.1",
            port=0,
        )
    )
