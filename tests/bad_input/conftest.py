"""Runs a wrong set-up as its user would, in a process of its own, and looks at what he is told and what is left."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from lk_agents.testing.server import FakeLiveKitServer, Faults

ROOT = str(Path(__file__).resolve().parent.parent.parent)
if ROOT not in sys.path:  # the table is a module of its own
    sys.path.append(ROOT)

MARK = "BAD_INPUT_RUN"
"""A variable by whose value every process of one run is known."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """How a command ended, and what its user reads.

    :param left: the processes of the run that are still there.
    """

    code: int
    output: str
    seconds: float
    left: Sequence[str]

    def records(self) -> list[dict[str, Any]]:
        """Return the lines that are log records."""
        return [json.loads(line) for line in self.output.splitlines() if line.startswith("{")]

    def sentences(self) -> list[str]:
        """Return what is said to be wrong: lines of the command, and errors of the worker that failed."""
        lines = [line for line in self.output.splitlines() if line.startswith("Error: ")]
        failed = [record for record in self.records() if record["message"] == "the worker failed"]
        return lines + [record["error"] for record in failed]


class Setting:
    """A folder to be wrong in, and a server that nobody needs to reach."""

    def __init__(self, folder: Path, server: FakeLiveKitServer) -> None:
        self.folder = folder
        self.server = server
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("LIVEKIT_", "LK_"))},
            "PYTHONPATH": str(folder / "site"),
            "LIVEKIT_URL": server.url,
            "LIVEKIT_API_KEY": server.api_key,
            "LIVEKIT_API_SECRET": server.api_secret,
        }

    def write(self, files: Mapping[str, str]) -> None:
        """Write files into the folder, by relative path."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, errors="surrogateescape")

    async def run(self, arguments: Sequence[str], environment: Mapping[str, str | None], seconds: float) -> Told:
        """Run Python with these arguments; what is not over by then is killed, and fails the test."""
        mark = uuid.uuid4().hex
        env = {**self.environment, **environment, MARK: mark}
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            cwd=self.folder,
            env={key: value for key, value in env.items() if value is not None},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert process.stdout is not None
        reading = asyncio.create_task(process.stdout.read())
        await asyncio.wait({reading}, timeout=seconds)
        took, over = time.monotonic() - began, reading.done()
        running = _marked(mark)
        for each in running:
            each.kill()
        output = (await reading).decode(errors="replace")
        code = await process.wait()
        assert over, f"it was still running after {seconds} s:\n{output}"
        return Told(code=code, output=output, seconds=took, left=[str(each) for each in running])


def _marked(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture
async def setting(tmp_path: Path) -> AsyncIterator[Setting]:
    """A folder, and the address of a server that works."""
    async with FakeLiveKitServer() as server:
        yield Setting(tmp_path, server)


@pytest.fixture
async def refusing(setting: Setting) -> Setting:
    """The same with a server that refuses the key."""
    setting.server.faults = Faults(refuse_status=401)
    return setting


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]
