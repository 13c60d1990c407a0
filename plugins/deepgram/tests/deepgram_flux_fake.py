"""Flux's side of a connection: it knows by the sound what is said and when a turn ends, and is strict with clients."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from deepgram_fake import REQUEST_ID, Talk
from deepgram_sound import Sound

from lk_agents.foundation.secret import Secret
from lk_agents.testing.providers.speech import Heard
from lk_agents.testing.vendor import Script, VendorSocket

FLUX_PATH = "/v2/listen"
PIECE_SECONDS = 0.08
UPDATE_SECONDS = 0.24
EAGER_SECONDS = 0.12
END_SECONDS = 0.28
"""Of silence, after which a turn has ended."""


@dataclass(frozen=True, kw_only=True)
class FluxManner:
    """How this Flux behaves, of all the ways in which it may."""

    word_times: bool = True
    languages: tuple[str, ...] = ()
    ends_turns: bool = True
    forces_turns: bool = True
    takes_options: bool = True
    end_seconds: float = END_SECONDS


def connected() -> dict[str, Any]:
    return {"type": "Connected"}


def turn_info(
    event: str,
    transcript: str = "",
    *,
    turn: int = 0,
    window: tuple[float, float] = (0.0, 1.0),
    words: Sequence[dict[str, Any]] = (),
    **more: Any,
) -> dict[str, Any]:
    return {
        "type": "TurnInfo",
        "event": event,
        "turn_index": turn,
        "audio_window_start": round(window[0], 4),
        "audio_window_end": round(window[1], 4),
        "transcript": transcript,
        "words": list(words),
        "end_of_turn_confidence": 0.8 if event.endswith("EndOfTurn") else 0.1,
        **more,
    }


def numbered(message: dict[str, Any], number: int = 0) -> dict[str, Any]:
    return {"request_id": REQUEST_ID, "sequence_id": number, **message}


def configure_success(asked: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "ConfigureSuccess",
        "thresholds": asked.get("thresholds", {}),
        "keyterms": asked.get("keyterms", []),
    }


class FluxEar:
    """What one connection hears, and what it says to that."""

    def __init__(self, speech: Sequence[Heard], rate: int, manner: FluxManner | None = None, *, eager: bool = False):
        self._manner = manner or FluxManner()
        self._eager = eager
        self._sound = Sound(speech, rate)
        self._turn = 0
        self._began = 0.0
        self._told_until = 0.0
        self._is_open = False
        self._is_awaiting_end = False
        self._quiet_since = 0.0

    def listen(self, piece: bytes) -> list[dict[str, Any]]:
        before = self._sound.seconds
        if self._sound.listen(piece):
            self._quiet_since = self._sound.seconds
            if not self._is_open:
                self._is_open = True
                return [self._info("StartOfTurn")]
            if self._is_awaiting_end:
                self._is_awaiting_end = False
                return [self._info("TurnResumed")]
        elif self._is_open:
            if ended := self._look_for_the_end():
                return ended
        else:
            self._quiet_since = before
        is_due = self._sound.seconds - self._told_until >= UPDATE_SECONDS
        return [self._info("Update")] if is_due else []

    def force(self) -> list[dict[str, Any]]:
        return [self._end("manual")] if self._is_open and self._manner.forces_turns else []

    def close(self) -> list[dict[str, Any]]:
        return [self._info("Update")] if self._sound.seconds > self._told_until else []

    def _look_for_the_end(self) -> list[dict[str, Any]]:
        quiet_seconds = self._sound.seconds - self._quiet_since
        if quiet_seconds >= self._manner.end_seconds and self._manner.ends_turns:
            return [self._end("model")]
        if self._eager and quiet_seconds >= EAGER_SECONDS and not self._is_awaiting_end and self._words():
            self._is_awaiting_end = True
            return [self._info("EagerEndOfTurn")]
        return []

    def _end(self, trigger: str) -> dict[str, Any]:
        ended = self._info("EndOfTurn", trigger=trigger)
        self._is_open = self._is_awaiting_end = False
        self._turn += 1
        self._began = self._sound.seconds
        self._sound.forget()
        return ended

    def _words(self) -> list[dict[str, Any]]:
        names = ("word", "confidence", *(("start", "end") if self._manner.word_times else ()))
        return [{name: each[name] for name in names} for each in self._sound.words()]

    def _info(self, event: str, **more: Any) -> dict[str, Any]:
        self._told_until = self._sound.seconds
        if self._manner.languages:
            more["languages"] = list(self._manner.languages)
        words = self._words()
        transcript = " ".join(each["word"] for each in words)
        window = (self._began, self._sound.seconds)
        return turn_info(event, transcript, turn=self._turn, window=window, words=words, **more)


class FluxEtiquette:
    """What Deepgram's documents ask of a client of Flux, checked message by message."""

    def __init__(self, rate: int, piece_seconds: float) -> None:
        self._piece_bytes = round(rate * piece_seconds) * 2
        self._short = False
        self._closing = False

    def check(self, message: bytes | str) -> None:
        assert not self._closing, f"{message[:40]!r} after CloseStream"
        assert message, "an empty message ends the stream"
        if isinstance(message, bytes):
            assert not self._short, "audio behind a piece that is too short, without an end of the turn between them"
            assert len(message) <= self._piece_bytes, f"a piece of {len(message)} bytes is too long"
            assert len(message) % 2 == 0
            self._short = len(message) < self._piece_bytes
            return
        said = json.loads(message)
        assert said["type"] in {"ForceEndTurn", "CloseStream", "Configure"}, message  # a KeepAlive ends a connection
        assert said["type"] == "Configure" or len(said) == 1, message
        assert set(said) <= {"type", "thresholds", "keyterms", "language_hints", "numerals"}, message
        self._short = self._short and said["type"] == "Configure"
        self._closing = said["type"] == "CloseStream"


def flux_ear(
    speech: Sequence[Heard], manner: FluxManner | None = None, *, piece_seconds: float = PIECE_SECONDS
) -> Talk:
    """Return a conversation in which ``speech`` is understood, turn by turn."""
    manners = manner or FluxManner()

    async def talk(peer: VendorSocket) -> None:
        query, numbers = dict(peer.exchange.query), count()
        rate = int(query["sample_rate"])
        heard = FluxEar(speech, rate, manners, eager="eager_eot_threshold" in query)
        etiquette = FluxEtiquette(rate, piece_seconds)
        await peer.send(numbered(connected(), next(numbers)))
        async for message in peer:
            etiquette.check(message)
            asked = {"type": "Media"} if isinstance(message, bytes) else json.loads(message)
            said: list[dict[str, Any]] = []
            match asked["type"]:
                case "Media" if isinstance(message, bytes):
                    said = heard.listen(message)
                case "ForceEndTurn":
                    said = heard.force()
                case "CloseStream":
                    said = heard.close()
                case "Configure" if manners.takes_options:
                    said = [configure_success(asked)]
                case "Configure":
                    said = [{"type": "ConfigureFailure", "code": "INVALID_THRESHOLD", "description": "out of range"}]
            for each in said:
                await peer.send(numbered(each, next(numbers)))
            if asked["type"] == "CloseStream":
                return

    return talk


def flux_script(*talks: Talk, key: str) -> Script:
    headers = {"Authorization": Secret(f"Token {key}")}
    return Script().socket(FLUX_PATH, *talks, query=None, headers=headers, repeat=True)
