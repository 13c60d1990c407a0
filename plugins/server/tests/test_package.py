"""What the plugin offers, and what loading it costs."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from importlib_metadata import entry_points

import lk_agents_server
from lk_agents_server import plugin


def test_the_entry_point_names_the_plugin_module() -> None:
    (found,) = entry_points(group="lk_agents", name="server")

    assert found.load() is plugin


def test_loading_the_plugin_loads_nothing_heavy() -> None:
    heavy = ("aiohttp", "asyncio.subprocess", "click", "http.client", "jwt", "livekit", "rich", "subprocess")
    code = (
        "import sys, lk_agents.hooks.markers, lk_agents.hooks.records\n"
        "before = set(sys.modules)\n"
        "import lk_agents_server.plugin\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert "lk_agents_server.plugin" in loaded
    assert not [name for name in loaded if name.startswith(heavy)]
    assert [name for name in loaded if name.startswith("lk_agents_server.")] == ["lk_agents_server.plugin"]


def test_every_exported_name_can_be_had() -> None:
    assert [name for name in lk_agents_server.__all__ if not hasattr(lk_agents_server, name)] == []
    assert set(lk_agents_server.__all__) <= set(dir(lk_agents_server))


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="LiveKitCluster"):
        lk_agents_server.LiveKitCluster  # noqa: B018


def test_the_plugin_introduces_itself() -> None:
    introduced = plugin.lk_agents_register_plugin()

    assert introduced.package == "lk_agents_server"
    assert introduced.version == lk_agents_server.__version__


def test_the_plugin_adds_the_command_server() -> None:
    (command,) = plugin.lk_agents_register_commands()

    assert command.name == "server"
    assert command.help
    assert isinstance(command.build(), click.Command)


@pytest.mark.e2e
@pytest.mark.timeout(60)
async def test_the_dev_server_runs_while_the_block_lasts() -> None:
    from lk_agents_server.config import Keys
    from lk_agents_server.health import is_ready

    async with plugin.lk_agents_dev_server() as info:
        port = int(info.url.rpartition(":")[2])
        keys = Keys(info.api_key, info.api_secret)
        assert is_ready(port, keys)
        assert info.api_secret not in repr(info)

    assert not is_ready(port, keys)
