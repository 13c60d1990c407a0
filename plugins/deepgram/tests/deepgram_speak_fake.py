"""Deepgram's side of speech: every word has a sound of its own, and clients are treated strictly."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from deepgram_fake import REQUEST_ID, Talk

from lk_agents.foundation.secret import Secret
from lk_agents.testing.vendor import Answer, Exchange, Script, VendorSocket, chunks

SPEAK_PATH = "/v1/speak"
SECONDS_PER_CHARACTER = 0.01


def pcm_of(text: str, rate: int = 24_000) -> bytes:
    """Return how a text sounds."""
    spoken = []
    for each in text.split():
        level = 1_000 + sum(map(ord, each)) % 20_000
        spoken.append(np.full(round(len(each) * SECONDS_PER_CHARACTER * rate), level, np.int16))
    return np.concatenate(spoken).tobytes() if spoken else b""


def speak_metadata() -> dict[str, Any]:
    return {
        "type": "Metadata",
        "request_id": REQUEST_ID,
        "model_name": "aura-asteria-en",
        "model_version": "2025-01-09.0",
        "model_uuid": "00000000-0000-4000-8000-000000000000",
    }


def flushed(number: int = 0) -> dict[str, Any]:
    return {"type": "Flushed", "sequence_id": number}


def cleared(number: int = 0) -> dict[str, Any]:
    return {"type": "Cleared", "sequence_id": number}


def warning(code: str) -> dict[str, Any]:
    return {"type": "Warning", "description": "this cannot be done now", "code": code}


@dataclass(frozen=True, kw_only=True)
class SpeakManner:
    """How this Deepgram behaves, of all the ways in which it may."""

    chunk_bytes: int = 1_001
    """Odd, so that samples are cut."""
    early: bool = False
    """Whether audio comes with each word, before the flush."""
    clears: bool = True
    most_flushes: int = 20
    """Those beyond bring a warning instead."""
    extras: Sequence[Any] = ()
    """What comes besides, before the audio."""


@dataclass
class Mouth:
    """What is spoken on one connection."""

    rate: int
    manner: SpeakManner
    texts: list[str]
    words: list[str] = field(default_factory=list)
    flushes: int = 0

    def answer(self, asked: dict[str, Any]) -> list[Any]:
        """Return what is said to a message."""
        match asked:
            case {"type": "Speak", "text": str(text), **rest} if not rest:
                assert text.endswith(" "), f"{text!r} would run into the next word"
                assert text.strip(), "there is nothing to speak"
                self.texts.append(text)
                self.words.append(text)
                return self._audio() if self.manner.early else []
            case {"type": "Flush"}:
                return self._flush()
            case {"type": "Clear"}:
                self.words.clear()
                return [cleared()] if self.manner.clears else []
            case {"type": "Close"}:
                return []
        raise AssertionError(f"Deepgram knows no {asked!r}")

    def _flush(self) -> list[Any]:
        self.flushes += 1
        if self.flushes > self.manner.most_flushes:
            return [warning("FLUSH_LIMIT")]
        return [*self.manner.extras, *self._audio(), flushed(self.flushes - 1)]

    def _audio(self) -> list[bytes]:
        audio, size = pcm_of("".join(self.words), self.rate), self.manner.chunk_bytes
        self.words.clear()
        return [audio[start : start + size] for start in range(0, len(audio), size)]


def mouth(texts: list[str] | None = None, manner: SpeakManner | None = None) -> Talk:
    """Return a conversation in which what is sent is spoken.

    :param texts: gets what is sent.
    """

    async def talk(peer: VendorSocket) -> None:
        rate = int(dict(peer.exchange.query)["sample_rate"])
        speaking = Mouth(rate, manner or SpeakManner(), [] if texts is None else texts)
        await peer.send(speak_metadata())
        async for message in peer:
            assert isinstance(message, str), "Deepgram wants text"
            asked = json.loads(message)
            for each in speaking.answer(asked):
                await peer.send(each)
            if asked["type"] == "Close":
                return

    return talk


def speaking(texts: list[str] | None = None) -> Callable[[Exchange], Awaitable[Answer]]:
    """Return what answers a whole text with its sound.

    :param texts: gets what is sent.
    """

    async def answer(exchange: Exchange) -> Answer:
        asked = exchange.json()
        assert set(asked) == {"text"}
        if texts is not None:
            texts.append(asked["text"])
        query = dict(exchange.query)
        audio = pcm_of(asked["text"], int(query["sample_rate"]))
        if query.get("container", "wav") != "none":
            audio = b"RIFF" + bytes(40) + audio
        parts = [audio[start : start + 1_001] for start in range(0, len(audio), 1_001)]
        return chunks(*parts, content_type="audio/l16", headers={"dg-request-id": REQUEST_ID})

    return answer


def speak_script(*talks: Talk | Answer, answers: Sequence[Any] = (), key: str, repeat: bool = True) -> Script:
    headers: dict[str, str | Secret] = {"Authorization": Secret(f"Token {key}")}
    script = Script()
    if talks:
        script.socket(SPEAK_PATH, *talks, query=None, headers=headers, repeat=repeat)
    if answers:
        script.http("POST", SPEAK_PATH, *answers, query=None, headers=headers, repeat=repeat)
    return script
