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
        self._was_full = False

    @property
    def reading(self) -> LoadReading:
        """The last reading of the load."""
        return self._reading

    async def run(self) -> NoReturn:
        """Sample at once and then again and again, until cancelled."""
        while True:
            self._reading = reading = await self._sample()
            self._admission.set_load_full(reading.failing or reading.value >= self._threshold)
            self.refresh()
            await asyncio.sleep(self._interval)

    def refresh(self) -> None:
        """Tell the server how things are now: after a sample, and whenever a slot or a reason to refuse changes."""
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
