"""The fixture ``lk_worker`` in a project of somebody else's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

THEIR_SETTINGS = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""
THEIR_TEST = """
import asyncio
from pathlib import Path
from livekit import api

async def entry(ctx):
    await ctx.connect()
    Path(ctx.proc.user_arguments).write_text(ctx.room.name)

async def test_my_agent(lk_worker, lk_server, tmp_path):
    await lk_worker.start(entry, agent_name="mine", job_user_arguments=str(tmp_path / "seen"))
    async with api.LiveKitAPI(lk_server.url, lk_server.api_key, lk_server.api_secret) as server:
        request = api.CreateAgentDispatchRequest(agent_name="mine", room="my-room")
        await server.agent_dispatch.create_dispatch(request)
        async with asyncio.timeout(20):
            while not (tmp_path / "seen").exists():
                await asyncio.sleep(0.05)
    assert (tmp_path / "seen").read_text() == "my-room"
"""


def test_it_starts_a_worker_whose_agent_stands_in_the_test_itself(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(THEIR_TEST)
    (tmp_path / "pytest.ini").write_text(THEIR_SETTINGS)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 passed" in ran.stdout
