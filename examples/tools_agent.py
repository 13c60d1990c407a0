"""An agent that does something: the model calls a function, the agent says so, waits for it, and tells what came of it.

    lk-agents console examples/tools_agent.py --text

Ask for a parcel by its number. The model is a stand-in that understands numbers only; what is real is the way from its
call to the function and back. Interrupt the agent meanwhile: the function runs to its end, and its result is not lost.
"""

import asyncio
import json
import re
from typing import Annotated, Any

from console_agent import Stopwatch
from lk_agents import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions, JobContext, WorkerOptions, cli
from lk_agents.llm import (
    LLM,
    ChatChunk,
    ChatContext,
    Choice,
    ChoiceDelta,
    FunctionContext,
    LLMStream,
    TypeInfo,
    _create_ai_function_info,
    ai_callable,
)
from lk_agents.pipeline import VoicePipelineAgent
from lk_agents.testing.providers import ScriptedTTS, ScriptedVAD


class Harbour(FunctionContext):
    """What the model may call: methods that are marked, with a docstring and typed parameters."""

    @ai_callable()
    async def find_parcel(self, number: Annotated[int, TypeInfo("the number on its label")]) -> str:
        """Look where a parcel is."""
        await asyncio.sleep(0.5)  # somebody looks
        return f"Parcel {number} has left the harbour."


class Clerk(LLM[Any]):
    """Calls the function for the number in what was said; tells what functions found."""

    def chat(
        self,
        *,
        chat_ctx: ChatContext,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        fnc_ctx: FunctionContext | None = None,
        **_: Any,
    ) -> LLMStream:
        """Begin to answer."""
        return ClerksAnswer(self, chat_ctx=chat_ctx, fnc_ctx=fnc_ctx, conn_options=conn_options)


class ClerksAnswer(LLMStream):
    """One answer of the clerk."""

    async def _run(self) -> None:
        last = self.chat_ctx.messages[-1]
        number = re.search(r"\d+", str(last.content))
        if last.role == "tool":
            delta = ChoiceDelta("assistant", str(last.content))
        elif number is None or self.fnc_ctx is None:
            delta = ChoiceDelta("assistant", "Which number is on its label?")
        else:
            arguments = json.dumps({"number": int(number[0])})
            call = _create_ai_function_info(self.fnc_ctx, f"call-{number[0]}", "find_parcel", arguments)
            delta = ChoiceDelta("assistant", "Let me look.", tool_calls=[call])
        self._event_ch.send_nowait(ChatChunk("clerk", [Choice(delta)]))


async def entrypoint(ctx: JobContext) -> None:
    """Answer questions about parcels."""
    await ctx.connect()
    agent = VoicePipelineAgent(
        vad=ScriptedVAD(),
        stt=Stopwatch(),
        llm=Clerk(),
        tts=ScriptedTTS(seconds_per_character=0.04),
        fnc_ctx=Harbour(),
        tool_timeout=10.0,
    )
    agent.start(ctx.room)


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint))
