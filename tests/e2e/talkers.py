"""The tests' end of those who talk with agents."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final, Self

from tests.e2e.journal import SOON

PROGRAM: Final = Path(__file__).with_name("talker_process.py")
LONGEST_LINE: Final = 1 << 22


class Talkers:
    """People in rooms, by name; one process for all of them. Use :meth:`ready`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._waiting: dict[str, asyncio.Future[Any]] = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def ready(cls) -> AsyncIterator[Self]:
        """Start the process; leaving the block has everybody hang up."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, PROGRAM, stdin=pipe, stdout=pipe, limit=LONGEST_LINE
        )
        talkers = cls(process)
        reading = asyncio.create_task(talkers._read(), name="talkers")
        try:
            yield talkers
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                async with asyncio.timeout(SOON):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
                raise
            finally:
                await reading

    async def do(self, name: str, order: str, *arguments: Any, seconds: float = SOON) -> Any:
        """Have somebody do something, a method of ``Talker``, and return what it returns."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[name] = answer
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([name, order, arguments]).encode() + b"\n")
        try:
            return await asyncio.wait_for(answer, seconds)
        except TimeoutError:
            raise AssertionError(f"{name} could not {order} in {seconds:g} s") from None

    async def do_all(self, names: Sequence[str], order: str, *arguments: Any, seconds: float = SOON) -> list[Any]:
        """Have several do the same at the same time."""
        return await asyncio.gather(*[self.do(name, order, *arguments, seconds=seconds) for name in names])

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            told = json.loads(line)
            answer = self._waiting.pop(told["name"], None)
            if answer is None or answer.done():
                continue
            if "error" in told:
                answer.set_exception(AssertionError(f"{told['name']}: {told['error']}"))
            else:
                answer.set_result(told["result"])
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(AssertionError("the process of those who talk is gone"))
