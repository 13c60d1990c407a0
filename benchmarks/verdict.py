"""What is said of a framework that met a fault."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NotHeldError", "Verdict"]


class NotHeldError(Exception):
    """The framework did not hold; the text says what was seen instead."""


@dataclass(frozen=True)
class Verdict:
    """How one framework met one fault in one run.

    :param fault: its title.
    :param seen: what was seen instead of what is wanted; empty if it held.
    :param detail: for whoever looks for the reason; no part of the report.
    """

    fault: str
    seen: str = ""
    detail: str = ""

    @property
    def held(self) -> bool:
        """Whether everything was as wanted."""
        return not self.seen
