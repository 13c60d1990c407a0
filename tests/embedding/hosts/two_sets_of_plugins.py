"""Two workers at once, of which only the first uses the plugin ``noting`` and an object with hooks of the program."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.embedding.hosts.common import note, options, tell, told, what_is_open

import lk_agents
from lk_agents import Worker


class Ours:
    """Hooks of the program itself; found by its name in processes that are started anew."""

    @lk_agents.hookimpl
    def lk_agents_job_starting(self, ctx: Any) -> None:
        """Write down which job it is."""
        note(f"ours {ctx.job.room.name}")


async def main() -> None:
    """Have both until the test says so."""
    with_plugins = options(agent_name="with", plugins=["noting", Ours()])
    async with Worker(with_plugins), Worker(options(agent_name="without")):
        tell(registered=True)
        await told()
    tell(left=what_is_open()["children"])


if __name__ == "__main__":
    asyncio.run(main())
