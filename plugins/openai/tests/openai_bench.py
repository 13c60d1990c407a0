"""What tests of the plugin share: a key, functions, providers over a scripted OpenAI."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

from livekit import rtc
from openai_fake import CHAT, Manner, Talk, bearer, ear, live_script

from lk_agents.foundation.types import APIConnectOptions
from lk_agents.llm import ChatChunk, ChatContext, FunctionContext, TypeInfo, ai_callable
from lk_agents.stt import SpeechEvent, SpeechEventType
from lk_agents.testing.providers.speech import Heard, voice
from lk_agents.testing.vendor import Fault, Script, VendorServer
from lk_agents_openai import LLM, STT

KEY = "key-that-nobody-may-see"
ONCE = APIConnectOptions(max_retry=0, timeout=5.0)
RETRYING = APIConnectOptions(max_retry=2, retry_interval=0.02, timeout=5.0)
UTTERANCES = (Heard("hello over there", 0.4, 1.2), Heard("how are you today", 2.2, 3.4))
SPEECH_SECONDS = 4.6
Calls = Sequence[tuple[str, Mapping[str, Any]]]
WORDS = ["hello", "over", "there", "how", "are", "you", "today"]


class Weather(FunctionContext):
    """What the model may call."""

    @ai_callable(description="Tells the weather.")
    async def get_weather(
        self, city: Annotated[str, TypeInfo(description="where")], day: Annotated[int, TypeInfo(description="")] = 0
    ) -> str:
        return f"sunny in {city} on day {day}"


def asking(text: str = "How is the weather?") -> ChatContext:
    return ChatContext().append(text="Be brief.", role="system").append(text=text, role="user")


def text_of(chunks: Sequence[ChatChunk]) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def calls_of(chunks: Sequence[ChatChunk]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (call.tool_call_id, call.function_info.name, call.arguments)
        for chunk in chunks
        for choice in chunk.choices
        for call in choice.delta.tool_calls or ()
    ]


@asynccontextmanager
async def model(
    *answers: Any, fault: Fault | None = None, path: str = CHAT, query: Any = (), headers: Any = None, **options: Any
) -> AsyncIterator[tuple[LLM, VendorServer]]:
    """Run an OpenAI that gives these answers, and a model that asks it."""
    script = Script().http("POST", path, *answers, query=query, headers={**bearer(KEY), **(headers or {})})
    async with VendorServer(script, fault=fault) as vendor:
        given = {"base_url": f"{vendor.url}/v1", "api_key": KEY, **options}
        async with LLM(**given) as llm:
            yield llm, vendor


async def read(llm: LLM, context: ChatContext | None = None, **options: Any) -> list[ChatChunk]:
    options.setdefault("conn_options", ONCE)
    async with llm.chat(chat_ctx=context or asking(), **options) as stream:
        return [chunk async for chunk in stream]


# --- live recognition ----------------------------------------------------------------------------------------------


def speech(seconds: float = SPEECH_SECONDS, *, rate: int = 16_000) -> list[rtc.AudioFrame]:
    return voice(UTTERANCES, seconds, sample_rate=rate)


def texts(events: Sequence[SpeechEvent], kind: SpeechEventType = SpeechEventType.FINAL_TRANSCRIPT) -> list[str]:
    return [event.alternatives[0].text for event in events if event.type is kind]


class Desk:
    """One recogniser, one OpenAI, and what is asked of them."""

    def __init__(self, vendor: VendorServer, stt: STT) -> None:
        self.vendor = vendor
        self.stt = stt

    async def hear(
        self,
        frames: Sequence[rtc.AudioFrame] | None = None,
        *,
        conn_options: APIConnectOptions = ONCE,
        **options: Any,
    ) -> list[SpeechEvent]:
        async with self.stt.stream(conn_options=conn_options, **options) as stream:
            for frame in speech() if frames is None else frames:
                stream.push_frame(frame)
            stream.end_input()
            return [event async for event in stream]


@asynccontextmanager
async def listening(
    manner: Manner | None = None, *, talk: Talk | None = None, fault: Fault | None = None, **options: Any
) -> AsyncIterator[Desk]:
    script = live_script(talk or ear(UTTERANCES, manner), key=KEY)
    async with (
        VendorServer(script, fault=fault) as vendor,
        STT(api_key=KEY, base_url=f"{vendor.url}/v1", use_realtime=True, **options) as stt,
    ):
        yield Desk(vendor, stt)
