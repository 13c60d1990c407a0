"""What all providers stand on: streams with retries and replay, the socket and HTTP loops, the fallback engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents.streams.base import EventStream, InputStream
    from lk_agents.streams.http import ServerSentEvent, read_chunks, read_events, request, retry_after, why
    from lk_agents.streams.inputs import FlushSentinel
    from lk_agents.streams.wire import Codec, open_websocket, run_wire

__all__ = [
    "Codec",
    "EventStream",
    "FlushSentinel",
    "InputStream",
    "ServerSentEvent",
    "open_websocket",
    "read_chunks",
    "read_events",
    "request",
    "retry_after",
    "run_wire",
    "why",
]

_NAMES = {
    "base": (
        "EventStream",
        "InputStream",
    ),
    "http": (
        "ServerSentEvent",
        "read_chunks",
        "read_events",
        "request",
        "retry_after",
        "why",
    ),
    "inputs": ("FlushSentinel",),
    "wire": (
        "Codec",
        "open_websocket",
        "run_wire",
    ),
}


def __getattr__(name: str) -> Any:
    from lk_agents.foundation.lazy import load_name

    return load_name(__name__, name, _NAMES)


def __dir__() -> list[str]:
    return sorted(__all__)
