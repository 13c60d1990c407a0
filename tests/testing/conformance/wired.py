"""Small providers that ask a vendor over the network, on the loops of the core, and the vendors that they ask."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from lk_agents.foundation.errors import APIError, ConfigError
from lk_agents.foundation.secret import Secret
from lk_agents.foundation.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from lk_agents.llm import (
    LLM,
    ChatChunk,
    ChatContext,
    Choice,
    ChoiceDelta,
    CompletionUsage,
    FunctionContext,
    LLMStream,
    ToolChoice,
    _create_ai_function_info,
)
from lk_agents.streams import Codec, FlushSentinel, open_websocket, read_chunks, read_events, request, run_wire
from lk_agents.streams.words import TimedWord
from lk_agents.stt import STT, RecognizeStream, SpeechData, SpeechEvent, SpeechEventType, STTCapabilities
from lk_agents.testing.providers import Ear, Heard, Told
from lk_agents.testing.vendor import Answer, Exchange, Script, VendorSocket, chunks, events, reply
from lk_agents.tts import TTS, ChunkedStream, SynthesizedAudioEmitter, TTSCapabilities
from lk_agents.utils.audio import AudioBuffer, AudioByteStream, combine_frames

RATE = 16_000
SECONDS_PER_CHARACTER = 0.02


class Client:
    """One HTTP session and the key."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self._key = Secret(key)
        self.session = aiohttp.ClientSession()

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Token {self._key.reveal()}"}

    async def aclose(self) -> None:
        await self.session.close()


def authorised(key: Secret) -> dict[str, str | Secret]:
    return {"Authorization": Secret(f"Token {key.reveal()}")}


# --- speech to text


def transcript(told: Told) -> dict[str, Any]:
    words = [(word.text, word.start_time, word.end_time) for word in told.words]
    return {"type": told.kind, "text": told.text, "words": words, "language": told.language}


def listening(utterances: Iterable[Heard], key: Secret) -> Script:
    heard = tuple(utterances)

    async def talk(peer: VendorSocket) -> None:
        ear = Ear(heard, sample_rate=RATE)
        async for message in peer:
            if isinstance(message, bytes):
                told = ear.take(message)
            else:
                told = ear.end() if json.loads(message)["type"] == "end" else ear.flush()
            for each in told:
                await peer.send(transcript(each))
            if isinstance(message, str) and json.loads(message)["type"] == "end":
                await peer.send({"type": "done"})
                return

    async def recognise(exchange: Exchange) -> Answer:
        ear = Ear(heard, sample_rate=RATE, interim=False)
        told = [*ear.take(exchange.body), *ear.end()]
        return reply(
            {"text": " ".join(each.text for each in told if each.kind == "final")}, headers={"x-request-id": "r"}
        )

    script = Script().socket("/listen", talk, headers=authorised(key), repeat=True)
    return script.http("POST", "/recognise", recognise, headers=authorised(key), repeat=True)


class SocketSTT(STT[Any]):
    def __init__(self, url: str, key: str) -> None:
        super().__init__(capabilities=STTCapabilities(streaming=True, interim_results=True, aligned_words=True))
        self.client = Client(url, key)

    async def _recognize_impl(
        self, buffer: AudioBuffer, *, language: str | None, conn_options: APIConnectOptions
    ) -> SpeechEvent:
        frame = combine_frames(buffer)
        async with request(
            self.client.session,
            "POST",
            f"{self.client.url}/recognise",
            provider=self.label,
            timeout_seconds=conn_options.timeout,
            total_seconds=conn_options.timeout,
            headers=self.client.headers(),
            data=bytes(frame.data),
        ) as response:
            found = _read(await response.read())
            if not isinstance(found, dict) or "text" not in found:
                raise APIError("no transcript in the answer")
            data = SpeechData(language or "en", found["text"])
            return SpeechEvent(SpeechEventType.FINAL_TRANSCRIPT, response.headers.get("x-request-id", ""), [data])

    def stream(
        self, *, language: str | None = None, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> RecognizeStream:
        return SocketListening(stt=self, conn_options=conn_options, sample_rate=RATE)

    async def aclose(self) -> None:
        await self.client.aclose()


class SocketListening(RecognizeStream):
    def decode(self, message: bytes | str) -> list[SpeechEvent]:
        return _decode(message)

    async def _run(self) -> None:
        stt = self._stt
        assert isinstance(stt, SocketSTT)

        async def connect() -> aiohttp.ClientWebSocketResponse:
            return await open_websocket(
                stt.client.session,
                f"{stt.client.url}/listen",
                headers=stt.client.headers(),
                timeout_seconds=self._conn_options.timeout,
                provider=stt.label,
            )

        await run_wire(
            self,
            Codec(
                connect=connect,
                encode=_encode,
                decode=self.decode,
                finish=lambda: ['{"type": "end"}'],
                is_last=lambda event: event.request_id == "done",
                close_seconds=self._conn_options.timeout,
                idle_seconds=self._conn_options.timeout * 2,
            ),
        )


def _read(data: bytes | str) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:
        raise APIError("the answer is no JSON") from error


def _encode(item: Any) -> list[bytes | str]:
    return ['{"type": "flush"}'] if isinstance(item, FlushSentinel) else [bytes(item.data)]


def _decode(message: bytes | str) -> list[SpeechEvent]:
    try:
        found = json.loads(message)
    except ValueError:
        return []
    if not isinstance(found, dict):
        return []
    match found.get("type"):
        case "start":
            return [SpeechEvent(SpeechEventType.START_OF_SPEECH)]
        case "end":
            return [SpeechEvent(SpeechEventType.END_OF_SPEECH)]
        case "done":
            return [SpeechEvent(SpeechEventType.RECOGNITION_USAGE, "done")]
        case "interim" | "final" as kind:
            words = [TimedWord(*word) for word in found["words"]]
            data = SpeechData(found["language"], found["text"], words[0].start_time, words[-1].end_time, 0.9, words)
            return [SpeechEvent(SpeechEventType(f"{kind}_transcript"), alternatives=[data])]
        case _:
            return []


# --- text to speech


def speaking(key: Secret, texts: list[str]) -> Script:
    async def speak(exchange: Exchange) -> Answer:
        text = exchange.json()["text"]
        if exchange.fault is None:
            texts.append(text)
        samples = round(len(text) * SECONDS_PER_CHARACTER * RATE)
        audio = b"\x10\x20" * samples
        return chunks(*(audio[at : at + 1600] for at in range(0, len(audio), 1600)))

    return Script().http("POST", "/speak", speak, headers=authorised(key), repeat=True)


class ChunkedTTS(TTS[Any]):
    max_text_characters = 200

    def __init__(self, url: str, key: str) -> None:
        super().__init__(capabilities=TTSCapabilities(streaming=False), sample_rate=RATE, num_channels=1)
        self.client = Client(url, key)

    def synthesize(self, text: str, *, conn_options: APIConnectOptions | None = None) -> ChunkedStream:
        return _Speaking(tts=self, input_text=text, conn_options=conn_options)

    async def aclose(self) -> None:
        await self.client.aclose()


class _Speaking(ChunkedStream):
    async def _run(self) -> None:
        tts = self._tts
        assert isinstance(tts, ChunkedTTS)
        seconds = self._conn_options.timeout
        emitter = SynthesizedAudioEmitter(event_ch=self._event_ch, request_id="speak-1")
        cutter = AudioByteStream(RATE, 1, RATE // 50)
        async with request(
            tts.client.session,
            "POST",
            f"{tts.client.url}/speak",
            provider=tts.label,
            timeout_seconds=seconds,
            headers=tts.client.headers(),
            json={"text": self._input_text},
        ) as response:
            async for chunk in read_chunks(response, provider=tts.label, first_seconds=seconds, idle_seconds=seconds):
                for frame in cutter.push(chunk):
                    emitter.push(frame)
        for frame in cutter.flush():
            emitter.push(frame)
        emitter.flush()


# --- language models


def answering(text: str, calls: Iterable[tuple[str, Any]], key: Secret) -> Script:
    words = [word if number == 0 else f" {word}" for number, word in enumerate(text.split(" "))] if text else []
    told = list(calls)

    async def answer(exchange: Exchange) -> Answer:
        messages: list[dict[str, Any]] = [{"id": f"chat-{exchange.number}", "text": word} for word in words]
        messages += [
            {"id": f"chat-{exchange.number}", "call": name, "call_id": f"c{number}", "arguments": json.dumps(arguments)}
            for number, (name, arguments) in enumerate(told)
        ]
        usage = {"id": f"chat-{exchange.number}", "usage": [len(words) + len(told), 12]}
        return events(*messages, usage)

    return Script().http("POST", "/chat", answer, headers=authorised(key), repeat=True)


class EventsLLM(LLM[Any]):
    def __init__(self, url: str, key: str) -> None:
        super().__init__()
        self.client = Client(url, key)

    def chat(
        self,
        *,
        chat_ctx: ChatContext,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        fnc_ctx: FunctionContext | None = None,
        temperature: float | None = None,
        n: int | None = None,
        parallel_tool_calls: bool | None = None,
        tool_choice: ToolChoice | Any = None,
    ) -> LLMStream:
        if n not in {None, 1}:
            raise ConfigError(f"n is {n}; this model gives one answer")
        return _Answering(self, chat_ctx=chat_ctx, fnc_ctx=fnc_ctx, conn_options=conn_options)

    async def aclose(self) -> None:
        await self.client.aclose()


class _Answering(LLMStream):
    async def _run(self) -> None:
        llm = self._llm
        assert isinstance(llm, EventsLLM)
        seconds = self._conn_options.timeout
        done = False
        async with request(
            llm.client.session,
            "POST",
            f"{llm.client.url}/chat",
            provider=llm.label,
            timeout_seconds=seconds,
            headers=llm.client.headers(),
            json={"messages": [message.content for message in self._chat_ctx.messages]},
        ) as response:
            async for event in read_events(response, provider=llm.label, first_seconds=seconds, idle_seconds=seconds):
                if event.data == "[DONE]":
                    done = True
                    break
                self._take(_read(event.data))
        if not done:
            raise APIError("the answer broke off")

    def _take(self, found: Any) -> None:
        if not isinstance(found, dict) or "id" not in found:
            return
        usage = found.get("usage")
        choices = []
        if "text" in found:
            choices.append(Choice(ChoiceDelta("assistant", found["text"])))
        if "call" in found:
            assert self._fnc_ctx is not None
            call = _create_ai_function_info(self._fnc_ctx, found["call_id"], found["call"], found["arguments"])
            choices.append(Choice(ChoiceDelta("assistant", tool_calls=[call])))
        self._event_ch.send_nowait(
            ChatChunk(found["id"], choices, CompletionUsage(usage[0], usage[1], sum(usage)) if usage else None)
        )


@asynccontextmanager
async def closing(provider: Any) -> AsyncIterator[Any]:
    try:
        yield provider
    finally:
        await provider.aclose()
