"""The timeline of one job: from the worker's log and the caller's watch to a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.table import Table

__all__ = ["STEPS", "Step", "missing_steps", "read_timeline", "timeline_table"]


@dataclass(frozen=True)
class Step:
    """One thing that must happen in a job.

    :param mark: its name in the timeline.
    :param label: how the table calls it.
    :param meaning: what it says.
    """

    mark: str
    label: str
    meaning: str


STEPS = (
    Step("offered", "offered", "the server asked the worker whether it takes the job"),
    Step("accepted", "accepted", "the worker said yes"),
    Step("assigned", "assigned", "the server gave it the job and a token for the room"),
    Step("process_ready", "process ready", "a process was there to run it"),
    Step("entrypoint", "entrypoint", "the agent's own code began"),
    Step("connected", "connected", "the agent was in the room"),
    Step("first_frame_heard", "first frame heard", "the caller's voice reached the agent"),
    Step("first_frame_back", "first frame back", "the caller heard the agent"),
)


def read_timeline(marks: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return the first time of each mark in a logged timeline, a list of ``{"name": …, "at": seconds}``.

    :raises ValueError: an entry has no name or no time.
    """
    times: dict[str, float] = {}
    for mark in marks:
        try:
            name, at = str(mark["name"]), float(mark["at"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"the worker logged a timeline with the entry {mark!r}, which is no mark") from error
        times.setdefault(name, at)
    return times


def missing_steps(times: Mapping[str, float]) -> list[Step]:
    """Return the steps that did not happen, in the order in which they should have."""
    return [step for step in STEPS if step.mark not in times]


def timeline_table(times: Mapping[str, float]) -> Table:
    """Return the steps with their times, counted from the offer; a warm process was ready before it."""
    table = Table(title="The job's timeline", title_justify="left", title_style="bold")
    table.add_column("step")
    table.add_column("after the offer", justify="right")
    table.add_column("what happened")
    start = times.get("offered", min(times.values(), default=0.0))
    for step in STEPS:
        if step.mark in times:
            table.add_row(step.label, _shown(times[step.mark] - start), step.meaning)
        else:
            table.add_row(step.label, "[red]never[/red]", step.meaning)
    return table


def _shown(seconds: float) -> str:
    return "warm before" if seconds < 0 else f"{seconds * 1000:,.0f} ms"
