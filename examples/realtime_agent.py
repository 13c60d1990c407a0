"""An agent whose model hears and speaks itself: it greets, answers, looks for parcels, and goes when the caller leaves.

    lk-agents dev --server examples/realtime_agent.py

Needs `pip install lk-agents-openai`, and OPENAI_API_KEY in the environment. There is no recogniser, no voice and no
detector of speech to set up: the model is all three. Speak while the agent does, and it falls silent; what you have not
heard of its answer, it has not said.
"""

import asyncio
import logging
from typing import Annotated

from lk_agents import JobContext, WorkerOptions, cli, realtime
from lk_agents.llm import FunctionContext, TypeInfo, ai_callable
from lk_agents.multimodal import DeadAir, MultimodalAgent, TurnRecord

logger = logging.getLogger("realtime_agent")

INSTRUCTIONS = "You are a clerk of the harbour. Answer in one short sentence. Look for parcels by their numbers."


class Harbour(FunctionContext):
    """What the model may call."""

    @ai_callable()
    async def find_parcel(self, number: Annotated[int, TypeInfo("the number on its label")]) -> str:
        """Look where a parcel is."""
        await asyncio.sleep(0.5)  # somebody looks
        return f"Parcel {number} has left the harbour."


async def entrypoint(ctx: JobContext) -> None:
    """Hold one conversation."""
    await ctx.connect()
    caller = await ctx.wait_for_participant()
    agent = MultimodalAgent(
        model=realtime.create("openai", instructions=INSTRUCTIONS),
        fnc_ctx=Harbour(),
        end_policy="linked_leaves",
    )

    @agent.on("turn_finished")
    def note_turn(record: TurnRecord) -> None:
        logger.info("answered", extra={"outcome": record.outcome, "first_sound_seconds": record.first_played})

    @agent.on("dead_air")
    def note_silence(alarm: DeadAir) -> None:
        logger.warning("the caller hears nothing", extra={"stage": alarm.stage, "seconds": alarm.seconds})

    agent.start(ctx.room, caller)
    agent.generate_reply()


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint))
