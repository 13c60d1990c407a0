"""A worker that is given a canary for a secret, and everything of it that somebody could read."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from lk_agents.testing.server import FakeLiveKitServer

KEY = "canary-key"
CANARY = "canary-8f1c2d-secret-of-more-than-32-characters"
SOON = 40.0
MASK = "[redacted]"
"""What the command line puts in the place of a secret that would be printed: the last line of defence."""

AGENT = '''
import asyncio, dataclasses, json, logging, os, signal, sys, time, traceback
from pathlib import Path
from lk_agents import JobExecutorType, WorkerOptions, cli, hookimpl

HERE = Path(__file__).parent
mine = logging.getLogger("mine")


def write(name, text):
    (HERE / f"{name}.tmp").write_text(text)
    (HERE / f"{name}.tmp").rename(HERE / name)


def with_locals(error):
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


def told(*things):
    """Return what a debugger, or a careless log line, would show of these objects."""
    texts = [repr(thing) for thing in things] + [str(thing) for thing in things]
    return "\\n".join(texts)


class Watching:
    """Looks at all that hooks are given."""

    @hookimpl
    def lk_agents_worker_registered(self, worker, info):
        write("reprs_at_registration.txt", told(worker, info, dataclasses.asdict(info)))
        write("port.json", json.dumps(worker.health_port))

    @hookimpl
    def lk_agents_filter_request(self, request):
        write("reprs_in_filter.txt", told(request, request.job))

    @hookimpl
    def lk_agents_prewarm(self, proc):
        write("reprs_in_prewarm.txt", told(proc, vars(proc)))

    @hookimpl
    def lk_agents_job_starting(self, ctx):
        write("reprs_at_start.txt", told(ctx, ctx.proc))

    @hookimpl
    def lk_agents_job_finished(self, ctx, result):
        write("reprs_at_end.txt", told(ctx, result, dataclasses.asdict(result)))

    @hookimpl
    def lk_agents_job_lost(self, record):
        write("reprs_of_lost_job.txt", told(record, dataclasses.asdict(record)))


def load(worker):
    from lk_agents.foundation.settings import Settings
    from lk_agents.hooks.current import current_registry
    write("reprs_of_worker.txt", told(worker, worker.config, worker.config.options, worker.active_jobs,
                                      Settings.read(), current_registry(), current_registry().handoff()))
    if worker.active_jobs:
        write("reprs_of_jobs.txt", told(worker.active_jobs, [info.to_spec() for info in worker.active_jobs]))
    return 0.0


async def request(req):
    write("reprs_of_request.txt", told(req, req.job))
    await req.accept()


def prewarm(proc):
    if "PREWARM_RAISES" in os.environ:
        raise OSError(f"the model of {proc} is torn")


async def entry(ctx):
    room = ctx.job.room.name
    ctx.add_shutdown_callback(over)
    write(f"reprs_in_{room}.txt", told(ctx, ctx.proc, ctx.job, ctx.room, ctx._info, ctx._info.to_spec()))
    if room == "raises":
        try:
            await ctx.connect()
        except Exception as error:
            write("locals.txt", with_locals(error))
            mine.error("it failed", exc_info=error)
            raise
        raise RuntimeError(f"{ctx._info} cannot go on")
    if room == "prints":
        mine.error("a token in words: %s, a secret: %s", ctx._info.token, os.environ.get("LIVEKIT_API_SECRET"))
        raise RuntimeError(f"a token in an error: {ctx._info.token}")
    if room == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if room == "hangs":
        time.sleep(3600)
    try:
        say = type(ctx.api).__name__
    except Exception as error:
        say = with_locals(error)
    write("steady.json", json.dumps({"pid": os.getpid(), "api": say}))
    await asyncio.sleep(3600)


async def over():
    mine.info("over")


if __name__ == "__main__":
    cli.run_app(
        WorkerOptions(
            entry, request, prewarm, load, plugins=[Watching()], port=0, host="127.0.0.1", num_idle_processes=1, OPTIONS
        )
    )
'''


def holds(pid: int, needle: bytes) -> list[str]:
    """Return the mappings of a process, of all that can be read, in which ``needle`` stands."""
    found = []
    with Path(f"/proc/{pid}/maps").open() as maps, Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in maps.read().splitlines():
            place, mode, *_ = line.split()
            start, end = (int(part, 16) for part in place.split("-"))
            with suppress(OSError, ValueError, OverflowError):
                if mode.startswith("r") and _in_range(memory, start, end, needle):
                    found.append(line)
    return found


def _in_range(memory: Any, start: int, end: int, needle: bytes) -> bool:
    step, kept = 1 << 22, b""
    memory.seek(start)
    while start < end:
        page = memory.read(min(step, end - start))
        if not page:
            return False
        if needle in kept + page:
            return True
        kept, start = page[-len(needle) :], start + len(page)
    return False


class Canary:
    """A folder with an agent, a server whose secret is the canary, and what was printed and written."""

    def __init__(self, folder: Path, server: FakeLiveKitServer) -> None:
        self.folder = folder
        self.server = server
        self.output = ""
        self.tokens: list[str] = []
        self.process: asyncio.subprocess.Process | None = None

    def given_by(self, way: str) -> tuple[Sequence[str], Mapping[str, str], str]:
        """Return arguments, variables and options that give address and credentials in one of the four ways."""
        url = self.server.url
        match way:
            case "environment":
                return [], {"LIVEKIT_URL": url, "LIVEKIT_API_KEY": KEY, "LIVEKIT_API_SECRET": CANARY}, ""
            case "flag":
                return ["--url", url, "--api-key", KEY, "--api-secret", CANARY], {}, ""
            case "flag with =":
                return [f"--url={url}", f"--api-key={KEY}", f"--api-secret={CANARY}"], {}, ""
            case "env file":
                lines = f"LIVEKIT_URL={url}\nLIVEKIT_API_KEY={KEY}\nLIVEKIT_API_SECRET={CANARY}\n"
                (self.folder / "my.env").write_text(lines)
                return ["--env-file", "my.env"], {}, ""
            case "code":
                (self.folder / "vault.py").write_text(f"URL, KEY, SECRET = {url!r}, {KEY!r}, {CANARY!r}\n")
                return [], {}, "**__import__('vault').OPTIONS, "
        raise AssertionError(way)

    @asynccontextmanager
    async def running(
        self, way: str, options: str, *command: str, **variables: str
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run the agent; nothing of it outlives the block, and all that it printed is kept."""
        arguments, environment, more = self.given_by(way)
        if more:
            with (self.folder / "vault.py").open("a") as file:
                file.write("OPTIONS = {'ws_url': URL, 'api_key': KEY, 'api_secret': SECRET}\n")
        (self.folder / "my_agent.py").write_text(AGENT.replace("OPTIONS", f"{options}{more}"))
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("LIVEKIT_", "LK_"))}
        process = self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "my_agent.py",
            *command,
            *arguments,
            cwd=self.folder,
            env=clean | dict(environment) | variables,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert process.stdout is not None
        reading = asyncio.create_task(process.stdout.read())
        try:
            yield process
        finally:
            with suppress(psutil.NoSuchProcess):
                tree = psutil.Process(process.pid)
                for each in [*tree.children(recursive=True), tree]:
                    with suppress(psutil.NoSuchProcess):
                        each.kill()
            self.output += (await reading).decode(errors="replace")
            await process.wait()

    def tree(self) -> list[psutil.Process]:
        """Return the worker and all its processes."""
        assert self.process is not None
        worker = psutil.Process(self.process.pid)
        return [worker, *worker.children(recursive=True)]

    async def until(self, condition: Callable[[], Any], what: str) -> None:
        """Wait for what the processes do."""
        assert self.process is not None
        try:
            async with asyncio.timeout(SOON):
                while not condition():
                    assert self.process.returncode is None, f"it ended while one waited for {what}"
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"{what} never came") from None

    async def job(self, room: str, *, ends: bool = True) -> Any:
        """Have the worker run a job, and remember its token."""
        dispatch = await self.server.dispatch(room)
        self.tokens.append(dispatch.token)
        if ends:
            await self.until(lambda: self.server.final_updates(dispatch.job.id), f"the end of {room}")
        return dispatch

    async def ask_health(self) -> None:
        """Keep what the health endpoint says."""
        await self.until((self.folder / "port.json").exists, "the registration")
        port = json.loads((self.folder / "port.json").read_text())
        async with aiohttp.ClientSession() as http:
            for path in ("", "ready", "worker"):
                async with http.get(f"http://127.0.0.1:{port}/{path}") as answer:
                    (self.folder / f"health_{path}.txt").write_text(f"{answer.headers}\n{await answer.text()}")

    async def drain(self) -> None:
        """Ask it to end, and wait for that."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(SOON):
            await self.process.wait()

    def check_nothing_shows(self, *, cut_out: bool = False) -> None:
        """Fail if the canary, or the token of a job, stands in what was printed or written down.

        :param cut_out: something had to be cut out of what was printed: the user's own code wrote it.
        """
        assert (MASK in self.output) is cut_out, _around(self.output, MASK)
        texts = {path.name: path.read_text() for path in self.folder.glob("*.txt")} | {"the output": self.output}
        texts |= {path.name: path.read_text() for path in self.folder.glob("*.json")}
        signatures = [token.rpartition(".")[2] for token in self.tokens]
        for name, text in texts.items():
            for secret in [CANARY, *self.tokens, *signatures]:
                assert secret not in text, f"{name}: {_around(text, secret)}"
            assert not re.search(r"eyJ[\w-]{8,}\.[\w-]{8,}", text), f"{name} holds a token"

    def argv_with_canary(self) -> list[list[str]]:
        """Return the command lines of all processes in which the canary, or a job's token, stands."""
        lines = [each.cmdline() for each in self.tree()]
        return [line for line in lines if any(secret in part for part in line for secret in [CANARY, *self.tokens])]


def _around(text: str, secret: str) -> str:
    place = max(text.find(secret), 0)
    return text[max(0, place - 300) : place + 20]


@pytest.fixture
async def canary(tmp_path: Path) -> AsyncIterator[Canary]:
    """A folder, and a server whose secret is the canary."""
    async with FakeLiveKitServer(api_key=KEY, api_secret=CANARY) as server:
        yield Canary(tmp_path, server)
