"""The last line of defence against secrets in what the command line writes: cut them out of finished text.

Code never logs a secret on purpose; this catches what an exception's text or a library's log line carries along.
"""

from __future__ import annotations

import json
import re
from typing import Final

__all__ = ["Redactor"]

MASK: Final = "[redacted]"

_SHORTEST_SECRET: Final = 6
"""Anything shorter would blank out ordinary words; the secrets of a real server are far longer."""

_PATTERNS: Final = (
    ("eyj", re.compile(r"eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"), MASK),  # a JWT: base64url parts, the first one JSON
    ("bearer", re.compile(r"(?i)(\bbearer\s+)[\w.~+/=-]{8,}"), rf"\1{MASK}"),
    (
        "=",
        re.compile(r"(?i)((?:access_token|api_?key|api_?secret|token|secret|password)=)[^\s&\"',;)}\]]{6,}"),
        rf"\1{MASK}",
    ),
)


class Redactor:
    """Replaces known secrets, and what has the shape of a token, by ``[redacted]``."""

    def __init__(self) -> None:
        self._known: list[str] = []

    def add(self, *secrets: str | None) -> None:
        """Remember secrets; empty and very short ones are left alone, and what is no text: that is refused later."""
        for secret in secrets:
            if isinstance(secret, str) and len(secret) >= _SHORTEST_SECRET:
                forms = {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]}
                self._known = sorted(forms.union(self._known), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return ``text`` without secrets."""
        for secret in self._known:
            text = text.replace(secret, MASK)
        lowered = text.lower()
        for needed, pattern, replacement in _PATTERNS:
            if needed in lowered:
                text = pattern.sub(replacement, text)
        return text
