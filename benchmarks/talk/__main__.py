"""``python -m benchmarks.talk``: the callers, told by lines of JSON what to do.

The first line of standard input has the parameters. ``{"ready": true}`` is answered when all of them are connected;
the next line has them begin, and what came of it is told. They hang up when standard input ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

from benchmarks.talk.caller import Caller
from benchmarks.talk.conversing import converse, story
from benchmarks.talk.echo import answering, echoes
from benchmarks.talk.sound import phrases

JOIN_SECONDS: Final = 30.0
SETTLE_SECONDS: Final = 2.0
"""From the tracks' subscription until sound surely passes in both directions."""

AHEAD: Final = -10
"""Callers have machines of their own: where they are allowed to, they go before the agents, so as not to stumble."""


async def main() -> None:
    parameters = json.loads(await _line())
    async with contextlib.AsyncExitStack() as stack:
        url = parameters["url"]
        for token in parameters.get("echo", []):
            await stack.enter_async_context(answering(url, token))
        joining = [Caller.joined(url, token, seconds=JOIN_SECONDS) for token in parameters["callers"]]
        callers = [await stack.enter_async_context(each) for each in joining]
        phrases()  # takes a while, the first time
        await asyncio.sleep(SETTLE_SECONDS)
        _tell({"ready": True})
        await _line()
        _tell(await _work(callers, parameters))
        await _line()


async def _work(callers: list[Caller], parameters: dict[str, Any]) -> Any:
    if "echo" in parameters:
        return [await echoes(each, parameters["count"]) for each in callers]
    interruptions = parameters["interruptions"]
    await asyncio.gather(*[converse(each, interruptions, number=number) for number, each in enumerate(callers)])
    return [story(each) for each in callers]  # all of them have finished: this takes a while


def _go_ahead() -> None:
    with contextlib.suppress(OSError):  # only root may
        os.nice(AHEAD)
        Path("/proc/self/autogroup").write_text(
            f"{AHEAD}", encoding="ascii"
        )  # Linux weighs sessions, where it has them


async def _line() -> str:
    return await asyncio.to_thread(sys.stdin.readline)


def _tell(what: Any) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    _go_ahead()
    asyncio.run(main())
    # The media library's threads may still call into an interpreter that takes itself apart, which aborts the process.
    os._exit(0)
