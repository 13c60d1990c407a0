"""All that a test needs of workers and jobs: start them, dispatch, order, and see what becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tests.e2e.journal import SOON, Entry, Journal
from tests.e2e.office import Office

from lk_agents.foundation.ids import short_id
from lk_agents.testing.fixtures_worker import WorkerBench
from lk_agents.worker.worker import Worker

ORDER_SECONDS = 0.3
"""After which an order is repeated: what is sent before the agent's data channel is open is lost."""

GIVEN_UP = "failed to send job request"
"""What the server says of a dispatch that leaves the room without an agent."""

Entrypoint = Callable[..., Awaitable[None]]


class Stage:
    """Workers of this process, with the server's view and the agents' own."""

    def __init__(self, office: Office, journal: Journal, bench: WorkerBench) -> None:
        self.office = office
        self.journal = journal
        self.bench = bench
        self.log = office.log

    async def start(self, entrypoint: Entrypoint, agent_name: str = "", **options: Any) -> Worker:
        """Start a worker, which may be given jobs as soon as this returns."""
        return await self.bench.start(
            entrypoint, agent_name=agent_name, job_user_arguments=self.journal.path, **options
        )

    async def begin(self, entrypoint: Entrypoint, event: str = "connected", **options: Any) -> Entry:
        """Start a worker, dispatch one job to it, and return the job's entry of that event."""
        agent, room = self.office.name("agent"), self.office.name()
        await self.start(entrypoint, agent, **options)
        return await self.dispatch(agent, room, event)

    async def dispatch(self, agent: str, room: str = "", event: str = "connected", metadata: str = "") -> Entry:
        """Dispatch a job and return its entry of that event, with the dispatch's id."""
        room = room or self.office.name()
        known = len(self.journal.of(event, room=room))
        dispatch = await self.office.dispatch(agent, room, metadata)
        entries = await self.journal.some(known + 1, event, room=room)
        return {**entries[known], "dispatch": dispatch}

    async def order(self, job: Entry, order: str) -> None:
        """Have the obedient agent of that job do something; return when it has heard of it."""
        number = short_id()
        async with asyncio.timeout(SOON):
            while not self.journal.of("ordered", job=job["job"], number=number):
                await self.office.order(job["room"], job["identity"], f"{number} {order}")
                try:
                    await self.journal.one("ordered", job=job["job"], number=number, seconds=ORDER_SECONDS)
                except AssertionError:
                    continue

    async def end(self, job: Entry, seconds: float = SOON) -> tuple[str, str]:
        """Wait until the server notes the end of the job; return status and error."""
        return await self.log.ended(job["job"], seconds)

    async def room_empties(self, job: Entry, seconds: float = SOON) -> None:
        """Wait until nobody is in the job's room."""
        await self.office.until_participants(job["room"], lambda found: not found, seconds)

    async def nobody_took(self, agent: str, count: int = 1) -> None:
        """Wait until the server has given up finding a worker of that name so often in all."""
        await self.log.until(lambda: len(self.log.of(GIVEN_UP, agentName=agent)) >= count)
