"""An agent to try a conversation with: no key, no network, no server, and no device if you type.

    lk-agents console examples/console_agent.py --text
    lk-agents console examples/console_agent.py

It does not understand words: it measures how long you speak, repeats what it was told, and its voice is a tone. What
is real is everything else: when it is its turn, how it stops when you interrupt it, and where the time of a turn goes.
"""

from typing import Any

from lk_agents import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions, JobContext, WorkerOptions, cli
from lk_agents.llm import LLM, ChatChunk, ChatContext, Choice, ChoiceDelta, FunctionContext, LLMStream
from lk_agents.pipeline import VoicePipelineAgent
from lk_agents.stt import STT, SpeechData, SpeechEvent, SpeechEventType, STTCapabilities
from lk_agents.testing.providers import ScriptedTTS, ScriptedVAD
from lk_agents.utils.audio import AudioBuffer, calculate_audio_duration


class Stopwatch(STT):
    """Says of a recording how long it is."""

    def __init__(self) -> None:
        super().__init__(capabilities=STTCapabilities(streaming=False, interim_results=False))

    async def _recognize_impl(self, buffer: AudioBuffer, **_: Any) -> SpeechEvent:
        text = f"something of {calculate_audio_duration(buffer):.0f} seconds."
        return SpeechEvent(SpeechEventType.FINAL_TRANSCRIPT, alternatives=[SpeechData("en", text)])


class Parrot(LLM):
    """Repeats the last message."""

    def chat(
        self,
        *,
        chat_ctx: ChatContext,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        fnc_ctx: FunctionContext | None = None,
        **_: Any,
    ) -> LLMStream:
        """Begin to answer."""
        return Repetition(self, chat_ctx=chat_ctx, fnc_ctx=fnc_ctx, conn_options=conn_options)


class Repetition(LLMStream):
    """One answer of the parrot."""

    async def _run(self) -> None:
        answer = f"You said: {self.chat_ctx.messages[-1].content}"
        self._event_ch.send_nowait(ChatChunk("parrot", [Choice(ChoiceDelta("assistant", answer))]))


async def entrypoint(ctx: JobContext) -> None:
    """Greet whoever is there, and answer until they leave."""
    await ctx.connect()
    agent = VoicePipelineAgent(
        vad=ScriptedVAD(),  # hears speech wherever it is loud
        stt=Stopwatch(),
        llm=Parrot(),
        tts=ScriptedTTS(seconds_per_character=0.04),
    )
    agent.start(ctx.room)
    await agent.say("Hello, I repeat what I am told.")


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint))
