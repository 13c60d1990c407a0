"""A text that no log, traceback or representation shows."""

from __future__ import annotations

from typing import Final, NoReturn

__all__ = ["MASK", "Secret"]

MASK: Final = "**********"


class Secret:
    """Holds a credential; only :meth:`reveal` gives it away.

    ``str``, ``repr`` and formatting give a mask, comparing takes the same time for every secret of one length, and it
    refuses to be pickled, so it cannot travel by accident. An empty secret is falsy.

    :param value: the credential.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the credential, for the one place that sends it."""
        return self._value

    def hide_in(self, text: str) -> str:
        """Return ``text`` with every occurrence of the credential masked."""
        return text.replace(self._value, MASK) if self._value else text

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        import hmac

        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled: hand on where it comes from instead")
