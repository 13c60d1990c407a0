"""What goes over the wire beside, or instead of, what the script says; and its forms in bytes. Pure."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Final, TypeAlias

from lk_agents.testing.vendor.faults import Fault, FaultKind

__all__ = ["NO_JSON", "WRONG_JSON", "Message", "as_bytes", "extras", "frame_head", "pieces", "refusal_of"]

Message: TypeAlias = str | bytes

NO_JSON: Final = '{"type": "cut in the mid'
WRONG_JSON: Final = json.dumps([None, {"channel": 7, "choices": "none", "type": ["wrong"]}])


def extras(fault: Fault) -> list[str]:
    """Return the texts that a fault sends beside a message."""
    match fault.kind:
        case FaultKind.GARBAGE:
            return [NO_JSON]
        case FaultKind.WRONG_JSON:
            return [WRONG_JSON]
        case FaultKind.UNKNOWN_TYPE:
            return [json.dumps({"type": "SomethingNew", "payload": {"of": "no use"}})]
        case FaultKind.LARGE:
            bare = len(json.dumps({"type": "SomethingNew", "padding": ""}))
            return [json.dumps({"type": "SomethingNew", "padding": "x" * max(fault.size - bare, 0)})]
        case _:
            return []


def refusal_of(credential: str) -> Mapping[str, object]:
    """Return how one vendor or another would refuse a credential that it quotes; its words are the ``message``."""
    text = f"the key {credential} is not valid"
    fields = ("message", "description", "text", "reason", "detail")
    code = {"code": "scripted_quote"}
    return {**dict.fromkeys(fields, text), **code, "error": {"message": text, **code}}


def as_bytes(message: Message) -> bytes:
    """Return a message as it is sent."""
    return message.encode() if isinstance(message, str) else message


def pieces(data: bytes, count: int) -> list[bytes]:
    """Cut into so many pieces of about the same length; nothing is one piece."""
    length = max(-(-len(data) // max(count, 1)), 1)
    return [data[start : start + length] for start in range(0, len(data), length)] or [b""]


def frame_head(first_byte: int, length: int) -> bytes:
    """Return the head of a WebSocket frame from a server, whose content has that many bytes."""
    if length < 126:
        return struct.pack("!BB", first_byte, length)
    if length < 1 << 16:
        return struct.pack("!BBH", first_byte, 126, length)
    return struct.pack("!BBQ", first_byte, 127, length)
