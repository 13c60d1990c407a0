"""Fields of a message, looked at before they are used: what has another form than documented is named."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["MalformedMessageError", "decoded", "number", "objects", "part", "texts"]


class MalformedMessageError(ValueError):
    """A message has another form than documented; the text names the field and nothing that was said."""


def decoded(text: bytes | str) -> Mapping[str, Any]:
    """Return the object that a text is.

    :raises MalformedMessageError: it is no JSON, or no object.
    """
    try:
        found = json.loads(text)
    except ValueError:
        raise MalformedMessageError("it is no JSON") from None  # the cause would quote it
    if not isinstance(found, Mapping):
        raise MalformedMessageError("it is no object")
    return found


def part(found: Mapping[str, Any], name: str, form: type[Any], default: Any) -> Any:
    """Return a field; ``default`` where it is absent or null, unless that is None too: then it must be there.

    :raises MalformedMessageError: it is of another type, or missing.
    """
    value = found.get(name)
    if value is None and default is not None:
        return default
    is_other = isinstance(value, str) if form is Sequence else isinstance(value, bool) and form is int
    if not isinstance(value, form) or is_other:
        kind = "missing" if value is None else f"of the type {type(value).__name__}"
        raise MalformedMessageError(f"{name!r} is {kind}")
    return value


def number(found: Mapping[str, Any], name: str) -> float:
    """Return a number; 0 where it is absent or null.

    :raises MalformedMessageError: it is none.
    """
    value = found.get(name)
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MalformedMessageError(f"{name!r} is no number but {type(value).__name__}")
    return float(value)


def objects(found: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    """Return a list of objects; an empty one where it is absent or null.

    :raises MalformedMessageError: it is none.
    """
    values: Sequence[Any] = part(found, name, Sequence, ())
    if not all(isinstance(each, Mapping) for each in values):
        raise MalformedMessageError(f"{name!r} does not hold objects")
    return values


def texts(found: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return the texts in a list; none where it is absent or null.

    :raises MalformedMessageError: it is no list.
    """
    return tuple(each for each in part(found, name, Sequence, ()) if isinstance(each, str))
