"""An agent in a room: it greets whoever comes, answers, is not put off by a "mhm", and goes when they leave.

    lk-agents dev --server examples/voice_agent.py

Silero finds the speech. With DEEPGRAM_API_KEY set, Deepgram understands it; without, a stand-in says how long it was.
The model and the voice are stand-ins from `console_agent.py`: put your own in their place, and nothing else changes.
"""

import logging
import os

from console_agent import Parrot, Stopwatch
from lk_agents import JobContext, JobProcess, WorkerOptions, cli, stt, turns, vad
from lk_agents.pipeline import DeadAir, TurnRecord, VoicePipelineAgent
from lk_agents.testing.providers import ScriptedTTS

logger = logging.getLogger("voice_agent")


def prewarm(proc: JobProcess) -> None:
    """Load what takes time, before there is a call."""
    proc.userdata["vad"] = vad.create("silero")


async def entrypoint(ctx: JobContext) -> None:
    """Hold one conversation."""
    await ctx.connect()
    caller = await ctx.wait_for_participant()
    agent = VoicePipelineAgent(
        vad=ctx.proc.userdata["vad"],
        stt=stt.create("deepgram/nova-3") if "DEEPGRAM_API_KEY" in os.environ else Stopwatch(),
        llm=Parrot(),
        tts=ScriptedTTS(seconds_per_character=0.04),
        interruption=turns.create_interruption("backchannels", languages="en"),
        end_policy="linked_leaves",
    )

    @agent.on("turn_finished")
    def note_turn(record: TurnRecord) -> None:
        logger.info("answered", extra={"outcome": record.outcome, "first_sound_seconds": record.first_played})

    @agent.on("dead_air")
    def note_silence(alarm: DeadAir) -> None:
        logger.warning("the caller hears nothing", extra={"stage": alarm.stage, "seconds": alarm.seconds})

    agent.start(ctx.room, caller)
    await agent.say("Hello, I repeat what I am told.", allow_interruptions=False)


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint, prewarm_fnc=prewarm))
