"""Deepgram's side of a live connection: it knows by the sound what is said, and is strict with its client."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from deepgram_sound import Sound, word
from livekit import rtc

from lk_agents.foundation.secret import Secret
from lk_agents.testing.providers.speech import Heard, pitches_in
from lk_agents.testing.vendor import Answer, Exchange, Script, VendorSocket, reply

PATH = "/v1/listen"
REQUEST_ID = "5a3f0c1e-request"
PIECE_SECONDS = 0.05
PIECES_PER_INTERIM = 4
QUIET_PIECES = 4

Talk = Callable[[VendorSocket], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How this Deepgram behaves, of all the ways in which it may."""

    speech_started: Literal["sent", "missing", "doubled", "late"] = "sent"
    speech_final: bool = True
    utterance_end: bool = False
    answers_finalize: bool = True
    empty_finals: bool = False
    languages: tuple[str, ...] = ()
    speaker: int | None = None


def speech_started(at: float) -> dict[str, Any]:
    return {"type": "SpeechStarted", "channel": [0], "timestamp": round(at, 3)}


def utterance_end(at: float) -> dict[str, Any]:
    return {"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": round(at, 3)}


def metadata(seconds: float) -> dict[str, Any]:
    return {
        "type": "Metadata",
        "transaction_key": "deprecated",
        "request_id": REQUEST_ID,
        "sha256": "0" * 64,
        "created": "2026-01-02T03:04:05.678Z",
        "duration": round(seconds, 3),
        "channels": 1,
    }


def results(
    transcript: str,
    *,
    start: float = 0.0,
    duration: float = 1.0,
    is_final: bool = False,
    speech_final: bool = False,
    words: Sequence[dict[str, Any]] = (),
    from_finalize: bool = False,
    languages: Sequence[str] = (),
) -> dict[str, Any]:
    alternative = {"transcript": transcript, "confidence": 0.93, "words": list(words)}
    return {
        "type": "Results",
        "channel_index": [0, 1],
        "duration": round(duration, 4),
        "start": round(start, 4),
        "is_final": is_final,
        "speech_final": speech_final,
        "from_finalize": from_finalize,
        "channel": {"alternatives": [{**alternative, **({"languages": list(languages)} if languages else {})}]},
        "metadata": {
            "request_id": REQUEST_ID,
            "model_info": {"name": "2-general-nova", "version": "2024-01-01.1", "arch": "nova-2"},
            "model_uuid": "00000000-0000-4000-8000-000000000000",
        },
    }


class Ear:
    """What one connection hears, and what it says to that."""

    def __init__(self, speech: Sequence[Heard], manner: Manner, rate: int) -> None:
        self._manner = manner
        self._sound = Sound(speech, rate)
        self._final_until = 0.0
        self._loud_pieces = 0
        self._quiet_pieces = 0
        self._speaking = False

    @property
    def seconds(self) -> float:
        return self._sound.seconds

    def listen(self, piece: bytes) -> list[dict[str, Any]]:
        at = self.seconds
        if not self._sound.listen(piece):
            return self._quiet()
        self._loud_pieces += 1
        self._quiet_pieces = 0
        said = self._started(at)
        if self._loud_pieces % PIECES_PER_INTERIM == 0:
            said.append(self._results(is_final=False))
            if self._manner.speech_started == "late":
                said.append(speech_started(at))
        return said

    def _started(self, at: float) -> list[dict[str, Any]]:
        first, self._speaking = not self._speaking, True
        times = {"sent": 1, "doubled": 2}.get(self._manner.speech_started, 0)
        return [speech_started(at)] * times if first else []

    def _quiet(self) -> list[dict[str, Any]]:
        self._quiet_pieces += 1
        if self._quiet_pieces != QUIET_PIECES or not self._speaking:
            return []
        self._speaking = False
        last = self._words()[-1]["end"] if self._words() else self.seconds
        said = [self._results(is_final=True, speech_final=self._manner.speech_final)]
        if self._manner.speech_started == "late":
            said.append(speech_started(last - 0.1))
        if self._manner.utterance_end:
            said.append(utterance_end(last))
        if self._manner.empty_finals:
            said.append(results("", start=self.seconds, duration=0.0, is_final=True))
        return said

    def finalize(self) -> list[dict[str, Any]]:
        if not self._manner.answers_finalize and not self._words():
            return []
        return [self._results(is_final=True, from_finalize=True)]

    def _results(self, *, is_final: bool, **more: Any) -> dict[str, Any]:
        words = self._words()
        said = results(
            " ".join(each["word"] for each in words),
            start=self._final_until,
            duration=self.seconds - self._final_until,
            is_final=is_final,
            words=words,
            languages=self._manner.languages,
            **more,
        )
        if is_final:
            self._final_until = self.seconds
            self._sound.forget()
        return said

    def _words(self) -> list[dict[str, Any]]:
        return self._sound.words(**({} if self._manner.speaker is None else {"speaker": self._manner.speaker}))


class Etiquette:
    """What Deepgram's documents ask of a client, checked message by message."""

    def __init__(self, rate: int) -> None:
        self._piece_bytes = round(rate * PIECE_SECONDS) * 2
        self._short = False
        self._first = True
        self._closing = False

    def check(self, message: bytes | str) -> None:
        assert not self._closing, f"{message[:40]!r} after CloseStream"
        assert message, "an empty message ends the stream"
        if isinstance(message, bytes):
            assert not self._short, "audio behind a piece that is shorter than 50 ms, without a Finalize between them"
            assert len(message) <= self._piece_bytes, f"a piece of {len(message)} bytes is longer than 50 ms"
            assert len(message) % 2 == 0
            self._short = len(message) < self._piece_bytes
            return
        kind = json.loads(message)
        assert kind in ({"type": "KeepAlive"}, {"type": "Finalize"}, {"type": "CloseStream"}), message
        if self._first:
            assert kind["type"] == "KeepAlive", "the first words keep the connection alive"
        self._first = False
        self._short = self._short and kind["type"] == "KeepAlive"
        self._closing = kind["type"] == "CloseStream"


def ear(speech: Sequence[Heard], manner: Manner | None = None) -> Talk:
    """Return a conversation in which ``speech`` is understood."""

    async def talk(peer: VendorSocket) -> None:
        rate = int(dict(peer.exchange.query)["sample_rate"])
        heard, etiquette = Ear(speech, manner or Manner(), rate), Etiquette(rate)
        async for message in peer:
            etiquette.check(message)
            if isinstance(message, bytes):
                said = heard.listen(message)
            elif "Finalize" in message or "CloseStream" in message:
                said = heard.finalize()
            else:
                said = []
            for each in said:
                await peer.send(each)
            if isinstance(message, str) and "CloseStream" in message:
                await peer.send(metadata(heard.seconds))
                return

    return talk


def live_script(*talks: Talk, key: str) -> Script:
    return Script().socket(PATH, *talks, query=None, headers={"Authorization": Secret(f"Token {key}")}, repeat=True)


def recording_answer(speech: Sequence[Heard]) -> Callable[[Exchange], Awaitable[Answer]]:
    """Return what answers a recording with what is said in it."""

    async def answer(exchange: Exchange) -> Answer:
        with wave.open(io.BytesIO(exchange.body)) as file:
            rate, channels, samples = file.getframerate(), file.getnchannels(), file.getnframes()
            frame = rtc.AudioFrame(file.readframes(samples), rate, channels, samples)
        heard = [speech[index] for index in pitches_in(frame)]
        return reply(recording(" ".join(each.text for each in heard), [w for each in heard for w in each.words]))

    return answer


def recording(transcript: str, words: Sequence[Any] = (), **channel: Any) -> dict[str, Any]:
    found = [word(each.text, each.start_time, each.end_time) for each in words]
    alternative = {"transcript": transcript, "confidence": 0.99, "words": found}
    return {
        "metadata": {
            "request_id": REQUEST_ID,
            "transaction_key": "deprecated",
            "sha256": "0" * 64,
            "created": "2026-01-02T03:04:05.6Z",
            "duration": 1.9,
            "channels": 1,
            "models": ["00000000-0000-4000-8000-000000000000"],
            "model_info": {},
        },
        "results": {"channels": [{"alternatives": [alternative], **channel}]},
    }
