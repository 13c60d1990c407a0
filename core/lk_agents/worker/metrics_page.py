"""What a worker tells Prometheus: sums that only grow, and gauges that are looked up when somebody asks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from lk_agents.foundation.version import __version__
from lk_agents.utils.aio.threads import call_in_thread
from lk_agents.worker.admission import Slot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lk_agents.ipc.pool import PoolSnapshot, ProcessSnapshot
    from lk_agents.metrics.exporter import Gauge, Page
    from lk_agents.metrics.totals import Totals
    from lk_agents.worker.admission import Admission
    from lk_agents.worker.health import HealthState

__all__ = ["MetricsPage", "worker_gauges"]

PHASES = ("starting", "idle", "running", "stopping")


class MetricsPage:
    """Makes the page; one at a time, in a thread, so that nothing waits for it but who asks.

    :param gauges: gives the gauges as they are; must return at once.
    """

    def __init__(self, totals: Totals, gauges: Callable[[], list[Gauge]]) -> None:
        self._totals = totals
        self._gauges = gauges
        self._writing = asyncio.Lock()

    async def write(self, accept: str) -> Page:
        """Return the page as it is now.

        :param accept: which formats the asker takes; the HTTP header.
        :raises ConfigError: the package for it is not installed.
        """
        async with self._writing:
            (counts, spreads), gauges = self._totals.copy(), self._gauges()

            def write() -> Page:
                from lk_agents.metrics.exporter import write_page

                return write_page(counts, spreads, gauges, accept=accept)

            return await call_in_thread(write, name="worker_metrics")


def worker_gauges(
    state: HealthState, pool: PoolSnapshot, admission: Admission, *, threshold: float, loop_lag_seconds: float
) -> list[Gauge]:
    """Return the worker's gauges; of a process that is gone there is none."""
    from lk_agents.metrics.exporter import Gauge

    return [
        Gauge("worker_info", 1.0, (__version__, state.agent_name, state.worker_type)),
        Gauge("worker_registered", float(state.registered)),
        Gauge("worker_draining", float(state.draining)),
        Gauge("worker_full", float(admission.refusal() is not None)),
        Gauge("worker_load", state.worker_load),
        Gauge("worker_load_threshold", threshold),
        Gauge("worker_load_signal", 1.0, (state.load_signal,)),
        Gauge("worker_loop_lag_seconds", loop_lag_seconds),
        *(Gauge("active_jobs", float(admission.count(slot)), (slot.value,)) for slot in Slot),
        Gauge("processes_wanted", float(pool.idle_target)),
        Gauge("waiting_jobs", float(pool.waiting_jobs)),
        *_process_gauges(pool.processes),
    ]


def _process_gauges(processes: Sequence[ProcessSnapshot]) -> Iterator[Gauge]:
    from lk_agents.metrics.exporter import Gauge

    memory = {process.executor_id: (process.pss_mb or 0.0) * 1024 * 1024 for process in processes}
    for phase in PHASES:
        here = [process for process in processes if process.phase == phase]
        yield Gauge("processes", float(len(here)), (phase,))
        yield Gauge("processes_memory_bytes", sum(memory[each.executor_id] for each in here), (phase,))
    yield Gauge("process_memory_max_bytes", max(memory.values(), default=0.0))
    lags = [process.loop_lag_seconds or 0.0 for process in processes]
    yield Gauge("process_loop_lag_max_seconds", max(lags, default=0.0))
