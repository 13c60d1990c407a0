"""What a fault looks like from everywhere it can be seen from: one record, checked the same way for each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

WARNING, ERROR = "WARNING", "ERROR"
TOLD_FROM = frozenset({WARNING, ERROR, "CRITICAL"})
MEDIA_LIBRARY = "livekit"
"""The logger whose lines tell of the media library's own attempts to get back into a room."""

NO_FAULT = frozenset(
    {
        "load_threshold is above 1: the worker will never say that it is full",  # as these tests want it
        "a callback kept the event loop from everything else",  # the machine is busy
        "the entrypoint has called neither ctx.connect() nor ctx.shutdown(); nobody hears the agent",  # it is slow
        "the event loop of a process is blocked",  # the machine is busy; a fault may demand it all the same
    }
)
"""What may be told beside a fault."""


@dataclass(frozen=True)
class Said:
    """A line of the log: a constant message, and in these fields what these patterns match as a whole."""

    level: str
    message: str
    fields: Mapping[str, str] = field(default_factory=dict)

    def is_in(self, records: Sequence[Mapping[str, Any]]) -> bool:
        """Return whether one of these lines is this one."""
        return any(
            (record["level"], record["message"]) == (self.level, self.message) and matches(self.fields, record)
            for record in records
        )


@dataclass(frozen=True, kw_only=True)
class Statement:
    """All that becomes of a fault.

    :param said: everything that the worker logs as a warning or worse, and nothing besides.
    :param perhaps: what is told too when one thing happens before the other.
    :param status: what the server notes as the job's end; None where the fault ends no job.
    :param error: the text with it, as a pattern.
    :param callback: the reason that the job's shutdown callback was given, as a pattern; None: it could not run.
    :param printed: what is printed outside of the log, as a pattern; empty for what is no traceback.
    :param lost: fields of what the hook ``lk_agents_job_lost`` was told in the worker; None: it was not called.
    """

    said: tuple[Said, ...] = ()
    perhaps: tuple[Said, ...] = ()
    status: str | None = None
    error: str = ""
    callback: str | None = None
    lost: Mapping[str, str] | None = None
    printed: str = ""


def matches(fields: Mapping[str, str], record: Mapping[str, Any]) -> bool:
    """Return whether each field of the record is as its pattern says."""
    return all(
        name in record and re.fullmatch(pattern, str(record[name]), re.DOTALL) for name, pattern in fields.items()
    )


def check_said(statement: Statement, output: str, records: Sequence[Mapping[str, Any]]) -> None:
    """Fail unless just that was told to the user: every line of it, nothing worse, no traceback in between."""
    missing = [line for line in statement.said if not line.is_in(records)]
    assert not missing, f"not told: {missing}, but:\n{output}"
    allowed = {(line.level, line.message) for line in (*statement.said, *statement.perhaps)}
    more = [
        record
        for record in records
        if record["level"] in TOLD_FROM and record["name"] != MEDIA_LIBRARY and record["message"] not in NO_FAULT
        if (record["level"], record["message"]) not in allowed
    ]
    assert not more, f"told too: {more}"
    printed = "\n".join(line for line in output.splitlines() if not line.startswith("{"))
    if statement.printed:
        assert re.search(statement.printed, printed), output
    else:
        assert "Traceback" not in printed, output
