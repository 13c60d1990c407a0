"""The callers' process, as the side that measures sees it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final, Self

from livekit import api

from benchmarks.failure import MeasurementError
from benchmarks.frameworks import ROOT
from benchmarks.ground import Ground
from benchmarks.program import bare_environment

__all__ = ["Callers", "tokens"]

READY_SECONDS: Final = 60.0
END_SECONDS: Final = 20.0
LAST_LINES: Final = 12
LONGEST_LINE: Final = 1 << 24


class Callers:
    """The process. Use :meth:`ready`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @contextlib.asynccontextmanager
    async def ready(cls, ground: Ground, parameters: Mapping[str, Any]) -> AsyncIterator[Self]:
        """Start it, and yield when everybody is connected; leaving the block has them hang up.

        :param parameters: as ``python -m benchmarks.talk`` wants them.
        :raises MeasurementError: they were not connected in 60 s.
        """
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.talk"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env=bare_environment(),
            limit=LONGEST_LINE,
            start_new_session=True,  # their priority is that of a session
        )
        callers = cls(process)
        try:
            await callers._ask({**parameters, "url": ground.server.url}, seconds=READY_SECONDS)
            yield callers
            await callers._hang_up()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def work(self, *, seconds: float) -> Any:
        """Have them begin, and return what they tell.

        :raises MeasurementError: they gave up, or had nothing to tell after ``seconds``.
        """
        return await self._ask({}, seconds=seconds)

    async def _ask(self, what: Mapping[str, Any], *, seconds: float) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(what).encode() + b"\n")
        try:
            async with asyncio.timeout(seconds):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise MeasurementError(f"the callers have nothing to tell after {seconds:g} s") from None
        if not line:
            raise MeasurementError(f"the callers gave up; {await self._last_lines()}")
        return json.loads(line)

    async def _hang_up(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await self._process.wait()

    async def _last_lines(self) -> str:
        assert self._process.stderr is not None
        lines = (await self._process.stderr.read()).decode(errors="replace").splitlines()[-LAST_LINES:]
        return "\n    ".join(["their last lines:", *lines])


def tokens(ground: Ground, rooms: Sequence[str], identity: str) -> list[str]:
    """Return what lets somebody of that name into each of the rooms."""
    server = ground.server
    return [
        api.AccessToken(server.api_key, server.api_secret)
        .with_identity(identity)
        .with_grants(api.VideoGrants(room_join=True, room=room))
        .to_jwt()
        for room in rooms
    ]
