"""The life of an agent, and what the job that it belongs to has of it."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from lk_agents.job.context import JobContext
from lk_agents.testing.job import JobBench
from lk_agents.voice.life import AgentLife

pytestmark = pytest.mark.usefixtures("lk_clock")

CLOSING_SECONDS = 0.5


class Talk:
    """A conversation that goes on until it is ended."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.closed = 0

    async def run(self) -> str:
        await self.over.wait()
        return "it is over"

    async def aclose(self) -> None:
        self.closed += 1
        self.over.set()


class Agent:
    """Has one conversation, and takes its time to be closed."""

    def __init__(self) -> None:
        self.talk = Talk()
        self.told: list[str] = []
        self.life = AgentLife(on_over=self._over)
        self.life.begin(self.talk, name="talk")

    async def _over(self, reason: str) -> None:
        await asyncio.sleep(CLOSING_SECONDS)
        self.told.append(reason)


async def test_a_job_that_ends_closes_its_agent(lk_job: JobBench) -> None:
    agents: list[Agent] = []

    async def entrypoint(ctx: JobContext) -> None:
        agents.append(Agent())
        ctx.shutdown()

    await lk_job.start(entrypoint).outcome()

    assert agents[0].told == ["it is over"]


async def test_a_job_keeps_nothing_of_an_agent_that_was_closed_before(lk_job: JobBench) -> None:
    gone: list[bool] = []

    async def entrypoint(ctx: JobContext) -> None:
        agent = Agent()
        await agent.life.aclose()
        life = weakref.ref(agent.life)
        del agent
        await asyncio.sleep(0)
        gc.collect()
        gone.append(life() is None)
        ctx.shutdown()

    assert (await lk_job.start(entrypoint).outcome()).success
    assert gone == [True]


async def test_a_job_that_ends_closes_no_agent_that_is_closed(lk_job: JobBench) -> None:
    closed: list[int] = []
    agents: list[Agent] = []

    async def entrypoint(ctx: JobContext) -> None:
        agents.append(Agent())
        await agents[0].life.aclose()
        closed.append(agents[0].talk.closed)
        ctx.shutdown()

    await lk_job.start(entrypoint).outcome()

    assert agents[0].talk.closed == closed[0]


async def test_a_job_waits_for_an_agent_that_is_being_closed(lk_job: JobBench) -> None:
    agents: list[Agent] = []

    async def entrypoint(ctx: JobContext) -> None:
        agents.append(Agent())
        agents[0].talk.over.set()
        await asyncio.sleep(CLOSING_SECONDS / 2)
        ctx.shutdown()

    await lk_job.start(entrypoint).outcome()

    assert agents[0].told == ["it is over"]


async def test_an_agent_whose_conversation_ends_by_itself_ends_the_job(lk_job: JobBench) -> None:
    async def entrypoint(ctx: JobContext) -> None:
        Agent().talk.over.set()
        await asyncio.Event().wait()

    outcome = await lk_job.start(entrypoint).outcome()

    assert (outcome.success, outcome.reason) == (True, "it is over")
