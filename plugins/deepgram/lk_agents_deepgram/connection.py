"""Whom to ask, with what right, over which HTTP session."""

from __future__ import annotations

import os

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.secret import Secret

__all__ = ["authorization", "find_key"]

KEY_VARIABLE = "DEEPGRAM_API_KEY"


def find_key(given: str | Secret | None) -> Secret:
    """Return the key that was given, or that of the environment.

    :raises ConfigError: there is none.
    """
    key = given.reveal() if isinstance(given, Secret) else given or os.environ.get(KEY_VARIABLE, "")
    if not key.strip():
        raise ConfigError(f"Deepgram needs a key: set {KEY_VARIABLE} in the environment, or give api_key=…")
    return Secret(key.strip())


def authorization(key: Secret) -> dict[str, str]:
    """Return the header that shows the key."""
    return {"Authorization": f"Token {key.reveal()}"}
