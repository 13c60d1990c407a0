"""What was shown to a provider and must be shown to nobody else, although there are providers that quote it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from weakref import WeakKeyDictionary

from lk_agents.foundation.secret import Secret

if TYPE_CHECKING:
    import aiohttp

    from lk_agents.foundation.errors import APIError

__all__ = ["HiddenHeaders", "credentials_in_query", "hide_credentials", "hide_in_error", "shown_on"]

CREDENTIAL_HEADERS: Final = ("authorization", "key", "token", "secret")
CREDENTIAL_IN_QUERY: Final = re.compile(r"(.*[-_])?(key|apikey|token|secret|password|signature)", re.IGNORECASE)
SHORTEST_CREDENTIAL: Final = 8


Query: TypeAlias = Mapping[str, object] | Iterable[tuple[str, object]] | None


class HiddenHeaders(dict[str, str]):
    """Headers that are not shown where somebody logs the variables of a traceback: the key is among them."""

    def __repr__(self) -> str:
        return f"<{len(self)} headers>"


shown_on: Final[WeakKeyDictionary[aiohttp.ClientWebSocketResponse, HiddenHeaders]] = WeakKeyDictionary()
"""What was shown to open a socket, as long as that is there."""


def credentials_in_query(params: Query) -> HiddenHeaders:
    """Return the parameters of a query that are credentials by their names, as headers of such a name."""
    pairs = params.items() if isinstance(params, Mapping) else params or ()
    return HiddenHeaders({f"key {name}": str(value) for name, value in pairs if CREDENTIAL_IN_QUERY.fullmatch(name)})


def hide_credentials(text: str, headers: Mapping[str, str] | None) -> str:
    """Return ``text`` without the credentials that were sent: there are providers that quote them in their errors."""
    for name, value in (headers or {}).items():
        credential = value.rpartition(" ")[2]  # without its scheme
        if len(credential) >= SHORTEST_CREDENTIAL and any(part in name.lower() for part in CREDENTIAL_HEADERS):
            text = Secret(credential).hide_in(text)
    return text


def hide_in_error(error: APIError, headers: Mapping[str, str] | None) -> None:
    """Mask the credentials that were sent wherever an error shows them.

    One that did loses its cause and its traceback: the variables on the way are bound to hold the credential as well.
    """
    before = (error.message, error.args, error.body, error.code, error.request_id)
    error.message = hide_credentials(error.message, headers)
    error.args = tuple(_hidden(each, headers) for each in error.args)
    error.body = _hidden(error.body, headers)
    error.code = _hidden(error.code, headers)
    error.request_id = _hidden(error.request_id, headers)
    if before != (error.message, error.args, error.body, error.code, error.request_id):
        error.__cause__ = error.__context__ = error.__traceback__ = None


def _hidden(value: Any, headers: Mapping[str, str] | None) -> Any:
    """Return the same without credentials, however deep they are in it."""
    if isinstance(value, str):
        return hide_credentials(value, headers)
    if isinstance(value, Mapping):
        return {_hidden(key, headers): _hidden(each, headers) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)([_hidden(each, headers) for each in value])
    return value
