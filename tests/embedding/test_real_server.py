"""The same against a real server: jobs inside other people's programs join real rooms, and leave them."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
from livekit import api

if TYPE_CHECKING:
    from tests.embedding.conftest import Host, Rig

    from lk_agents.hooks.records import ServerInfo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

ROOT = Path(__file__).resolve().parents[2]
GUEST = ROOT / "tests/examples/guest.py"
EXAMPLE = ROOT / "examples/embedded_in_aiohttp.py"


def _of(server: ServerInfo) -> dict[str, str]:
    return {
        "LIVEKIT_URL": server.url,
        "LIVEKIT_API_KEY": server.api_key,
        "LIVEKIT_API_SECRET": server.api_secret,
    }


def _api(server: ServerInfo) -> api.LiveKitAPI:
    return api.LiveKitAPI(server.url, server.api_key, server.api_secret)


async def _call(server: ServerInfo, room: str, agent_name: str) -> None:
    async with _api(server) as client:
        request = api.CreateAgentDispatchRequest(agent_name=agent_name, room=room)
        await client.agent_dispatch.create_dispatch(request)


async def _present(server: ServerInfo, room: str) -> int:
    async with _api(server) as client:
        found = await client.room.list_rooms(api.ListRoomsRequest(names=[room]))
        if not found.rooms:
            return 0
        return len((await client.room.list_participants(api.ListParticipantsRequest(room=room))).participants)


async def _until_present(server: ServerInfo, room: str, count: int) -> None:
    async with asyncio.timeout(15.0):
        while await _present(server, room) != count:
            await asyncio.sleep(0.05)


async def test_the_example_answers_requests_and_greets_in_a_room(rig: Rig, lk_server: ServerInfo) -> None:
    grants = api.VideoGrants(room_join=True, room="web-lobby")
    token = api.AccessToken(lk_server.api_key, lk_server.api_secret).with_identity("ada").with_grants(grants).to_jwt()
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(rig.running(EXAMPLE, **_of(lk_server), PORT="0", PYTHONUNBUFFERED="1"))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        address = await _address(host)
        assert await _rooms(session, address) == {"ready": True, "rooms": []}

        guest = await asyncio.create_subprocess_exec(
            sys.executable, str(GUEST), lk_server.url, token, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await guest.communicate()

        assert json.loads(output)["text"] == "Welcome, ada!"
        assert await _rooms(session, address) == {"ready": True, "rooms": ["web-lobby"]}
        host.process.send_signal(signal.SIGTERM)
        await host.end()


async def _address(host: Host) -> str:
    assert host.process.stdout is not None
    async with asyncio.timeout(30.0):
        while line := (await host.process.stdout.readline()).decode():
            if "Running on" in line:
                return line.split()[3]
    raise AssertionError("the application did not say where it listens")


async def _rooms(session: aiohttp.ClientSession, address: str) -> object:
    async with asyncio.timeout(2.0), session.get(f"{address}/rooms") as response:
        return await response.json()


async def test_two_workers_at_the_same_time(rig: Rig, lk_server: ServerInfo) -> None:
    async with rig.running("two_workers.py", "PROCESS", "together", **_of(lk_server)) as host:
        await host.hear("registered")
        for name in ("sales", "support"):
            await _call(lk_server, f"connects-{name}", name)
        await host.until(lambda lines: len(lines) == 2)
        host.say("close the first")
        await host.hear("first_closed")
        await _until_present(lk_server, "connects-sales", 0)
        assert await _present(lk_server, "connects-support") == 1
        host.say("close the second")
        assert await host.hear("left") == []
        await host.end()
        await _until_present(lk_server, "connects-support", 0)


@pytest.mark.parametrize("executor", ["PROCESS", "THREAD"])
async def test_off_the_main_thread(rig: Rig, lk_server: ServerInfo, executor: str) -> None:
    room = f"connects-off-main-{executor}"
    async with rig.running("off_main_thread.py", executor, "loaded", room, **_of(lk_server)) as host:
        await host.hear("registered")
        await _call(lk_server, room, room)
        await host.until(lambda lines: len(lines) == 1)
        assert await _present(lk_server, room) == 1
        host.say("stop")
        assert (await host.hear("left"))["children"] == []
        await host.end()
    await _until_present(lk_server, room, 0)


@pytest.mark.parametrize("executor", ["PROCESS", "THREAD"])
async def test_a_cancelled_program_leaves_its_rooms(rig: Rig, lk_server: ServerInfo, executor: str) -> None:
    room = f"connects-cancelled-{executor}"
    async with rig.running("cancelled.py", executor, "running", room, **_of(lk_server)) as host:
        await host.hear("registered")
        await _call(lk_server, room, room)
        await host.until(lambda lines: len(lines) == 1)
        host.say("cancel")
        ended = await host.hear_line("ended")
        await _until_present(lk_server, room, 0)
        await host.end()

    assert (ended["state"], ended["children"]) == ("closed", [])
