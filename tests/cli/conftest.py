"""Runs the real commands in processes of their own, with an agent that writes down what happens to it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent

import psutil
import pytest

from lk_agents.hooks.current import set_registry
from lk_agents.plugin import Plugin
from lk_agents.testing.server import FakeLiveKitServer

SOON = 30.0

HEAD = """
import asyncio, os, sys, threading
from pathlib import Path
from lk_agents import cli
from lk_agents.worker.options import WorkerOptions

JOURNAL = Path(__file__).with_name("journal.txt")
VERSION = 1

def note(text):
    with JOURNAL.open("a") as file:
        file.write(text + "\\n")

async def entry(ctx):
    async def over():
        note(f"over {ctx.job.room.name}")
    ctx.add_shutdown_callback(over)
    note(f"job {ctx.job.room.name} v{VERSION} {'same' if os.getpid() == MAIN else 'other'}")
    await asyncio.sleep(3600)

MAIN = os.getpid()
"""

CALLS_RUN_APP = """
if __name__ == "__main__":
    cli.run_app(WorkerOptions(entry, port=0, host="127.0.0.1"))
"""

HAS_OPTIONS = """
options = WorkerOptions(entry, port=0, host="127.0.0.1")
"""


class Command:
    """One running command: what it printed, and its end."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.printed = ""
        self._heard = asyncio.Event()
        self._out = asyncio.create_task(self._read())
        self.tree: set[psutil.Process] = set()

    async def _read(self) -> str:
        assert self.process.stdout is not None
        while chunk := await self.process.stdout.read(65536):
            self.printed += chunk.decode(errors="replace")
            self._heard.set()
        return self.printed

    async def prints(self, text: str, seconds: float = SOON) -> None:
        """Wait until the command has printed ``text``."""
        async with asyncio.timeout(seconds):
            while text not in self.printed:
                self._heard.clear()
                await self._heard.wait()

    def signal(self, number: int) -> None:
        """Send a signal to the command alone; its descendants are remembered."""
        self.remember_tree()
        self.process.send_signal(number)

    def remember_tree(self) -> None:
        """Note every process that there is now."""
        try:
            self.tree |= set(psutil.Process(self.process.pid).children(recursive=True))
        except psutil.NoSuchProcess:
            return

    async def end(self, seconds: float = SOON) -> tuple[int, str]:
        """Wait for the end; return the exit code and everything that was printed."""
        async with asyncio.timeout(seconds):
            code = await self.process.wait()
            return code, await self._out

    async def nothing_is_left(self, seconds: float = 5.0) -> None:
        """Wait until every process that was remembered is gone."""
        async with asyncio.timeout(seconds):
            while any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in self.tree):
                await asyncio.sleep(0.02)


class Bench:
    """A folder with an agent, and the environment to run it in."""

    def __init__(self, folder: Path, server: FakeLiveKitServer | None = None) -> None:
        self.folder = folder
        self.file = folder / "my_agent.py"
        self.server = server

    def write(self, text: str = CALLS_RUN_APP, *, before: str = "") -> Path:
        """Write the agent's file: its functions, ``before``, and its end."""
        self.file.write_text("\n".join([HEAD, dedent(before), dedent(text)]))
        return self.file

    def environment(self, **more: str) -> dict[str, str]:
        """Return an environment without what the machine's own says of servers."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("LIVEKIT_", "LK_"))}
        if self.server is not None:
            kept |= {
                "LIVEKIT_URL": self.server.url,
                "LIVEKIT_API_KEY": self.server.api_key,
                "LIVEKIT_API_SECRET": self.server.api_secret,
            }
        return kept | more

    def lines(self) -> list[str]:
        """Return what the agent wrote down."""
        journal = self.folder / "journal.txt"
        return journal.read_text().split("\n")[:-1] if journal.exists() else []

    async def until(self, condition: Callable[[list[str]], bool], seconds: float = SOON) -> list[str]:
        """Wait for what the agent writes down."""
        try:
            async with asyncio.timeout(seconds):
                while not condition(self.lines()):
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"the journal says {self.lines()}") from None
        return self.lines()

    @asynccontextmanager
    async def running(self, *arguments: str, environment: Mapping[str, str] | None = None) -> AsyncIterator[Command]:
        """Run Python with these arguments; what still runs at the end of the block is killed."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            cwd=self.folder,
            env=self.environment() if environment is None else environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        command = Command(process)
        try:
            yield command
        finally:
            command.remember_tree()
            for each in [*command.tree, *([psutil.Process(process.pid)] if process.returncode is None else [])]:
                try:
                    each.kill()
                except psutil.NoSuchProcess:
                    continue
            await process.wait()
            await command.end()


Form = tuple[str, Callable[[str, Path], list[str]]]

FORMS: Mapping[str, Form] = {
    "python my_agent.py": (CALLS_RUN_APP, lambda name, file: [file.name, name]),
    "lk-agents with run_app": (CALLS_RUN_APP, lambda name, file: ["-m", "lk_agents", name, file.name]),
    "lk-agents with options": (HAS_OPTIONS, lambda name, file: ["-m", "lk_agents", name, str(file)]),
    "lk-agents with a name": (HAS_OPTIONS, lambda name, file: ["-m", "lk_agents", name, f"{file.name}:options"]),
}
"""Every way to give a command its file: the end of the file, and the arguments of Python."""


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """An agent's folder, and a server that the environment names."""
    async with FakeLiveKitServer() as server:
        yield Bench(tmp_path, server)


@pytest.fixture
def bare_bench(tmp_path: Path) -> Bench:
    """An agent's folder, and no server."""
    return Bench(tmp_path)


@pytest.fixture
def form(request: pytest.FixtureRequest) -> Form:
    """The form that the test is parametrised with, by its name."""
    return FORMS[request.param]


def install(folder: Path, name: str, module: str) -> None:
    """Make ``folder`` hold an installed plugin: its metadata, and the module that its entry point names."""
    info = folder / f"lk_agents_{name}-1.2.3.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: lk-agents-{name}\nVersion: 1.2.3\n")
    (info / "entry_points.txt").write_text(f"[lk_agents]\n{name} = lk_agents_{name}\n")
    (folder / f"lk_agents_{name}.py").write_text(dedent(module))


WITH_FILES = """
import lk_agents.hooks as hooks
from lk_agents.plugin import Plugin
from pathlib import Path

MODEL = Path(__file__).with_name("model.bin")

class Files(Plugin):
    def missing_files(self):
        return [] if MODEL.exists() else ["model.bin"]

    def download_files(self):
        with Path(__file__).with_name("downloads.txt").open("a") as file:
            file.write("downloaded\\n")
        MODEL.touch()

@hooks.hookimpl
def lk_agents_register_plugin():
    return Files("Files", "1.2.3", "lk_agents_files")
"""
"""A plugin that needs one file."""

FAILING = """
import lk_agents.hooks as hooks
from lk_agents.plugin import Plugin

class Failing(Plugin):
    def download_files(self):
        raise OSError("the disk is full")

@hooks.hookimpl
def lk_agents_register_plugin():
    return Failing("Failing", "1.2.3", "lk_agents_failing")
"""
"""A plugin whose download fails."""

WITH_COMMANDS = """
import lk_agents.hooks as hooks

def build():
    import click

    @click.command(help="Say it.")
    def say():
        click.echo("said")

    return say

@hooks.hookimpl
def lk_agents_register_commands():
    yield hooks.Command("say-it", build=build, help="Say it, in one line.")
    yield hooks.Command("start", build=build, help="A name that is taken.")
"""
"""A plugin with a command, and another one of a name that is taken."""

WITH_PROVIDERS = """
import lk_agents.hooks as hooks

@hooks.hookimpl
def lk_agents_register_stt():
    yield hooks.STTProvider("acme", build="a_package_that_is_not_imported:STT")

@hooks.hookimpl
def lk_agents_register_turn_detector():
    yield hooks.TurnDetectorProvider("acme", build="a_package_that_is_not_imported:Detector")
"""
"""A plugin that offers two things by one name."""

BROKEN = "raise ImportError('needs a newer acme')"
"""A plugin that cannot be imported."""


PLUGINS = {
    "files": WITH_FILES,
    "failing": FAILING,
    "commands": WITH_COMMANDS,
    "broken": BROKEN,
    "providers": WITH_PROVIDERS,
}


@pytest.fixture
def installed(bench: Bench) -> Callable[[str], None]:
    """Install one of the plugins above, by name, in the bench's folder ``site``."""
    return lambda name: install(bench.folder / "site", name, PLUGINS[name])


@pytest.fixture(autouse=True)
def _the_registry_is_forgotten() -> Iterator[None]:
    """The command line makes the registry that it loads the process's own."""
    before = list(Plugin.registered_plugins)
    yield
    set_registry(None)
    Plugin.registered_plugins[:] = before
