"""Runs real worker processes beside plugins of strangers, and reads what the plugins wrote down."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tomllib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

import psutil
import pytest

from lk_agents.testing.server import Dispatch, FakeLiveKitServer

DISTRIBUTIONS = Path(__file__).parent / "distributions"
SOON = 40.0

AGENT = """
import json, os, re, signal
from pathlib import Path
{imports}
from lk_agents import JobContext, JobExecutorType, WorkerOptions, cli

HERE = Path(__file__).parent


def secret_in_memory() -> bool:
    # Heap, stack, and the environment as it was at exec; the pattern itself does not hold the text.
    wanted = re.compile(rb"fake-secret-of-more-than-32-c[h]aracters")
    found = False
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", buffering=0) as memory:
        for line in maps.read().splitlines():
            place, mode = line.split()[:2]
            if not mode.startswith("rw"):
                continue
            start, end = (int(part, 16) for part in place.split("-"))
            try:
                memory.seek(start)
                page = memory.read(end - start)
            except OSError:
                continue
            found = found or wanted.search(page) is not None
    return found


async def entrypoint(ctx: JobContext) -> None:
    say = {{"pid": os.getpid(), "parent": os.getppid(), "userdata": dict(ctx.proc.userdata)}}
    if ctx.job.room.name == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    say["environment"] = sorted(name for name in os.environ if name.startswith("LIVEKIT_"))
    say["at_exec"] = "LIVEKIT_API" in Path("/proc/self/environ").read_text(errors="replace")
    say["secret_in_memory"] = secret_in_memory()
    try:
        say["api"] = type(ctx.api).__name__
    except Exception as error:
        say["api"] = f"{{type(error).__name__}}: {{error}}"
    if {asks}:
        say["answer"] = (await ctx.inference_executor.do_inference("acme_shout", b"aloud")).decode()
    if {connects}:
        await ctx.connect()
        say["room"] = ctx.room.name
    (HERE / "said.json.tmp").write_text(json.dumps(say))
    (HERE / "said.json.tmp").rename(HERE / "said.json")
    ctx.shutdown("all is said")


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint, port=0, host="127.0.0.1", load_fnc=lambda: 0.0, {options}))
"""


def lay_out(distribution: str, site: Path) -> None:
    """Put a distribution into ``site`` as an installer would."""
    source = DISTRIBUTIONS / distribution
    project = tomllib.loads((source / "pyproject.toml").read_text())["project"]
    package = project["name"].replace("-", "_")
    site.mkdir(exist_ok=True)
    (site / package).symlink_to(source / package)
    info = site / f"{package}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = project["entry-points"]["lk_agents"].items()
    (info / "entry_points.txt").write_text("\n".join(["[lk_agents]", *(f"{key} = {value}" for key, value in points)]))


Line = dict[str, Any]


class Journal:
    """What the plugin wrote down."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self, hook: str = "") -> list[Line]:
        """Return the calls of one hook, or of all, in order."""
        text = self.path.read_text() if self.path.exists() else ""
        lines = [json.loads(line) for line in text.splitlines()]
        return [line for line in lines if hook in ("", line["hook"])]

    def calls(self, hook: str, worker_pid: int) -> Counter[str]:
        """Return how often a hook was called in each kind of process."""
        return Counter(self._kind(line, worker_pid) for line in self.lines(hook))

    def processes(self, hook: str) -> list[int]:
        """Return in which processes a hook was called, one for each call."""
        return [line["pid"] for line in self.lines(hook)]

    def _kind(self, line: Line, worker_pid: int) -> str:
        if line["pid"] == worker_pid:
            return "worker"
        if line["process"] in ("lk-job", "lk-inference"):
            return str(line["process"]).removeprefix("lk-")
        forked = {each["parent"] for each in self.lines() if each["process"] in ("lk-job", "lk-inference")}
        if line["pid"] in forked:
            return "zygote"
        return "spawned" if line["parent"] == worker_pid else "elsewhere"


class Command:
    """A running command."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> str:
        assert self.process.stdout is not None
        return (await self.process.stdout.read()).decode()

    @property
    def pid(self) -> int:
        """The worker's process: the command is not started by another one."""
        return self.process.pid

    async def end(self, seconds: float = SOON) -> tuple[int, str]:
        """Wait for the end; return exit code and output."""
        async with asyncio.timeout(seconds):
            return await self.process.wait(), await self._reading

    async def drain(self) -> str:
        """Ask it to end, and return what it printed."""
        self.process.send_signal(signal.SIGTERM)
        code, output = await self.end()
        assert code == 0, output
        return output


class Stage:
    """A folder with an agent, a site with plugins, and a server."""

    def __init__(self, folder: Path, server: FakeLiveKitServer) -> None:
        self.folder = folder
        self.site = folder / "site"
        self.server = server
        self.journal = Journal(folder / "journal.jsonl")
        self.python = sys.executable
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("LIVEKIT_", "LK_"))},
            "PYTHONPATH": str(self.site),
            "ACME_JOURNAL": str(self.journal.path),
            "LIVEKIT_URL": server.url,
            "LIVEKIT_API_KEY": server.api_key,
            "LIVEKIT_API_SECRET": server.api_secret,
        }

    def write_agent(self, options: str = "", *, imports: str = "", asks: bool = False, connects: bool = False) -> Path:
        """Write the agent's file."""
        file = self.folder / "my_agent.py"
        file.write_text(dedent(AGENT).format(options=options, imports=imports, asks=asks, connects=connects))
        return file

    @asynccontextmanager
    async def running(self, *arguments: str, **environment: str) -> AsyncIterator[Command]:
        """Run Python with these arguments; nothing of it outlives the block."""
        process = await asyncio.create_subprocess_exec(
            self.python,
            *arguments,
            cwd=self.folder,
            env=self.environment | environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        command = Command(process)
        try:
            yield command
        finally:
            if process.returncode is None:
                tree = psutil.Process(process.pid)
                for each in [*tree.children(recursive=True), tree]:
                    each.kill()
            await command.end()

    async def run(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Run Python to its end; return exit code and output."""
        async with self.running(*arguments, **environment) as command:
            return await command.end()

    async def until(self, condition: Callable[[], Any], command: Command, seconds: float = SOON) -> None:
        """Wait for what the processes do, as long as the command runs."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    if command.process.returncode is not None:
                        raise AssertionError((await command.end())[1])
                    await asyncio.sleep(0.02)
        except TimeoutError:
            command.process.send_signal(signal.SIGTERM)
            _, output = await command.end()
            raise AssertionError(f"journal: {self.journal.lines()}\n{output}") from None

    def said(self) -> dict[str, Any] | None:
        """Return what the job said, once it has."""
        path = self.folder / "said.json"
        return json.loads(path.read_text()) if path.exists() else None

    async def serve_one_job(self, command: Command, *, metadata: str = "") -> tuple[Dispatch, dict[str, Any]]:
        """Give the worker one job and wait for all that it, and every hook, does for it."""
        await self.server.wait_worker(seconds=SOON)
        dispatch = await self.server.dispatch("the-room", metadata=metadata)
        await self.until(lambda: self.said() and self.server.final_updates(dispatch.job.id), command)
        said = self.said()
        assert said is not None
        return dispatch, said

    async def told(self, command: Command, hooks: Sequence[str]) -> None:
        """Wait until each of these hooks has been called."""
        await self.until(lambda: {line["hook"] for line in self.journal.lines()} >= set(hooks), command)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A stage with the plugin ``acme`` installed."""
    async with FakeLiveKitServer() as server:
        found = Stage(tmp_path, server)
        lay_out("acme", found.site)
        yield found


@pytest.fixture
def crooked(stage: Stage) -> Stage:
    """The same with a broken plugin, and one with a misspelt hook, beside it."""
    lay_out("crooked", stage.site)
    return stage
