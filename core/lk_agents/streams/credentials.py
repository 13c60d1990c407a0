"""What was shown to a provider and must be shown to nobody else, although there are providers that quote it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
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
DEEPEST: Final = 32
"""How many containers, one in the other, are gone through; what is further in becomes a text."""
CONTAINERS: Final = (dict, list, tuple, set, frozenset)

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
    """Mask the credentials that were sent wherever an error shows them; never fails, whatever the error holds.

    One that did loses its cause and its traceback: the variables on the way are bound to hold the credential as well.
    """
    shown = [error.message, error.body, error.code, error.request_id, *error.args]
    hidden = [_hidden(each, headers) for each in shown]
    if all(now is before for now, before in zip(hidden, shown, strict=True)):
        return
    error.message, error.body, error.code, error.request_id, *args = hidden
    error.args = tuple(args)
    error.__cause__ = error.__context__ = error.__traceback__ = None


def _hidden(value: Any, headers: Mapping[str, str] | None, around: tuple[int, ...] = ()) -> Any:
    """Return ``value`` itself if it shows no credential, else the same without, in its own shape where that can be.

    :param around: the ids of the containers that it is in.
    """
    with suppress(Exception):  # whatever a value does when it is looked at: the error is on its way, and must arrive
        if isinstance(value, str | bytes | bytearray):
            return _hidden_text(value, headers)
        if isinstance(value, (*CONTAINERS, Mapping)) and id(value) not in around and len(around) < DEEPEST:
            found = _hidden_container(value, headers, (*around, id(value)))
            if found is not value or type(value) in CONTAINERS:
                return found
    with suppress(Exception):
        text = repr(value)
        if (hidden := hide_credentials(text, headers)) != text:
            return hidden
        return value if hide_credentials(told := str(value), headers) == told else hidden
    return f"<{type(value).__name__}>"


def _hidden_text(value: str | bytes | bytearray, headers: Mapping[str, str] | None) -> str | bytes | bytearray:
    if isinstance(value, str):
        hidden = hide_credentials(value, headers)
        return value if hidden == value else hidden
    text = value.decode(errors="surrogateescape")  # which brings back every byte that is no text
    if (hidden := hide_credentials(text, headers)) == text:
        return value
    kind = bytearray if isinstance(value, bytearray) else bytes
    return kind(hidden.encode(errors="surrogateescape"))


def _hidden_container(value: Any, headers: Mapping[str, str] | None, around: tuple[int, ...]) -> Any:
    if isinstance(value, Mapping):
        before = [each for pair in value.items() for each in pair]
    else:
        before = list(value)
    after = [_hidden(each, headers, around) for each in before]
    if all(now is then for now, then in zip(after, before, strict=True)):
        return value
    if isinstance(value, Mapping):
        return dict(zip(after[::2], after[1::2], strict=True))
    if isinstance(value, tuple):
        return getattr(value, "_make", tuple)(after)  # a named tuple takes its fields one by one
    return next(kind for kind in (list, set, frozenset) if isinstance(value, kind))(after)
