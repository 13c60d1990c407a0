"""Framing: four bytes big-endian length, then that many bytes; lengths have a maximum."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lk_agents.foundation.errors import ProtocolError

__all__ = ["MAX_FRAME_BYTES", "FrameDecoder", "frame"]

MAX_FRAME_BYTES: Final = 32 * 1024 * 1024
"""A job with 512 KiB of metadata and an inference request with a long audio buffer fit with room to spare."""

_HEADER_BYTES: Final = 4


def frame(payload: bytes) -> bytes:
    """Return the payload with its length before it.

    :raises ProtocolError: if it is longer than :data:`MAX_FRAME_BYTES`.
    """
    if len(payload) > MAX_FRAME_BYTES:
        raise ProtocolError(f"a message of {len(payload)} bytes is over the limit of {MAX_FRAME_BYTES}")
    return len(payload).to_bytes(_HEADER_BYTES, "big") + payload


class FrameDecoder:
    """Cuts a stream of bytes into payloads, whatever pieces it comes in."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def pending_bytes(self) -> int:
        """How many bytes wait for the rest of their frame."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take in ``data`` and yield each payload that is complete.

        :raises ProtocolError: if a frame says that it is longer than :data:`MAX_FRAME_BYTES`.
        """
        self._buffer += data
        while len(self._buffer) >= _HEADER_BYTES:
            length = int.from_bytes(self._buffer[:_HEADER_BYTES], "big")
            if length > MAX_FRAME_BYTES:
                raise ProtocolError(f"a frame of {length} bytes is over the limit of {MAX_FRAME_BYTES}")
            end = _HEADER_BYTES + length
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[_HEADER_BYTES:end])
            del self._buffer[:end]
            yield payload
