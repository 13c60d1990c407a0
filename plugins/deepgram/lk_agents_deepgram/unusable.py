"""What of Deepgram's messages cannot be used is passed over, and logged without anything that was said."""

from __future__ import annotations

from typing import Final

from lk_agents.foundation.log import logger
from lk_agents_deepgram.message_parts import MalformedMessageError

__all__ = ["Unusable"]

TYPES_NOTED: Final = 100
SHOWN_CHARACTERS: Final = 80


class Unusable:
    """Logs it, for one stream or connection; each unknown type once."""

    def __init__(self) -> None:
        self._types: set[str] = set()

    def malformed(self, error: MalformedMessageError) -> None:
        """Log that a message has another form than documented."""
        logger.warning("a message of Deepgram cannot be understood; passed over", extra={"reason": str(error)})

    def audio(self, message: bytes) -> None:
        """Log that bytes came where none are sent."""
        logger.warning("Deepgram has sent bytes where it sends text; passed over", extra={"bytes": len(message)})

    def unknown(self, kind: str) -> None:
        """Log that a message is of a type that is not known here."""
        if kind in self._types or len(self._types) >= TYPES_NOTED:
            return
        self._types.add(kind)
        extra = {"type": kind[:SHOWN_CHARACTERS]}
        logger.warning("Deepgram has sent a message of an unknown type; passed over", extra=extra)
