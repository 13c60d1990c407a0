"""Ends work that has gone quiet although something is owed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from lk_agents.foundation import clock

__all__ = ["Owed", "watched"]


@dataclass(frozen=True)
class Owed:
    """What is waited for, and since when (``clock.monotonic()``)."""

    phase: str
    since: float


async def watched(work: Awaitable[None], *, seconds: float, owed: Callable[[], Owed | None]) -> str:
    """Await ``work``, but cancel it when something has been owed for ``seconds``.

    :param owed: what the work owes at the moment; None if it may be quiet.
    :returns: the phase in which the work was given up; an empty text if it ended by itself.
    """
    loop = asyncio.get_running_loop()
    limit = asyncio.timeout(None)
    given_up = ""
    timer: asyncio.TimerHandle | None = None

    def look() -> None:
        nonlocal given_up, timer
        waiting_for = owed()
        left = seconds if waiting_for is None else waiting_for.since + seconds - clock.monotonic()
        if waiting_for is not None and left <= 0:
            given_up = waiting_for.phase
            limit.reschedule(loop.time())
        else:
            timer = loop.call_later(left, look)  # nothing that begins to be owed now is overdue before that

    try:
        async with limit:
            look()
            await work
    except TimeoutError:
        if not limit.expired():
            raise
    finally:
        if timer is not None:
            timer.cancel()
    return given_up
