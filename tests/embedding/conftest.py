"""Programs that are not ours, with a worker inside: each is a process that tells what it sees, and obeys."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from lk_agents.testing.server import FakeLiveKitServer

SOON = 40.0
HOSTS = Path(__file__).parent / "hosts"
ROOT = Path(__file__).resolve().parents[2]


class Host:
    """A running program: it prints a JSON object per line, and reads words from its standard input."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.tree: set[psutil.Process] = set()
        self._other: list[str] = []

    async def hear(self, key: str) -> Any:
        """Return what the program tells next under ``key``."""
        return (await self.hear_line(key))[key]

    async def hear_line(self, key: str, seconds: float = SOON) -> dict[str, Any]:
        """Return everything that it tells together with ``key``; fail if it ends without."""
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(seconds):
                while line := await self.process.stdout.readline():
                    told: dict[str, Any] = json.loads(line) if line.startswith(b"{") else {}
                    if key in told:
                        return told
                    self._other.append(line.decode())
        except TimeoutError:
            raise AssertionError(f"nothing about {key} within {seconds} s:\n{''.join(self._other)}") from None
        raise AssertionError(f"ended without a word about {key}:\n{''.join(self._other)}")

    def say(self, word: str) -> None:
        """Tell the program to go on."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n".encode())

    def journal(self) -> list[str]:
        """Return what the jobs wrote down."""
        path = self.folder / "journal.txt"
        return path.read_text().splitlines() if path.exists() else []

    async def until(self, condition: Callable[[list[str]], object], seconds: float = SOON) -> list[str]:
        """Wait for what the jobs write down."""
        try:
            async with asyncio.timeout(seconds):
                while not condition(self.journal()):
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"the journal says {self.journal()}") from None
        return self.journal()

    def remember_tree(self) -> None:
        """Note every process that there is now."""
        if self.process.returncode is None:
            self.tree |= set(psutil.Process(self.process.pid).children(recursive=True))

    async def end(self, seconds: float = SOON) -> str:
        """Wait for the end with the exit code 0, and return what it printed; nothing of it is left."""
        self.remember_tree()
        async with asyncio.timeout(seconds):
            assert self.process.stdout is not None
            rest = await self.process.stdout.read()
            code = await self.process.wait()
        output = "".join(self._other) + rest.decode()
        assert code == 0, output
        async with asyncio.timeout(5.0):
            while any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in self.tree):
                await asyncio.sleep(0.02)
        return output


class Rig:
    """A folder, a server, and programs of ``hosts/`` that use both."""

    def __init__(self, folder: Path, server: FakeLiveKitServer) -> None:
        self.folder = folder
        self.server = server

    def environment(self, **more: str) -> dict[str, str]:
        """Return an environment that names the server."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("LIVEKIT_", "LK_"))}
        return kept | {
            "LIVEKIT_URL": self.server.url,
            "LIVEKIT_API_KEY": self.server.api_key,
            "LIVEKIT_API_SECRET": self.server.api_secret,
            "JOURNAL": str(self.folder / "journal.txt"),
            "PYTHONWARNINGS": "error",
            **more,
            "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [more.get("PYTHONPATH")])]),
        }

    @asynccontextmanager
    async def running(self, program: Path | str, *arguments: str, **environment: str) -> AsyncIterator[Host]:
        """Run a program; nothing of it outlives the block."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(HOSTS / program),
            *arguments,
            cwd=self.folder,
            env=self.environment(**environment),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        host = Host(process, self.folder)
        try:
            yield host
        finally:
            host.remember_tree()
            for each in host.tree:
                try:
                    each.kill()
                except psutil.NoSuchProcess:
                    continue
            if process.returncode is None:
                process.kill()
            await process.communicate()


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """A folder, and a server that speaks the workers' protocol."""
    async with FakeLiveKitServer() as server:
        yield Rig(tmp_path, server)


Install = Callable[[str, str], str]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Put a plugin, by name and source, into a folder as an installer would; returns what PYTHONPATH is to be."""
    site = tmp_path / "site"

    def write(name: str, source: str) -> str:
        package = f"lk_agents_{name}"
        (site / package).mkdir(parents=True)
        (site / package / "__init__.py").touch()
        (site / package / "plugin.py").write_text(source)
        info = site / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: lk-agents-{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[lk_agents]\n{name} = {package}.plugin\n")
        return str(site)

    return write
