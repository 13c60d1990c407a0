"""The worker's status as the server sees it: its load, and whether it takes jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, NoReturn

from lk_agents.foundation.log import logger
from lk_agents.worker import protocol
from lk_agents.worker.load import LoadReading, reported_load

if TYPE_CHECKING:
    from lk_agents.worker.admission import Admission
    from lk_agents.worker.outbox import Outbox

__all__ = ["UPDATE_LOAD_INTERVAL", "StatusLoop"]

UPDATE_LOAD_INTERVAL: Final = 2.5
SETTLE_SECONDS: Final = 0.1
"""So long the mere number of jobs waits to be told: a job on its way comes first."""


class StatusLoop:
    """Owns the last reading of the load, and keeps the status in the outbox true.

    :param sample: takes the load; never raises, and takes some seconds at most.
    :param threshold: full from this load on.
    :param interval: seconds between two samples.
    """

    def __init__(
        self,
        admission: Admission,
        outbox: Outbox,
        *,
        sample: Callable[[], Awaitable[LoadReading]],
        threshold: float,
        interval: float = UPDATE_LOAD_INTERVAL,
    ) -> None:
        self._admission = admission
        self._outbox = outbox
        self._sample = sample
        self._threshold = threshold
        self._interval = interval
        self._reading = LoadReading(0.0, "none")
        self._loop_lag_seconds = 0.0
        self._was_full = False
        self._was_draining = False
        self._later: asyncio.TimerHandle | None = None

    @property
    def reading(self) -> LoadReading:
        """The last reading of the load."""
        return self._reading

    @property
    def loop_lag_seconds(self) -> float:
        """By how much the event loop was late when this was its turn last."""
        return self._loop_lag_seconds

    async def run(self) -> NoReturn:
        """Sample at once and then again and again, until cancelled."""
        try:
            while True:
                self._reading = reading = await self._sample()
                self._admission.set_load_full(reading.failing or reading.value >= self._threshold)
                self.refresh()
                due = asyncio.get_running_loop().time() + self._interval
                await asyncio.sleep(self._interval)
                self._loop_lag_seconds = max(0.0, asyncio.get_running_loop().time() - due)
        finally:
            self._forget_later()

    def slots_changed(self) -> None:
        """Tell the server at once that jobs are refused or taken again, and in a moment that there are more or less."""
        full = self._admission.refusal() is not None
        if full is not self._was_full or self._admission.draining is not self._was_draining:
            self.refresh()
        elif self._later is None:
            self._later = asyncio.get_running_loop().call_later(SETTLE_SECONDS, self.refresh)

    def refresh(self) -> None:
        """Tell the server how things are now."""
        self._forget_later()
        self._was_draining = self._admission.draining
        refusal = self._admission.refusal()
        full = refusal is not None
        load = min(self._reading.value, 1.0) if full else reported_load(self._reading.value, self._threshold)
        self._outbox.put_worker_status(
            protocol.worker_status(
                full=full, load=load, job_count=self._admission.occupied, draining=self._admission.draining
            )
        )
        if full is not self._was_full:
            self._was_full = full
            logger.info(
                "the worker is full" if full else "the worker takes jobs again",
                extra={
                    "reason": refusal,
                    "load": round(self._reading.value, 3),
                    "load_signal": self._reading.name,
                    "threshold": self._threshold,
                    "jobs": self._admission.occupied,
                },
            )

    def _forget_later(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
