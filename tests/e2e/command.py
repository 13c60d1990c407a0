"""``lk-agents start`` as an operator runs it: a process, what it logs, and every process below it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from tests.e2e.journal import SOON

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = Path(sys.executable).with_name("lk-agents")
AGENT_FILE = "my_agent.py"


class Command:
    """A running ``lk-agents start``.

    :param agent: the name of its agent.
    :param log: the file that gets all that it prints.
    """

    def __init__(self, process: asyncio.subprocess.Process, agent: str, log: Path) -> None:
        self.process = process
        self.agent = agent
        self.seen: set[psutil.Process] = set()
        """Every process of its that was there whenever somebody looked."""
        self._log = log

    @property
    def output(self) -> str:
        """What it printed so far."""
        return self._log.read_text()

    def records(self) -> list[dict[str, Any]]:
        """Return what it logged so far: the lines that are JSON objects, and whole."""
        found = []
        for line in self.output.splitlines():
            if line.startswith("{"):
                with suppress(json.JSONDecodeError):
                    found.append(json.loads(line))
        return found

    def tree(self) -> list[psutil.Process]:
        """Return its processes, itself first."""
        first = psutil.Process(self.process.pid)
        found = [first, *first.children(recursive=True)]
        self.seen.update(found)
        return found

    async def end(self, seconds: float = SOON) -> int:
        """Wait for its end and return the exit code."""
        try:
            async with asyncio.timeout(seconds):
                return await self.process.wait()
        except TimeoutError:
            raise AssertionError(f"it did not end in {seconds:g} s; it wrote:\n{self.output}") from None


@asynccontextmanager
async def running(
    folder: Path, agent: str, environment: Mapping[str, str], arguments: Sequence[str], before: Sequence[str] = ()
) -> AsyncIterator[Command]:
    """Run the agent file of a folder until the end of the block; nothing of it outlives the block.

    It leads a process group of its own, as under a supervisor, and knows of LiveKit only what it is told.

    :param before: a program, with arguments, that starts the command instead of the test.
    """
    log = folder / f"{agent}.log"
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("LIVEKIT_", "LK_"))}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *before,
            PROGRAM,
            *("start", AGENT_FILE, *arguments),
            cwd=folder,
            env={**bare, **environment, "AGENT": agent},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    command = Command(process, agent, log)
    try:
        yield command
    finally:
        if process.returncode is None:
            command.tree()
        for one in command.seen:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        await process.wait()
        print(command.output)


def alive(processes: Sequence[psutil.Process]) -> list[int]:
    """Return those that still run."""
    found = []
    for one in processes:
        with suppress(psutil.NoSuchProcess):
            if one.is_running() and one.status() != psutil.STATUS_ZOMBIE:
                found.append(one.pid)
    return found


async def all_gone(processes: Sequence[psutil.Process], seconds: float) -> None:
    """Wait until none of them runs."""
    try:
        async with asyncio.timeout(seconds):
            while alive(processes):
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"still there after {seconds:g} s: {alive(processes)}") from None
