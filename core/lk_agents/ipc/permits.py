"""Connect permits: how many jobs may be joining their rooms at the same time.

Joining costs 0.2 to 0.3 s of processor time in native code; a burst of joins would starve the processes that are
being forked for the next jobs.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

__all__ = ["PermitDesk"]


class PermitDesk:
    """Gives out permits, first come first served.

    :param permits: how many there are.
    :param grant: called with the executor that gets one.
    """

    def __init__(self, permits: int, grant: Callable[[int], None]) -> None:
        self._free = permits
        self._grant = grant
        self._waiting: OrderedDict[int, None] = OrderedDict()
        self._holding: set[int] = set()

    def ask(self, executor_id: int) -> None:
        """Give the executor a permit now, or when it is its turn."""
        if executor_id not in self._holding:
            self._waiting[executor_id] = None
            self._serve()

    def give_back(self, executor_id: int) -> None:
        """Take back what it holds, and forget what it waits for: it is done, tired of waiting, or gone."""
        self._waiting.pop(executor_id, None)
        if executor_id in self._holding:
            self._holding.remove(executor_id)
            self._free += 1
        self._serve()

    def _serve(self) -> None:
        while self._free > 0 and self._waiting:
            executor_id, _ = self._waiting.popitem(last=False)
            self._free -= 1
            self._holding.add(executor_id)
            self._grant(executor_id)
