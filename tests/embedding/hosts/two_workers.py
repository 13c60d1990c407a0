"""Two workers in one program, each with an agent name: ``EXECUTOR together`` or ``EXECUTOR in-turn``."""

from __future__ import annotations

import asyncio
import sys

from tests.embedding.hosts.common import options, tell, told, what_is_open

from lk_agents import Worker


async def together() -> None:
    """Have both at once; the first one is closed before the second."""
    async with Worker(options(agent_name="support")) as support:
        async with Worker(options(agent_name="sales")) as sales:
            tell(registered=[sales.id, support.id])
            await told()
        tell(first_closed=True)
        await told()


async def in_turn() -> None:
    """Have one after the other on the same loop."""
    for name in ("sales", "support"):
        async with Worker(options(agent_name=name)) as worker:
            tell(registered=[worker.id])
            await told()


async def main() -> None:
    """Do as the command line says."""
    await (together() if sys.argv[2] == "together" else in_turn())
    tell(left=what_is_open()["children"])


if __name__ == "__main__":
    asyncio.run(main())
