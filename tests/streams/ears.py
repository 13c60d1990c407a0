"""A recogniser that speaks a small protocol over a socket, and the vendor that it speaks with.

The audio of these tests says where it was: each sample is its own position in milliseconds. The vendor answers each
frame with the positions that it heard and the time of their end, on its own axis.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
from livekit import rtc
from tests.streams.frames import RATE, frame

from lk_agents.foundation.errors import APIStatusError
from lk_agents.foundation.secret import Secret
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.streams import Codec, FlushSentinel, InputStream, open_websocket, run_wire
from lk_agents.streams.inputs import AudioInput
from lk_agents.testing.vendor import Fault, FaultKind, Script, VendorServer, VendorSocket

KEY = "the-key-that-nobody-may-see"
LABEL = "tests.Ears"


@dataclass(frozen=True)
class Hurried(APIConnectOptions):
    """Asks again at once: sockets take real time, and how long a wait is, test_retry.py tells."""

    def _interval_for_retry(self, num_retries: int) -> float:
        return 0.0


PATIENT = Hurried(max_retry=0, timeout=5)
IMPATIENT_SECONDS = 0.1
FRAME_MS = 20


@dataclass(frozen=True)
class Heard:
    """What the vendor has heard."""

    positions: tuple[int, ...]
    end_seconds: float
    is_last: bool = False


def encode(item: rtc.AudioFrame | FlushSentinel) -> Iterable[bytes | str]:
    if isinstance(item, FlushSentinel):
        return ['{"type": "Flush"}']
    return [bytes(item.data)]


def decode(message: bytes | str) -> Iterable[Heard]:
    """Understand what can be understood."""
    try:
        content = json.loads(message)
    except ValueError:
        return []
    if not isinstance(content, dict):
        return []
    match content.get("type"):
        case "Heard":
            return [Heard(tuple(content["positions"]), content["end"])]
        case "Done":
            return [Heard((), 0.0, is_last=True)]
        case "Error":
            raise APIStatusError("the vendor says no", status_code=400).located(code=content["code"])
        case _:
            return []


CODEC: dict[str, Any] = {
    "encode": encode,
    "decode": decode,
    "finish": lambda: ['{"type": "End"}'],
    "acknowledged_until": lambda event: event.end_seconds or None,
    "idle_seconds": 5.0,
    "close_seconds": 5.0,
}


class Ears(InputStream[AudioInput, Heard]):
    """Streams to the vendor at ``url``; the codec is changed by ``options``."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, conn_options: APIConnectOptions = PATIENT, **options: Any
    ) -> None:
        self.session = session
        self.url = url
        self.version = 1
        self.heartbeat_seconds = options.pop("heartbeat_seconds", 5.0)
        self.options = options
        self.attempts_began: list[float] = []
        super().__init__(conn_options=conn_options, label=LABEL)

    def _make_input(self) -> AudioInput:
        return AudioInput(self._event_ch)

    def _flush(self) -> None:
        self._input_ch.flush()

    def push(self, start_ms: int, length_ms: int = FRAME_MS) -> None:
        self._check_open()
        self._input_ch.push(frame(start_ms, length_ms))

    def update(self, version: int) -> None:
        self.version = version
        self._reconnect()

    def _accept(self, event: Heard) -> Heard:
        if self._settles is not None and (until := self._settles(event)) is not None:
            self._input_ch.acknowledge(self._input_ch.axis.to_stream(until))
        return event

    async def _run(self) -> None:
        self.attempts_began.append(time.monotonic())
        await run_wire(self, Codec(**{**CODEC, "connect": self._connect, **self.options}))

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        return await open_websocket(
            self.session,
            f"{self.url}/listen",
            headers={"Authorization": f"Token {KEY}"},
            timeout_seconds=self._conn_options.timeout,
            provider=LABEL,
            params=[("version", str(self.version))],
            request_id_header="x-request-id",
            heartbeat_seconds=self.heartbeat_seconds,
        )


async def listening(peer: VendorSocket) -> None:
    """Be the vendor: answer each frame, and close after the end."""
    end = 0.0
    async for message in peer:
        if isinstance(message, bytes):
            heard = list(memoryview(message).cast("h"))
            end += len(heard) / RATE
            await peer.send({"type": "Heard", "positions": heard, "end": end})
        elif json.loads(message) == {"type": "End"}:
            return


def script(*talks: Callable[[VendorSocket], Awaitable[None]], repeat: bool = True) -> Script:
    return Script().socket(
        "/listen",
        *(talks or (listening,)),
        query=("version",),
        headers={"Authorization": Secret(f"Token {KEY}")},
        repeat=repeat,
    )


@asynccontextmanager
async def ears(vendor: VendorServer, conn_options: APIConnectOptions = PATIENT, **options: Any) -> AsyncIterator[Ears]:
    if "timeout" in options:
        conn_options = replace(conn_options, timeout=options.pop("timeout"))
    async with aiohttp.ClientSession() as session, Ears(session, vendor.url, conn_options, **options) as stream:
        yield stream


def retrying(times: int) -> APIConnectOptions:
    return replace(PATIENT, max_retry=times)


def impatience(fault: Fault) -> dict[str, Any]:
    """Return the options that notice a fault soon; other limits stay wide, so that a slow machine meets none."""
    match fault.kind:
        case FaultKind.SILENT | FaultKind.SLOW_HEAD:
            return {"timeout": IMPATIENT_SECONDS}
        case FaultKind.STALL:
            return {"idle_seconds": IMPATIENT_SECONDS}
        case FaultKind.SLOW_CLOSE | FaultKind.EMPTY_ONLY:
            return {"close_seconds": IMPATIENT_SECONDS}
        case FaultKind.HALF_OPEN:
            return {"heartbeat_seconds": IMPATIENT_SECONDS}
        case _:
            return {}


async def hear_all(stream: Ears, frames: int = 3) -> list[int]:
    """Push frames, hear what comes of them, end the input when all is heard; return every position in its order."""
    for number in range(frames):
        stream.push(number * FRAME_MS)
    found: list[int] = []
    async for event in stream:
        found += event.positions
        if found and found[-1] == frames * FRAME_MS - 1:
            stream.end_input()
    return found


ALL = list(range(3 * FRAME_MS))
