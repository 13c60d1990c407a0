"""Whom to ask, with what right, over which HTTP session."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.secret import Secret
from lk_agents.utils.http_context import http_session

if TYPE_CHECKING:
    import aiohttp

__all__ = ["HttpSessions", "authorization", "find_key"]

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


class HttpSessions:
    """The HTTP session: the user's, else the job's, else one of our own.

    :param given: the user's.
    """

    def __init__(self, given: aiohttp.ClientSession | None) -> None:
        self._given = given
        self._own: aiohttp.ClientSession | None = None

    @property
    def own(self) -> bool:
        """Whether one of our own is open."""
        return self._own is not None and not self._own.closed

    def get(self) -> aiohttp.ClientSession:
        """Return a session; needs a running event loop."""
        if self._given is not None:
            return self._given
        try:
            return http_session()
        except RuntimeError:  # not in a job
            if self._own is None or self._own.closed:
                import aiohttp

                self._own = aiohttp.ClientSession(trust_env=True)
            return self._own

    async def aclose(self) -> None:
        """Close the one of our own, if there is one."""
        if self._own is not None:
            await self._own.close()
