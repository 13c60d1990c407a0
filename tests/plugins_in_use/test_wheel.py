"""The whole way of a stranger's plugin: built, installed into a fresh environment, and used by a real worker there."""

from __future__ import annotations

import asyncio
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.plugins_in_use.conftest import Stage

    from lk_agents.hooks.records import ServerInfo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

DISTRIBUTIONS = Path(__file__).parent / "distributions"


async def _run(*command: str | Path, folder: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        *map(str, command), cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def _environment_with(folder: Path, *distributions: str) -> Path:
    """Return the folder of a new environment with wheels of our own; what they depend on comes from this one."""
    for name in distributions:
        source = shutil.copytree(DISTRIBUTIONS / name, folder / "src" / name)
        build = (sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder / "dist")
        await _run(*build, source, folder=folder)
    uv = (sys.executable, "-m", "uv")
    await _run(*uv, "venv", "--offline", "--python", sys.executable, folder / "env", folder=folder)
    site = next((folder / "env").glob("lib/python*/site-packages"))
    (site / "of_the_tests.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    options = ("--offline", "--no-index", "--no-deps", "--python", folder / "env/bin/python")
    await _run(*uv, "pip", "install", *options, *(folder / "dist").glob("*.whl"), folder=folder)
    return folder / "env"


async def test_wheels_are_installed_and_a_worker_on_a_real_server_uses_them(
    stage: Stage, lk_server: ServerInfo
) -> None:
    from livekit import api

    environment = await _environment_with(stage.folder, "acme", "crooked")
    shutil.rmtree(stage.site)
    stage.python = str(environment / "bin/python")
    stage.environment |= {
        "LIVEKIT_URL": lk_server.url,
        "LIVEKIT_API_KEY": lk_server.api_key,
        "LIVEKIT_API_SECRET": lk_server.api_secret,
    }
    room = f"wheel-{stage.folder.name}"
    stage.write_agent(
        f"agent_name={room!r}, num_idle_processes=1", imports="import lk_agents_acme.voice", connects=True
    )
    async with stage.running("my_agent.py", "start") as command:
        await stage.told(command, ["lk_agents_worker_registered", "lk_agents_prewarm"])
        async with api.LiveKitAPI(lk_server.url, lk_server.api_key, lk_server.api_secret) as server:
            await server.agent_dispatch.create_dispatch(api.CreateAgentDispatchRequest(agent_name=room, room=room))
        await stage.told(command, ["lk_agents_job_finished"])
        output = await command.drain()

    said = stage.said()
    assert said is not None
    assert said["room"] == room
    assert said["userdata"] == {"acme": "warm"}
    assert stage.journal.calls("lk_agents_worker_stopped", command.pid) == {"worker": 1}
    assert stage.journal.calls("lk_agents_preload_weights", command.pid) == {"zygote": 1}
    assert "lk-agents-crooked 0.0.7" in output, "the broken one beside it is named"

    code, listing = await stage.run("-m", "lk_agents", "plugins", "my_agent.py")
    assert code == 0, listing
    assert "lk-agents-acme" in listing
    assert "in use" in listing
