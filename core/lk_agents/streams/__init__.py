"""What all providers stand on: streams with retries and replay, the socket and HTTP loops, the fallback engine."""

from __future__ import annotations

from lk_agents.streams.base import EventStream, InputStream
from lk_agents.streams.http import ServerSentEvent, read_chunks, read_events, request
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
    "run_wire",
]
