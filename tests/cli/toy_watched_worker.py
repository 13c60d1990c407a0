"""A worker for the watcher's tests, without a server: says what it does in a journal, and obeys a few words.

usage: toy_watched_worker.py JOURNAL BEHAVIOUR_FILE --reload-fd N

The behaviour file holds Python: ``jobs`` (ids that run from the start), ``late`` (ids that begin while it stops),
``stop_seconds`` (how long a stop takes), ``limit`` (how long it may take), ``exit_code``.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lk_agents.cli.reload_client import ReloadClient, inherited_socket
from lk_agents.cli.signals import StopSignals
from lk_agents.job.spec import AcceptArguments, JobSpec


def spec(job_id: str) -> JobSpec:
    return JobSpec(
        job_id=job_id, job=b"", url="ws://h", token="t", worker_id="", accept=AcceptArguments(identity="agent")
    )


class Toy:
    def __init__(self, journal: Path, behaviour: dict[str, Any]) -> None:
        self._journal = journal
        self._behaviour = behaviour
        self._jobs = {name: spec(name) for name in behaviour.get("jobs", ())}

    def note(self, text: str) -> None:
        with self._journal.open("a") as file:
            file.write(f"{text}\n")

    def jobs_to_carry(self) -> Sequence[JobSpec]:
        return list(self._jobs.values())

    async def resume_jobs(self, jobs: Sequence[JobSpec]) -> Mapping[str, str]:
        self.note("resumed " + ",".join(sorted(job.job_id for job in jobs)))
        if self._behaviour.get("refuse_all"):
            raise ValueError("the token has expired")
        self._jobs |= {job.job_id: job for job in jobs}
        return {}

    async def stop(self) -> None:
        for name in self._behaviour.get("late", ()):
            await asyncio.sleep(0.05)
            self._jobs[name] = spec(name)
        await asyncio.sleep(self._behaviour.get("stop_seconds", 0))
        self._jobs.clear()  # they end because of the stop


async def main(journal: Path, behaviour_file: Path, descriptor: int, signals: StopSignals) -> int:
    behaviour: dict[str, Any] = {}
    exec(behaviour_file.read_text(), behaviour)
    toy = Toy(journal, behaviour)
    signals.attach()
    client = ReloadClient(toy, signals, stop_seconds=behaviour.get("limit", 30.0))
    await client.open(inherited_socket(descriptor))
    toy.note(f"started {os.environ.get('LK_TOY', '')}".rstrip())
    if (code := behaviour.get("exit_code")) is not None:
        await asyncio.sleep(0.2)
        return int(code)
    await signals.asked.wait()
    client.jobs_changed()
    stopping = asyncio.create_task(toy.stop())
    forced = asyncio.create_task(signals.forced.wait())
    while not stopping.done() and not forced.done():
        await asyncio.wait({stopping, forced}, timeout=0.02, return_when=asyncio.FIRST_COMPLETED)
        client.jobs_changed()
    toy.note("forced" if forced.done() else "stopped")
    await client.aclose()
    return 1 if forced.done() else 0


if __name__ == "__main__":
    with StopSignals() as stop_signals, asyncio.Runner() as runner:
        sys.exit(runner.run(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[4]), stop_signals)))
