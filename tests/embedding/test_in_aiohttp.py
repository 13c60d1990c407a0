"""A worker in an aiohttp application is a guest: requests go on, and nothing of the host's is changed."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

if TYPE_CHECKING:
    from tests.embedding.conftest import Rig

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


async def _state(session: aiohttp.ClientSession, address: str) -> dict[str, Any]:
    async with asyncio.timeout(2.0), session.get(f"{address}/state") as response:
        state: dict[str, Any] = await response.json()
        return state


@pytest.mark.parametrize("executor", ["PROCESS", "SPAWN", "THREAD"])
async def test_requests_are_answered_while_a_job_runs_and_nothing_of_the_host_is_changed(
    rig: Rig, executor: str
) -> None:
    async with rig.running("web_application.py", executor) as host, aiohttp.ClientSession() as session:
        address = await host.hear("address")
        idle = await _state(session, address)
        dispatch = await rig.server.dispatch("lobby", seconds=10.0)
        await host.until(lambda lines: len(lines) == 1)
        states = await asyncio.gather(*[_state(session, address) for _ in range(50)])

        assert (idle["connected"], idle["rooms"], idle["changed"]) == (True, [], {})
        for state in states:
            assert (state["connected"], state["rooms"], state["changed"]) == (True, ["lobby"], {})

        host.process.send_signal(signal.SIGTERM)
        left = await host.hear("left")
        await host.end()

    where = "inside" if executor == "THREAD" else "outside"
    assert host.journal() == [f"job lobby  {where}", "over lobby"]
    assert left["children"] == []
    assert not [name for name in left["threads"] if name.startswith("lk")]
    assert len(rig.server.final_updates(dispatch.job.id)) == 1


async def test_requests_are_answered_while_the_worker_looks_for_its_server(rig: Rig) -> None:
    async with rig.running("web_application.py", "PROCESS") as host, aiohttp.ClientSession() as session:
        address = await host.hear("address")
        rig.server.workers[0].drop()
        async with asyncio.timeout(20.0):  # it is not connected for a while, then again
            while len(rig.server.connections) < 2 or not (await _state(session, address))["connected"]:
                await asyncio.sleep(0.02)
        host.process.send_signal(signal.SIGINT)
        assert (await host.hear("left"))["children"] == []
        await host.end()
