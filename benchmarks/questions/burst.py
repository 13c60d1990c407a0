"""What becomes of 24 dispatches at once, with three warm processes?

Every job joins its room, as jobs do: that is what late processes have to compete with.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

from benchmarks.agents.work import JOIN
from benchmarks.failure import MeasurementError
from benchmarks.figures import percentile
from benchmarks.question import Measure, Question, Setting
from benchmarks.worker import BenchWorker

BURST = 24
PATIENCE_SECONDS = 60.0
"""After that, a job that has not joined its room is lost."""


async def measure(setting: Setting) -> dict[str, float]:
    async with BenchWorker.running(setting.framework, setting.ground) as worker:
        rooms = await setting.ground.make_rooms(BURST)
        await worker.wait_settled(setting.effort.settle_seconds)
        began = time.monotonic()
        await asyncio.gather(*[setting.ground.dispatch(worker.agent, room, JOIN) for room in rooms])
        with contextlib.suppress(MeasurementError):  # the lost ones are counted below
            await worker.journal.until(
                lambda: len(worker.journal.of("connected")) >= BURST, what="all jobs", seconds=PATIENCE_SECONDS
            )
        entered = [entry.at - began for entry in worker.journal.of("entered")]
        connected = {entry.fields["room"]: entry.at - began for entry in worker.journal.of("connected")}
        if not connected:
            raise MeasurementError(f"none of {BURST} jobs has joined its room")
        return {
            "burst_p95": percentile(entered, 0.95),
            "burst_connected_p95": percentile(list(connected.values()), 0.95),
            "burst_lost": len(set(rooms) - connected.keys()),
        }


QUESTION = Question(
    f"a burst of {BURST} dispatches",
    (
        Measure("burst_p95", f"{BURST} dispatches at once, 3 warm: dispatch until the entrypoint runs, p95", "s", 0.6),
        Measure("burst_lost", f"{BURST} dispatches at once: jobs lost", "", 0),
        Measure("burst_connected_p95", f"{BURST} dispatches at once: dispatch until the room is joined, p95", "s"),
    ),
    measure,
)
