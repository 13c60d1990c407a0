"""The health endpoint: states against status codes."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import pytest

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.version import __version__
from lk_agents.worker.health import HealthServer, HealthState

READY = HealthState(id="AW_1", state="running", registered=True, worker_type="ROOM", agent_name="echo")


class Endpoint:
    """A health server and a client for it."""

    def __init__(self, server: HealthServer, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session
        self.state = READY

    async def ask(self, path: str, method: str = "GET") -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.server.port}{path}"
        async with self.session.request(method, url) as response:
            return response.status, await response.text()


@asynccontextmanager
async def running(state: HealthState = READY, *, host: str = "127.0.0.1") -> AsyncIterator[Endpoint]:
    async with aiohttp.ClientSession() as session:
        endpoint = Endpoint(HealthServer(host, 0, lambda: endpoint.state), session)
        endpoint.state = state
        await endpoint.server.start()
        try:
            yield endpoint
        finally:
            await endpoint.server.aclose()


@pytest.mark.parametrize(
    ("state", "status", "text"),
    [
        (READY, 200, "OK"),
        (replace(READY, registered=False, id=""), 503, "not_registered"),
        (replace(READY, draining=True), 503, "draining"),
        (replace(READY, pool_broken="no memory\nleft"), 503, "pool_broken: no memory left"),
        (
            replace(READY, registered=False, draining=True, pool_broken="broken"),
            503,
            "not_registered\ndraining\npool_broken: broken",
        ),
    ],
)
async def test_readiness_follows_the_state_and_liveness_does_not(state: HealthState, status: int, text: str) -> None:
    async with running(state) as endpoint:
        assert await endpoint.ask("/") == (200, "OK")
        assert await endpoint.ask("/ready") == (status, text)


async def test_the_state_is_asked_at_every_request() -> None:
    async with running() as endpoint:
        assert (await endpoint.ask("/ready"))[0] == 200
        endpoint.state = replace(READY, draining=True)
        assert (await endpoint.ask("/ready"))[0] == 503


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("HEAD", "/", 200),
        ("HEAD", "/ready", 200),
        ("HEAD", "/worker", 200),
        ("GET", "/other", 404),
        ("GET", "/ready/", 404),
        ("HEAD", "/other", 404),
        ("POST", "/other", 404),
    ],
)
async def test_paths_and_methods(method: str, path: str, status: int) -> None:
    async with running() as endpoint:
        assert (await endpoint.ask(path, method))[0] == status


async def test_the_worker_is_described_as_json() -> None:
    state = replace(READY, active_jobs=2, worker_load=0.5, load_signal="cpu", draining=True)
    async with (
        running(state) as endpoint,
        endpoint.session.get(f"http://127.0.0.1:{endpoint.server.port}/worker") as response,
    ):
        content = await response.json()

    assert content == {
        "id": "AW_1",
        "state": "running",
        "registered": True,
        "draining": True,
        "pool_broken": None,
        "worker_type": "ROOM",
        "agent_name": "echo",
        "active_jobs": 2,
        "worker_load": 0.5,
        "load_signal": "cpu",
        "sdk_version": __version__,
        "ready": False,
        "reasons": ["draining"],
    }


async def test_all_interfaces_share_the_port_that_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "lk_agents")
    async with running(host="") as endpoint:
        assert await endpoint.ask("/") == (200, "OK")
        assert endpoint.server.port in [getattr(record, "port", None) for record in caplog.records]


async def test_a_port_that_is_taken_is_named_with_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = HealthServer("127.0.0.1", port, lambda: READY)

        with pytest.raises(ConfigError, match=f"port {port}: the port is taken; set WorkerOptions.port"):
            await server.start()
        await server.aclose()


async def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(ConfigError, match=r"192\.0\.2\.1, port 0"):
        await HealthServer("192.0.2.1", 0, lambda: READY).start()


async def test_closing_is_idempotent_and_frees_the_port() -> None:
    server = HealthServer("127.0.0.1", 0, lambda: READY)
    await server.aclose()
    await server.start()
    await server.aclose()
    await server.aclose()

    with socket.create_server(("127.0.0.1", server.port)) as again:
        assert again.getsockname()[1] == server.port


async def test_closing_does_not_wait_for_idle_connections() -> None:
    async with running() as endpoint:
        await endpoint.ask("/")  # the client keeps its connection open
        closed: Callable[[], Awaitable[None]] = endpoint.server.aclose
        await closed()

        with pytest.raises(aiohttp.ClientConnectionError):
            await endpoint.ask("/")
