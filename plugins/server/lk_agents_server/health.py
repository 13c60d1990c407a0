"""Whether a server is ready, and whether it is ours."""

from __future__ import annotations

import http.client
from typing import Final

import jwt

from lk_agents.foundation.clock import SystemClock
from lk_agents_server.config import LOOPBACK, Keys

__all__ = ["is_ready"]

ANSWER_SECONDS: Final = 1.0
TOKEN_SECONDS: Final = 60


def is_ready(port: int, keys: Keys) -> bool:
    """Tell whether the server at ``port`` is up *and* knows ``keys``; blocks for 2 s at most.

    The second half matters where another server was quicker to take the port: it is healthy too, and not ours.
    """
    return _status(port, "/", {}) == http.HTTPStatus.OK and _knows_key(port, keys)


def _knows_key(port: int, keys: Keys) -> bool:
    claims = {
        "iss": keys.api_key,
        "sub": "readiness",
        "exp": int(SystemClock().wall_seconds()) + TOKEN_SECONDS,
        "video": {"roomJoin": True, "room": "readiness"},  # only looked at: nothing is created
    }
    token = jwt.encode(claims, keys.api_secret, algorithm="HS256")
    return _status(port, "/rtc/validate", {"Authorization": f"Bearer {token}"}) == http.HTTPStatus.OK


def _status(port: int, path: str, headers: dict[str, str]) -> int:
    """Return the status of the answer, 0 if there was none."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
