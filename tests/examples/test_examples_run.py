"""Every example does against a real server what its first lines say."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from livekit import api

from demo.agent_worker import AgentWorker, LogLine
from lk_agents_server import LiveKitServer

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parents[1] / "examples"

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]


@pytest.fixture
async def server() -> AsyncIterator[LiveKitServer]:
    async with LiveKitServer() as running:
        yield running


def is_logged(message: str) -> Any:
    def matches(line: LogLine) -> bool:
        return line.get("message") == message

    return matches


async def visit(server: LiveKitServer, room: str, *, identity: str = "ada", name: str = "") -> dict[str, Any]:
    """Join as a guest and return the greeting."""
    grants = api.VideoGrants(room_join=True, room=room)
    token = api.AccessToken(server.api_key, server.api_secret).with_identity(identity).with_name(name)
    guest = await asyncio.create_subprocess_exec(
        sys.executable,
        str(HERE / "guest.py"),
        server.url,
        token.with_grants(grants).to_jwt(),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await guest.communicate()
    assert guest.returncode == 0
    greeting: dict[str, Any] = json.loads(output)
    return greeting


async def test_hello_greets_whoever_comes(server: LiveKitServer) -> None:
    async with AgentWorker.running(EXAMPLES / "hello.py", server.env()) as worker:
        await worker.wait_ready(seconds=20)
        greeting = await visit(server, "any", name="Ada")

    assert greeting["text"] == "Hello, Ada!"
    assert greeting["identity"].startswith("agent-")
    assert worker.exit_code == 0


async def test_the_concierge_comes_when_called_and_speaks_the_language_asked_for(server: LiveKitServer) -> None:
    async with AgentWorker.running(EXAMPLES / "concierge.py", server.env()) as worker:
        await worker.wait_ready(seconds=20)
        await dispatch(server, "lobby", language="fr")
        greeting = await visit(server, "lobby")

    assert greeting["text"] == "Bonsoir, ada."
    assert (greeting["identity"], greeting["name"]) == ("concierge-fr", "Concierge")
    assert greeting["attributes"]["language"] == "fr"


async def test_the_concierge_refuses_a_language_that_it_does_not_speak(server: LiveKitServer) -> None:
    async with AgentWorker.running(EXAMPLES / "concierge.py", server.env()) as worker:
        await worker.wait_ready(seconds=20)
        await dispatch(server, "lobby", language="tlh")
        refused = await worker.wait_logged("refused", is_logged("a job is refused"), seconds=10)

    assert refused["reason"] == "request_fnc rejected it"


async def dispatch(server: LiveKitServer, room: str, *, language: str) -> None:
    """Call the concierge into a room, as a backend does."""
    async with api.LiveKitAPI(server.http_url, server.api_key, server.api_secret) as client:
        request = api.CreateAgentDispatchRequest(
            agent_name="concierge", room=room, metadata=json.dumps({"language": language})
        )
        await client.agent_dispatch.create_dispatch(request)
