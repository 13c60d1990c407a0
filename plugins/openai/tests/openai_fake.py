"""OpenAI's side: it answers what the script of a test says, in OpenAI's own form, and is strict with its client."""

from __future__ import annotations

import base64
import io
import json
import re
import wave
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from livekit import rtc

from lk_agents.foundation.secret import Secret
from lk_agents.testing.providers.speech import LOUD, Heard, pitches_in, place_of, tone
from lk_agents.testing.vendor import Answer, Exchange, Script, VendorSocket, chunks, events, reply

CHAT = "/v1/chat/completions"
SPEECH = "/v1/audio/speech"
TRANSCRIPTIONS = "/v1/audio/transcriptions"
REALTIME = "/v1/realtime"
REQUEST_ID = "req_5a3f0c1e"
SPEECH_RATE = 24_000
SECONDS_PER_CHARACTER = 0.01
PIECE_SECONDS = 0.02
MODEL = "gpt-4o-2024-08-06"

BODY_FIELDS = {
    "frequency_penalty",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "model",
    "n",
    "parallel_tool_calls",
    "presence_penalty",
    "prompt_cache_key",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_p",
    "user",
    "verbosity",
}

Talk = Callable[[VendorSocket], Awaitable[None]]


def bearer(key: str) -> dict[str, str | Secret]:
    return {"Authorization": Secret(f"Bearer {key}")}


# --- chat completions ----------------------------------------------------------------------------------------------


def chunk(delta: Any = None, *, finish: str | None = None, id: str = "chatcmpl-a1", index: int = 0) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {**_chunk(id), "choices": [choice]}


def _chunk(id: str) -> dict[str, Any]:
    return {
        "id": id,
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": MODEL,
        "service_tier": "default",
        "system_fingerprint": "fp_1",
        "usage": None,
    }


def call_piece(
    arguments: str = "", *, index: int | None = 0, id: str | None = None, name: str | None = None
) -> dict[str, Any]:
    piece: dict[str, Any] = {} if index is None else {"index": index}
    if id is not None:
        piece["id"] = id
    if name is not None:
        piece["type"] = "function"
    return {**piece, "function": {**({} if name is None else {"name": name}), "arguments": arguments}}


def usage_chunk(prompt: int, completion: int, *, cached: int = 0, id: str = "chatcmpl-a1") -> dict[str, Any]:
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }
    return {**_chunk(id), "choices": [], "usage": usage}


def answer_chunks(
    text: str, calls: Sequence[tuple[str, Mapping[str, Any]]] = (), *, id: str = "chatcmpl-a1"
) -> list[dict[str, Any]]:
    """Return an answer as OpenAI cuts it: role, words, each call in pieces, reason of the end, usage."""
    said = [chunk({"role": "assistant", "content": "" if text else None, "refusal": None}, id=id)]
    said += [chunk({"content": piece}, id=id) for piece in re.findall(r"\s*\S+", text)]
    for index, (name, arguments) in enumerate(calls):
        written = json.dumps(arguments)
        said.append(chunk({"tool_calls": [call_piece(index=index, id=f"call_{index}{id[-2:]}", name=name)]}, id=id))
        for at in range(0, len(written), 7):
            said.append(chunk({"tool_calls": [call_piece(written[at : at + 7], index=index)]}, id=id))
    said.append(chunk({}, finish="tool_calls" if calls else "stop", id=id))
    said.append(usage_chunk(12, len(text.split()) + len(calls) or 1, id=id))
    return said


def answering(
    text: str, calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
) -> Callable[[Exchange], Awaitable[Answer]]:
    """Return what answers every request so, each under an id of its own."""
    numbers = count(1)

    async def answer(exchange: Exchange) -> Answer:
        check_chat(exchange.json())
        return chat_events(*answer_chunks(text, calls, id=f"chatcmpl-{next(numbers):02}"))

    return answer


def chat_events(*said: Any, done: str | None = "[DONE]") -> Answer:
    return events(*said, done=done, headers={"x-request-id": REQUEST_ID})


def check_chat(body: Mapping[str, Any]) -> None:
    """Require what OpenAI requires of a request."""
    assert set(body) <= BODY_FIELDS, f"unknown fields: {set(body) - BODY_FIELDS}"
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
    assert None not in body.values(), "an option that is not set must not be sent"
    assert body["messages"], "there is no message"
    if "tools" not in body:
        assert not {"tool_choice", "parallel_tool_calls"} & set(body), "options of tools without tools"
    pending: list[str] = []
    for message in body["messages"]:
        assert message["role"] in {"system", "user", "assistant", "tool"}
        if message["role"] == "tool":
            assert isinstance(message["content"], str)
            pending.remove(message["tool_call_id"])
            continue
        assert not pending, f"the calls {pending} have no results"
        pending = [call["id"] for call in message.get("tool_calls", ())]
        assert "content" in message or pending, "a message says nothing"


# --- speech --------------------------------------------------------------------------------------------------------


def pcm_of(text: str) -> bytes:
    return bytes(tone(round(len(text) * SECONDS_PER_CHARACTER * SPEECH_RATE), SPEECH_RATE).data.cast("B"))


def speaking(texts: list[str] | None = None) -> Callable[[Exchange], Awaitable[Answer]]:
    """Return what speaks every text, a hundredth of a second for each character.

    :param texts: gets them.
    """

    async def answer(exchange: Exchange) -> Answer:
        body = exchange.json()
        assert set(body) <= {"input", "model", "voice", "response_format", "speed", "instructions"}
        assert body["response_format"] == "pcm"
        assert 0 < len(body["input"]) <= 4096
        assert 0.25 <= body["speed"] <= 4
        if texts is not None:
            texts.append(body["input"])
        return speech_chunks(pcm_of(body["input"]))

    return answer


def speech_chunks(sound: bytes, *, size: int = round(PIECE_SECONDS * SPEECH_RATE) * 2) -> Answer:
    parts = [sound[at : at + size] for at in range(0, len(sound), size)]
    return chunks(*parts, content_type="audio/pcm", headers={"x-request-id": REQUEST_ID})


# --- recordings ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Upload:
    """A form with a recording in it."""

    fields: list[tuple[str, str]]
    frame: rtc.AudioFrame


def upload_of(exchange: Exchange) -> Upload:
    """Read the form of a request, strictly."""
    kind, _, rest = exchange.headers["content-type"].partition(";")
    assert kind == "multipart/form-data"
    boundary = rest.partition("boundary=")[2].strip('"').encode()
    fields, frames = [], []
    for part in exchange.body.split(b"--" + boundary)[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        content = content.removesuffix(b"\r\n")
        names = dict(re.findall(r'(\w+)="([^"]*)"', head.decode()))
        if "filename" not in names:
            fields.append((names["name"], content.decode()))
            continue
        assert (names["name"], names["filename"]) == ("file", "file.wav")
        assert b"Content-Type: audio/wav" in head
        with wave.open(io.BytesIO(content)) as file:
            assert file.getsampwidth() == 2
            count = file.getnframes()
            frames.append(rtc.AudioFrame(file.readframes(count), file.getframerate(), file.getnchannels(), count))
    (frame,) = frames
    return Upload(fields, frame)


def transcribing(speech: Sequence[Heard]) -> Callable[[Exchange], Awaitable[Answer]]:
    """Return what answers a recording with what is said in it."""

    async def answer(exchange: Exchange) -> Answer:
        upload = upload_of(exchange)
        fields = dict(upload.fields)
        assert set(fields) <= {"model", "language", "prompt", "response_format", "temperature", "keywords[]"}
        assert fields.get("language") != ""
        heard = [speech[index] for index in pitches_in(upload.frame)]
        text = " ".join(each.text for each in heard)
        if fields["response_format"] == "verbose_json":
            return reply(verbose(heard, upload.frame.duration), headers={"x-request-id": REQUEST_ID})
        return reply(transcription(text), headers={"x-request-id": REQUEST_ID})

    return answer


def transcription(text: str, **more: Any) -> dict[str, Any]:
    details = {"audio_tokens": 20, "text_tokens": 0}
    usage = {"type": "tokens", "input_tokens": 20, "output_tokens": 5, "total_tokens": 25}
    return {"text": text, "usage": {**usage, "input_token_details": details}, **more}


def verbose(heard: Sequence[Heard], seconds: float) -> dict[str, Any]:
    segments = [
        {
            "id": number,
            "seek": 0,
            "start": each.start,
            "end": each.end,
            "text": f" {each.text}",
            "tokens": [50364],
            "temperature": 0.0,
            "avg_logprob": -0.3,
            "compression_ratio": 1.1,
            "no_speech_prob": 0.01,
        }
        for number, each in enumerate(heard)
    ]
    return {
        "task": "transcribe",
        "language": "english",
        "duration": seconds,
        "text": " ".join(each.text for each in heard),
        "segments": segments,
        "usage": {"type": "duration", "seconds": 4},
    }


# --- live ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How this OpenAI behaves, of all the ways in which it, or one who speaks as it does, may.

    :param tells_speech: whether it tells where speech begins and ends.
    :param tells_commits: whether it tells what it has begun to recognise.
    :param swaps: whether of two pieces of speech the second is recognised first.
    :param beta: whether it speaks the older dialect.
    """

    tells_speech: bool = True
    tells_commits: bool = True
    swaps: bool = False
    beta: bool = False


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "event_id": "event_1", **fields}


def delta(item_id: str, text: str) -> dict[str, Any]:
    return event(
        "conversation.item.input_audio_transcription.delta", item_id=item_id, content_index=0, delta=text, logprobs=None
    )


def completed(item_id: str, text: str, **more: Any) -> dict[str, Any]:
    usage = {"type": "tokens", "total_tokens": 25, "input_tokens": 20, "output_tokens": 5}
    return event(
        "conversation.item.input_audio_transcription.completed",
        item_id=item_id,
        content_index=0,
        transcript=text,
        usage={**usage, "input_token_details": {"audio_tokens": 20, "text_tokens": 0}},
        **more,
    )


def failed(item_id: str, code: str = "audio_unintelligible") -> dict[str, Any]:
    problem = {"type": "transcription_error", "code": code, "message": "it failed", "param": None}
    return event("conversation.item.input_audio_transcription.failed", item_id=item_id, content_index=0, error=problem)


def error(code: str | None, *, kind: str = "invalid_request_error", caused_by: str | None = None) -> dict[str, Any]:
    problem = {"type": kind, "code": code, "message": "that cannot be", "param": None, "event_id": caused_by}
    return event("error", error=problem)


def session_of(kind: str, update: Mapping[str, Any]) -> dict[str, Any]:
    session = {"id": "sess_1", "object": "realtime.transcription_session", "expires_at": 1_800_000_000, **update}
    return event(kind, session=session)


def speech_started(item_id: str, seconds: float) -> dict[str, Any]:
    return event("input_audio_buffer.speech_started", item_id=item_id, audio_start_ms=round(seconds * 1000))


def speech_stopped(item_id: str, seconds: float) -> dict[str, Any]:
    return event("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=round(seconds * 1000))


def committed(item_id: str, previous: str | None = None) -> dict[str, Any]:
    return event("input_audio_buffer.committed", item_id=item_id, previous_item_id=previous)


class Ear:
    """What one connection hears, and what it says to that: server VAD, items, transcripts."""

    def __init__(self, speech: Sequence[Heard], manner: Manner, turns: Mapping[str, Any] | None) -> None:
        self._speech = speech
        self._manner = manner
        self._turns = turns
        self._prefix = (turns or {}).get("prefix_padding_ms", 300) / 1000
        self._silence = (turns or {}).get("silence_duration_ms", 500) / 1000
        self.seconds = 0.0
        self._cut = 0.0
        self._quiet_since = 0.0
        self._numbers = count(1)
        self._speaking = ""
        self._previous: str | None = None
        self._heard: list[tuple[int, float, float]] = []  # utterance, and how far it got, from and to (0 to 1)
        self._held: list[dict[str, Any]] = []

    def listen(self, piece: bytes) -> list[dict[str, Any]]:
        samples = np.frombuffer(piece, np.int16)
        at, self.seconds = self.seconds, self.seconds + len(samples) / SPEECH_RATE
        sounding = np.flatnonzero(np.abs(samples) >= LOUD)
        place = self.place(samples[sounding[0] : sounding[-1] + 1]) if len(sounding) else None
        if place is None:
            return self._quiet()
        utterance = self._speech[place[0]]
        half = (sounding[-1] - sounding[0]) / 2 / SPEECH_RATE / (utterance.end - utterance.start)
        self._heard.append((place[0], place[1] - half, place[1] + half))
        self._quiet_since = self.seconds
        if self._turns is None or self._speaking:
            return []
        self._speaking = self._new_id()
        begin = max(at + sounding[0] / SPEECH_RATE - self._prefix, 0.0)
        return [speech_started(self._speaking, begin)] if self._manner.tells_speech else []

    def place(self, sound: Any) -> tuple[int, float] | None:
        return place_of(sound, SPEECH_RATE)

    def _quiet(self) -> list[dict[str, Any]]:
        if not self._speaking or self.seconds - self._quiet_since < self._silence - 1e-6:
            return []
        item_id, self._speaking = self._speaking, ""
        stopped = [speech_stopped(item_id, self.seconds)] if self._manner.tells_speech else []
        return [*stopped, *self._recognise(item_id)]

    def commit(self, event_id: str | None) -> list[dict[str, Any]]:
        if self.seconds - self._cut < 0.1 - 1e-6:
            return [error("input_audio_buffer_commit_empty", caused_by=event_id)]
        item_id, self._speaking = self._speaking or self._new_id(), ""
        return self._recognise(item_id)

    def clear(self) -> list[dict[str, Any]]:
        held, self._held = self._held, []
        return [event("input_audio_buffer.cleared"), *held]

    def _recognise(self, item_id: str) -> list[dict[str, Any]]:
        words = self._words()
        self._heard.clear()
        self._cut = self.seconds
        text = " ".join(words)
        said = [committed(item_id, self._previous)] if self._manner.tells_commits else []
        self._previous = item_id
        item = {"id": item_id, "type": "message", "status": "completed", "role": "user"}
        content = [{"type": "input_audio", "transcript": None}]
        if self._manner.beta:
            said.append(event("conversation.item.created", item={**item, "content": content}, previous_item_id=None))
        else:
            said.append(event("conversation.item.added", item={**item, "content": content}, previous_item_id=None))
            said.append(event("conversation.item.done", item={**item, "content": content}, previous_item_id=None))
        told = [delta(item_id, word if not number else f" {word}") for number, word in enumerate(words)]
        told.append(completed(item_id, text))
        if self._manner.swaps and not self._held:
            self._held = told
            return said
        told, self._held = [*told, *self._held], []
        return [*said, *told]

    def _words(self) -> list[str]:
        found = []
        for index, utterance in enumerate(self._speech):
            spans = [(begin, end) for each, begin, end in self._heard if each == index]
            length = utterance.end - utterance.start
            for word in utterance.words:
                middle = ((word.start_time + word.end_time) / 2 - utterance.start) / length
                if any(begin - 0.01 <= middle < end + 0.01 for begin, end in spans):
                    found.append(word.text)
        return found

    def _new_id(self) -> str:
        return f"item_{next(self._numbers)}"


def ear(speech: Sequence[Heard], manner: Manner | None = None) -> Talk:
    """Return a conversation in which ``speech`` is understood."""
    behaviour = manner or Manner()

    async def talk(peer: VendorSocket) -> None:
        is_beta = peer.exchange.headers.get("openai-beta") == "realtime=v1"
        if is_beta is not behaviour.beta:
            await peer.send(error("beta_api_shape_disabled"))
            await peer.close(4000, "invalid_request_error.beta_api_shape_disabled")
            return
        await peer.send(session_of("session.created", {}))
        heard = await _configured(peer, speech, behaviour)
        async for message in peer:
            for said in _answer(heard, json.loads(message)):
                await peer.send(said)

    return talk


async def _configured(peer: VendorSocket, speech: Sequence[Heard], manner: Manner) -> Ear:
    update = await peer.receive_json()
    session = update["session"]
    if manner.beta:
        assert update["type"] == "transcription_session.update"
        assert session["input_audio_format"] == "pcm16"
        await peer.send(session_of("transcription_session.updated", session))
        return Ear(speech, manner, session["turn_detection"])
    assert update["type"] == "session.update"
    assert session["type"] == "transcription"
    heard = session["audio"]["input"]
    assert heard["format"] == {"type": "audio/pcm", "rate": SPEECH_RATE}
    await peer.send(session_of("session.updated", session))
    return Ear(speech, manner, heard["turn_detection"])


def _answer(heard: Ear, message: Mapping[str, Any]) -> list[dict[str, Any]]:
    match message["type"]:
        case "input_audio_buffer.append":
            assert set(message) <= {"type", "audio", "event_id"}
            piece = base64.b64decode(message["audio"], validate=True)
            assert 0 < len(piece) <= SPEECH_RATE // 20 * 2
            assert len(piece) % 2 == 0
            return heard.listen(piece)
        case "input_audio_buffer.commit":
            return heard.commit(message.get("event_id"))
        case "input_audio_buffer.clear":
            return heard.clear()
    raise AssertionError(f"OpenAI knows no {message['type']!r}")


def live_script(*talks: Talk, key: str, query: Mapping[str, str] | None = None) -> Script:
    return Script().socket(REALTIME, *talks, query=query, headers=bearer(key), repeat=True)
