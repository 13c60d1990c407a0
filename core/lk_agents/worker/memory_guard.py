"""Ends the largest job before the kernel ends all of them: the soft memory limit of a container."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NoReturn

from lk_agents.foundation.log import logger
from lk_agents.utils.aio.threads import call_in_thread
from lk_agents.worker.machine_load import memory_share

__all__ = ["MemoryGuard"]

INTERVAL_SECONDS: Final = 1.0
LIMIT_SHARE: Final = 0.95
"""Above the share at which the worker says that it is full, so that no new job is ended for an old one."""

CALM_SHARE: Final = 0.7
CALM_FACTOR: Final = 3
"""Below that share it looks this many times less often: an idle worker should cost next to nothing."""


class MemoryGuard:
    """Looks at the container's memory once a second when much of it is used, else every three.

    :param relieve: asked to end one job, with the reason; called at every look while memory is short.
    :param share: returns the used share of the memory limit, or None for no limit; called in a thread.
    """

    def __init__(
        self,
        relieve: Callable[[str], None],
        *,
        share: Callable[[], float | None] = memory_share,
        interval: float = INTERVAL_SECONDS,
    ) -> None:
        self._relieve = relieve
        self._share = share
        self._interval = interval

    async def run(self) -> NoReturn:
        """Look again and again, until cancelled."""
        told = False
        while True:
            try:
                share = await call_in_thread(self._share, name="lk_agents_memory_guard")
            except Exception:  # noqa: BLE001  logged once; a figure that cannot be read must not end the worker
                if not told:
                    logger.exception("the memory in use cannot be read")
                told, share = True, None
            if share is not None and share >= LIMIT_SHARE:
                self._relieve(f"{share:.0%} of the container's memory is in use")
            calm = share is None or share < CALM_SHARE
            await asyncio.sleep(self._interval * (CALM_FACTOR if calm else 1))
