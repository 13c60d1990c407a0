"""A worker as a process of its own, started the way a user starts it, and what it logs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["AgentWorker", "AgentWorkerError"]

DRAIN_SECONDS = 5
END_SECONDS = 12.0
"""How long the worker may take from SIGTERM to its end, the drain included."""
KEPT_LINES = 2000
LONGEST_LINE = 1 << 20

LogLine = Mapping[str, Any]
Found = TypeVar("Found")

REGISTERED = "the worker is registered"
FULL = "the worker is full"
AVAILABLE = "the worker takes jobs again"


class AgentWorkerError(Exception):
    """The worker did not do what was waited for; the text has its last lines."""


class AgentWorker:
    """A running ``lk-agents start FILE``. Its log is read as it comes, so it never waits for a reader."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._lines: deque[LogLine] = deque(maxlen=KEPT_LINES)
        self._changed = asyncio.Condition()
        self._ended = False

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, agent: Path, credentials: Mapping[str, str]) -> AsyncIterator[AgentWorker]:
        """Run a worker for the agent in ``agent`` while the block lasts; then drain it.

        Cancelled, it is drained too. Nothing of it is left when the block has been left.

        :param credentials: ``LIVEKIT_URL``, ``LIVEKIT_API_KEY`` and ``LIVEKIT_API_SECRET``.
        """
        command = [sys.executable, "-m", "lk_agents", "start", str(agent)]
        process = await asyncio.create_subprocess_exec(
            *command,
            "--log-format=json",
            f"--drain-timeout={DRAIN_SECONDS}",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **credentials},
            limit=LONGEST_LINE,
            process_group=0,  # Ctrl-C in the terminal is ours: we then ask the worker to end
        )
        worker = cls(process)
        reading = asyncio.create_task(worker._read(), name="worker-log")
        try:
            yield worker
        finally:
            await worker._end(reading)

    async def wait_logged(self, what: str, matches: Callable[[LogLine], bool], *, seconds: float) -> LogLine:
        """Return the first line of the log that ``matches``, also one that was logged before.

        :param what: what is waited for, for the error's text.
        :raises AgentWorkerError: the worker ended, or ``seconds`` passed.
        """
        return await self._wait(what, lambda lines: next(filter(matches, lines), None), seconds=seconds)

    async def wait_ready(self, *, seconds: float) -> None:
        """Return when the worker is registered and takes jobs: on a busy machine it may be full at first.

        :raises AgentWorkerError: the worker ended, or ``seconds`` passed.
        """
        await self.wait_logged("it was registered", lambda line: line.get("message") == REGISTERED, seconds=seconds)
        await self._wait("it took jobs: this machine is too busy", _takes_jobs, seconds=seconds)

    async def _wait(self, what: str, look: Callable[[Sequence[LogLine]], Found | None], *, seconds: float) -> Found:
        """Return what ``look`` finds in the log, as soon as it finds something."""
        try:
            async with asyncio.timeout(seconds), self._changed:
                while True:
                    if found := look(self._lines):
                        return found
                    if self._ended:
                        code = await self._process.wait()
                        raise AgentWorkerError(
                            f"the worker ended with exit code {code} before {what}{self.last_lines()}"
                        )
                    await self._changed.wait()
        except TimeoutError:
            raise AgentWorkerError(f"{seconds:g} s passed before {what}{self.last_lines()}") from None

    def last_lines(self, count: int = 15) -> str:
        """Return the end of the log, for an error's text."""
        lines = list(self._lines)[-count:]
        if not lines:
            return "; it logged nothing"
        return "; its last lines:\n" + "\n".join(f"    {_shown(line)}" for line in lines)

    @property
    def exit_code(self) -> int | None:
        """What the worker ended with; minus the signal's number if one killed it, None while it runs."""
        return self._process.returncode

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while True:
            try:
                raw = await self._process.stdout.readline()
            except ValueError:  # longer than the limit: dropped, the next one is read
                continue
            async with self._changed:
                if raw:
                    self._lines.append(_parsed(raw))
                else:
                    self._ended = True
                self._changed.notify_all()
            if not raw:
                return

    async def _end(self, reading: asyncio.Task[None]) -> None:
        """Drain; after ``END_SECONDS`` kill the group. Job processes end when their worker has."""
        try:
            if self._process.returncode is None:
                self._process.terminate()
            async with asyncio.timeout(END_SECONDS):
                await self._process.wait()
                await reading  # to the end of the log, which the last process that holds it closes
        except TimeoutError:
            _kill_group(self._process.pid)
            await self._process.wait()
        finally:
            reading.cancel()
            await asyncio.wait({reading})


def _takes_jobs(lines: Sequence[LogLine]) -> bool:
    """Return whether the worker has not said that it is full, or has taken it back."""
    return next((line["message"] for line in reversed(lines) if line.get("message") in {FULL, AVAILABLE}), "") != FULL


def _parsed(raw: bytes) -> LogLine:
    """Return one line's fields; what is not JSON, such as an interpreter's error, is a message."""
    text = raw.decode(errors="replace").rstrip()
    try:
        line = json.loads(text)
    except ValueError:
        line = None
    return line if isinstance(line, dict) else {"message": text}


def _shown(line: LogLine) -> str:
    level, message = line.get("level", ""), line.get("message", "")
    rest = line.get("exc_info") or line.get("error") or ""
    return " ".join(str(part) for part in (level, message, rest) if part)


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # gone meanwhile
        os.killpg(group, signal.SIGKILL)
