"""What ``doctor`` found: one record for each thing it looked at."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum

__all__ = ["Check", "Status"]


class Status(StrEnum):
    """How a check came out."""

    OK = "ok"
    ADVICE = "advice"
    """Works, but could hurt later; does not change the exit code."""
    PROBLEM = "problem"
    """Something will not work; exit code 1."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at.

    :param detail: what was found, never a secret.
    :param remedy: what to do about it; empty if it is fine.
    """

    name: str
    status: Status
    detail: str
    remedy: str = ""

    @classmethod
    def ok(cls, name: str, detail: str) -> Check:
        """Return a check that found nothing wrong."""
        return cls(name=name, status=Status.OK, detail=detail)

    @classmethod
    def advice(cls, name: str, detail: str, remedy: str) -> Check:
        """Return a check that found something to think about."""
        return cls(name=name, status=Status.ADVICE, detail=detail, remedy=remedy)

    @classmethod
    def problem(cls, name: str, detail: str, remedy: str) -> Check:
        """Return a check that found something wrong."""
        return cls(name=name, status=Status.PROBLEM, detail=detail, remedy=remedy)

    def as_dict(self) -> dict[str, str]:
        """Return the check as plain data."""
        return asdict(self)
