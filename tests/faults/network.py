"""A network between worker and server that can be disturbed, and what the worker says when it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.e2e.gate import Gate
from tests.e2e.journal import Entry
from tests.faults.bench import FaultBench, Run
from tests.faults.statement import WARNING, Said

SILENT_SECONDS = 40.0
"""Twice two heartbeats: a silence is noticed sooner."""


def lost(cause: str) -> Said:
    return Said(WARNING, "not connected to the server; trying again", {"cause": cause, "url": "ws://.*"})


async def registered_again(run: Run, before: str) -> None:
    """Wait until the server knows the worker under another id."""
    ids: list[str] = []

    def again() -> bool:
        ids[:] = [r["worker_id"] for r in run.command.records() if r["message"] == "the worker is registered"]
        return ids[-1] != before

    await run.until(again, "another registration", SILENT_SECONDS)
    await run.stage.log.one("worker registered", workerID=ids[-1])


@asynccontextmanager
async def behind_a_gate(bench: FaultBench, *arguments: str) -> AsyncIterator[tuple[Gate, Run]]:
    """Run a worker whose connection to the server goes through a gate."""
    port = int(bench.stage.office.server.url.rpartition(":")[2])
    async with Gate(port) as gate, bench.start(*arguments, LIVEKIT_URL=gate.url) as run:
        yield gate, run


async def outlived(run: Run, job: Entry) -> None:
    """Fail unless a job has gone on although its server, or the connection to it, is another one now.

    Its end is told to the server, which does not know the job any more.
    """
    journal = run.stage.journal
    assert not journal.of("callback", job=job["job"])
    run.tell(job)
    await run.stage.log.one("received job update for unknown job", jobID=job["job"])
    await journal.one("callback", job=job["job"], reason="told to end")
    await run.gone(job)
