"""The tests' end of the simulated callers."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tests.e2e.journal import SOON
from tests.e2e.office import Office

PROGRAM = Path(__file__).with_name("caller_process.py")


class Callers:
    """Participants by identity; the process begins with the first one."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._process: asyncio.subprocess.Process | None = None

    async def join(self, room: str, identity: str = "caller") -> None:
        """Join the room; it is made if there is none."""
        await self._order(identity, "join", self._office.server.url, self._office.token(room, identity))

    async def speak(self, identity: str = "caller", *, track: str = "voice") -> None:
        """Publish a sounding microphone."""
        await self._order(identity, "speak", track)

    async def show(self, identity: str = "caller", *, track: str = "camera") -> None:
        """Publish a camera."""
        await self._order(identity, "show", track)

    async def sees(self, other: str, identity: str = "caller") -> bool:
        """Return whether the caller sees that participant."""
        return bool(await self._order(identity, "sees", other))

    async def wait_seen(self, other: str, identity: str = "caller") -> None:
        """Wait until the caller sees that participant."""
        await self._order(identity, "wait_seen", other)

    async def wait_left(self, other: str, identity: str = "caller") -> str:
        """Wait until that participant has left, and return the reason that the caller was told."""
        return str(await self._order(identity, "wait_left", other))

    async def leave(self, identity: str = "caller") -> None:
        """Hang up."""
        await self._order(identity, "leave")

    async def _order(self, identity: str, order: str, *arguments: str) -> Any:
        process = await self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([identity, order, arguments]).encode() + b"\n")
        async with asyncio.timeout(SOON):
            answer = json.loads(await process.stdout.readline() or '{"error": "the process is gone"}')
        assert "error" not in answer, f"{identity} could not {order}: {answer['error']}"
        return answer["result"]

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            pipe = asyncio.subprocess.PIPE
            self._process = await asyncio.create_subprocess_exec(sys.executable, PROGRAM, stdin=pipe, stdout=pipe)
        return self._process

    async def aclose(self) -> None:
        """Let all callers hang up."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(SOON):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
            raise
