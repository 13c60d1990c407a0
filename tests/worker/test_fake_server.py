"""The fake server keeps the real one's rules."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from livekit.protocol import agent

from lk_agents.testing.server import FakeLiveKitServer
from lk_agents.worker import protocol
from lk_agents.worker.options import WorkerOptions
from lk_agents.worker.tokens import registration_token


async def entrypoint(ctx: Any) -> None: ...


REGISTER = protocol.register(WorkerOptions(entrypoint))


@pytest.fixture
async def server() -> AsyncIterator[FakeLiveKitServer]:
    async with FakeLiveKitServer() as running:
        yield running


def _headers(server: FakeLiveKitServer, **changes: str) -> dict[str, str]:
    from lk_agents.foundation.clock import wall_seconds

    given = {"api_key": server.api_key, "api_secret": server.api_secret} | changes
    return {"Authorization": f"Bearer {registration_token(**given, now=wall_seconds())}"}


@pytest.mark.parametrize(
    "changes", [{"api_key": "another"}, {"api_secret": "another secret of more than 32 characters"}]
)
async def test_a_wrong_key_is_refused(server: FakeLiveKitServer, changes: dict[str, str]) -> None:
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError) as raised:
            await http.ws_connect(f"{server.url}/agent", headers=_headers(server, **changes))

    assert raised.value.status == 401


async def test_what_is_no_websocket_is_not_found(server: FakeLiveKitServer) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{server.url.replace('ws', 'http')}/agent") as response:
        assert response.status == 404


@pytest.mark.parametrize(
    "messages",
    [
        [agent.WorkerMessage()],
        [REGISTER, agent.WorkerMessage()],
        [REGISTER, REGISTER],
        [protocol.worker_status(full=False, load=0.0, job_count=0)],
    ],
)
async def test_breaking_a_rule_costs_the_socket(server: FakeLiveKitServer, messages: list[agent.WorkerMessage]) -> None:
    async with aiohttp.ClientSession() as http:
        socket = await http.ws_connect(f"{server.url}/agent", headers=_headers(server))
        for message in messages:
            await socket.send_bytes(message.SerializeToString())
        await server.until(lambda: server.broken_rules)
        while not (await socket.receive()).type.name.startswith(("CLOS", "ERROR")):
            pass

    assert len(server.broken_rules) == 1
    assert server.workers == []


async def test_a_ping_is_answered_even_before_the_registration(server: FakeLiveKitServer) -> None:
    async with aiohttp.ClientSession() as http:
        socket = await http.ws_connect(f"{server.url}/agent", headers=_headers(server))
        await socket.send_bytes(protocol.ping(123).SerializeToString())
        answer = protocol.parse((await socket.receive()).data)
        await socket.close()

    assert answer.pong.last_timestamp == 123
    assert answer.pong.timestamp > 0


async def test_without_a_worker_a_dispatch_finds_nobody(server: FakeLiveKitServer) -> None:
    assert (await server.dispatch("room")).outcome == "no_worker"
