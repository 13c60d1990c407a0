"""What goes wrong at Deepgram, as errors of the framework."""

from __future__ import annotations

import re
from typing import Final

from lk_agents.foundation.errors import APIConnectionError, APIError
from lk_agents_deepgram.messages import ErrorMessage

__all__ = ["close_error", "message_error"]

_CODE: Final = re.compile(r"\b(?:BIG|DATA|MESSAGE|NET)-\d{4}\b")
FINAL_CODES: Final = frozenset(
    {"BIG-0000", "BIG-0001", "DATA-0000", "DATA-0001", "MESSAGE-0000", "UNPARSABLE_CLIENT_MESSAGE"}
)
"""What was sent is no audio or text that Deepgram can use: sending it again changes nothing."""


def close_error(code: int | None, reason: str) -> APIError:
    """Return the error for a close that nobody asked for, with Deepgram's own code if the reason has one."""
    found = _code_in(reason)
    error = APIConnectionError(
        f"Deepgram closed the connection: code {code}, reason {reason or 'not given'}",
        retryable=found not in FINAL_CODES,
    )
    return error.located(phase="receive", code=found or code)


def message_error(message: ErrorMessage, *, request_id: str) -> APIError:
    """Return the error for an error message."""
    parts = [part for part in (message.description, message.message) if part]
    found = _code_in(" ".join([message.code, message.variant, *parts])) or message.code or message.variant
    error = APIError(
        f"Deepgram reports an error: {': '.join(parts) or 'it does not say which'}",
        body={"variant": message.variant, "description": message.description, "message": message.message},
        retryable=found not in FINAL_CODES,
    )
    return error.located(phase="receive", code=found or None, request_id=request_id or None)


def _code_in(text: str) -> str | None:
    found = _CODE.search(text)
    return found.group() if found else None
