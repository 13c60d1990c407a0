"""Counts in a job's process what is measured there, and tells the worker now and then what has come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from lk_agents.ipc.messages import FromChild, Measured

if TYPE_CHECKING:
    from lk_agents.metrics.records import AgentMetrics
    from lk_agents.metrics.totals import Totals

__all__ = ["Meter"]

TELL_SECONDS: Final = 5.0
"""How long a job keeps what it has measured before it tells its worker; a job that is killed takes so much with it."""


class Meter:
    """Adds up the records of one job; nothing is loaded and nobody is told before there is one.

    What is not told yet is a few sums, however many records there were.

    :param send: sends a message to the worker, from the job's loop.
    :param is_congested: tells that the worker does not read: then it is told later.
    """

    def __init__(self, send: Callable[[FromChild], None], is_congested: Callable[[], bool] = lambda: False) -> None:
        self._send = send
        self._is_congested = is_congested
        self._totals: Totals | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_empty = True

    def record(self, record: AgentMetrics) -> None:
        """Count a record; on the job's loop."""
        from lk_agents.metrics.measures import measure

        if self._totals is None:
            from lk_agents.metrics.totals import Totals

            self._totals = Totals()
        measure(record, self._totals)
        self._is_empty = False
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TELL_SECONDS, self._tell_if_heard)

    def tell(self) -> None:
        """Tell the worker now what it has not been told."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._totals is not None and not self._is_empty:
            self._is_empty = True
            counts, spreads = self._totals.take()
            self._send(Measured(counts=counts, spreads=spreads))

    def _tell_if_heard(self) -> None:
        self._timer = None
        if self._is_congested():
            self._timer = asyncio.get_running_loop().call_later(TELL_SECONDS, self._tell_if_heard)
        else:
            self.tell()
