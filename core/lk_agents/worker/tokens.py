"""The two tokens that the worker signs: its own, and a running job's, made good again after a reload."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation.errors import ConfigError

if TYPE_CHECKING:
    import jwt

__all__ = ["registration_token", "renewed_token"]

REGISTRATION_SECONDS: Final = 6 * 3600
"""The server looks at the token once, when the socket opens."""

RENEWED_SECONDS: Final = 3600
CLOCK_LEEWAY_SECONDS: Final = 10
ALGORITHM: Final = "HS256"


@cache
def _signer() -> jwt.PyJWS:
    import jwt
    from jwt.algorithms import HMACAlgorithm

    class _AnyLength(HMACAlgorithm):
        """The secret is the server's choice, short ones among them; who signs with it cannot mend that."""

        def check_key_length(self, key: Any) -> str | None:  # noqa: ARG002  the signature is the library's
            return None

    signer = jwt.PyJWS()
    signer.unregister_algorithm(ALGORITHM)
    signer.register_algorithm(ALGORITHM, _AnyLength(HMACAlgorithm.SHA256))
    return signer


def _signed(claims: dict[str, Any], secret: str) -> str:
    return _signer().encode(json.dumps(claims, separators=(",", ":")).encode(), secret, algorithm=ALGORITHM)


def registration_token(api_key: str, api_secret: str, *, now: float) -> str:
    """Return a token that lets its bearer register as a worker; ``now`` in wall-clock seconds."""
    valid = {"nbf": int(now) - CLOCK_LEEWAY_SECONDS, "exp": int(now) + REGISTRATION_SECONDS}
    return _signed({"iss": api_key, **valid, "video": {"agent": True}}, api_secret)


def renewed_token(token: str, api_secret: str, *, now: float) -> str:
    """Return ``token`` with an hour more to join, every other claim kept.

    It may have expired: its job is in the room already, and would be lost with it.

    :raises ConfigError: the token was not signed with this secret.
    """
    import jwt

    try:
        claims = json.loads(_signer().decode(token, api_secret, algorithms=[ALGORITHM]))
    except (jwt.PyJWTError, ValueError) as error:
        raise ConfigError(
            f"the token of a running job was not signed with this api_secret ({error}); "
            f"were the credentials changed between the reloads?"
        ) from error
    return _signed(claims | {"exp": int(now) + RENEWED_SECONDS}, api_secret)
