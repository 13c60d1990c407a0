"""The pytest plugin, as a project of somebody else's meets it."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lk_agents.foundation import clock, ids
from lk_agents.testing import VirtualClock, VirtualLoop

LIGHT = {"lk_agents", "lk_agents.testing", "lk_agents.testing.plugin"}
HEAVY = {"aiohttp", "livekit", "google", "psutil", "numpy", "click", "rich", "pydantic", "watchfiles", "msgspec", "jwt"}

FIRST_IDS: set[str] = set()


async def test_lk_clock_runs_the_test_in_virtual_time(lk_clock: VirtualClock) -> None:
    began, wall = time.monotonic(), clock.wall_seconds()
    await asyncio.sleep(3600)

    assert time.monotonic() - began < 30
    assert lk_clock.monotonic() == clock.monotonic() == asyncio.get_running_loop().time() == 3600.0
    assert clock.wall_seconds() - wall == 3600.0


@pytest.mark.parametrize("_run", [1, 2])
async def test_lk_clock_makes_ids_repeatable(lk_clock: VirtualClock, _run: int) -> None:
    assert lk_clock.monotonic() == 0.0
    FIRST_IDS.add(ids.short_id())

    assert len(FIRST_IDS) == 1


async def test_without_lk_clock_time_is_real() -> None:
    assert not isinstance(asyncio.get_running_loop(), VirtualLoop)
    assert isinstance(clock._current.get(), clock.SystemClock)


def pytest_in(folder: Path, test: str, *options: str) -> str:
    (folder / "test_it.py").write_text(test)
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", *options, str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        check=False,
    )
    return ran.stdout + ran.stderr


@pytest.mark.timeout(90)
def test_it_works_in_strict_mode_and_beside_ordinary_tests(tmp_path: Path) -> None:
    shown = pytest_in(
        tmp_path,
        """
import asyncio, pytest, pytest_asyncio
from lk_agents.foundation import clock

@pytest_asyncio.fixture
async def later(lk_clock):
    await asyncio.sleep(100)
    yield clock.monotonic()
    await asyncio.sleep(100)

@pytest.mark.asyncio
async def test_virtual(lk_clock, later):
    await asyncio.sleep(100)
    assert (later, lk_clock.monotonic()) == (100.0, 200.0)

@pytest.mark.asyncio
async def test_real():
    began = clock.monotonic()
    await asyncio.sleep(0.01)
    assert clock.monotonic() - began < 60

def test_plain():
    pass
""",
    )

    assert "3 passed" in shown, shown
    assert "test_it.py::test_virtual\n" in shown, "the test keeps its name"


@pytest.mark.timeout(90)
def test_a_clock_that_cannot_work_says_so(tmp_path: Path) -> None:
    shown = pytest_in(
        tmp_path,
        """
import pytest

def test_synchronous(lk_clock):
    pass

@pytest.mark.asyncio(loop_scope="module")
async def test_shared_loop(lk_clock):
    pass
""",
    )

    assert "2 errors" in shown, shown
    assert "lk_clock works in asynchronous tests with a loop of their own" in shown


@pytest.mark.timeout(90)
def test_lk_server_is_skipped_with_a_reason_where_no_plugin_offers_one(tmp_path: Path) -> None:
    shown = pytest_in(
        tmp_path,
        """
import pytest
from lk_agents.foundation.settings import Settings
from lk_agents.hooks.current import set_registry
from lk_agents.hooks.registry import PluginRegistry

@pytest.fixture(scope="session", autouse=True)
def no_plugins():
    set_registry(PluginRegistry(Settings()))

def test_with_a_server(lk_server):
    pass
""",
    )

    assert "1 skipped" in shown, shown
    assert "pip install lk-agents-server" in shown


@pytest.mark.timeout(90)
def test_lk_server_gives_what_a_plugin_offers_and_stops_it_in_the_end(tmp_path: Path) -> None:
    shown = pytest_in(
        tmp_path,
        """
import contextlib, pytest
from lk_agents.foundation.settings import Settings
from lk_agents.hooks.current import set_registry
from lk_agents.hooks.records import ServerInfo
from lk_agents.hooks.registry import PluginRegistry

@contextlib.asynccontextmanager
async def server():
    print("SERVER STARTED")
    yield ServerInfo("ws://127.0.0.1:1", "key", "secret")
    print("SERVER STOPPED")

@pytest.fixture(scope="session", autouse=True)
def one_plugin():
    registry = PluginRegistry(Settings())
    registry.add_own({"lk_agents_dev_server": lambda: server()}, name="fake")
    set_registry(registry)

def test_one(lk_server):
    assert lk_server.url == "ws://127.0.0.1:1"

@pytest.mark.asyncio
async def test_two(lk_server, lk_clock):
    assert lk_server.api_key == "key"
""",
        "-s",
    )

    assert "2 passed" in shown, shown
    assert (shown.count("SERVER STARTED"), shown.count("SERVER STOPPED")) == (1, 1)


def test_the_plugin_imports_nothing_heavy() -> None:
    script = """
import sys, pytest, pytest_asyncio
before = set(sys.modules)
import lk_agents.testing.plugin
print(*sorted(set(sys.modules) - before))
"""
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    loaded = shown.stdout.split()

    assert not HEAVY.intersection(name.partition(".")[0] for name in loaded)
    ours = {name for name in loaded if name.startswith("lk_agents")}
    assert {
        name for name in ours if not name.startswith(("lk_agents.testing.fixtures_", "lk_agents.testing.plugin"))
    } <= LIGHT
