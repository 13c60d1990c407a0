"""Opens and closes a worker five times, each time on another event loop, and tells what is open afterwards."""

from __future__ import annotations

import asyncio

from tests.embedding.hosts.common import options, property_of_the_host, tell, told, what_is_open

from lk_agents import Worker


async def one_round() -> None:
    """Have a worker, until the test says so."""
    async with Worker(options()):
        tell(registered=True)
        await told()


def main() -> None:
    """Do it five times."""
    before = property_of_the_host()
    for _ in range(5):
        asyncio.run(one_round())
        after = property_of_the_host()
        tell(closed={**what_is_open(), "changed": {key: after[key] for key in after if after[key] != before[key]}})


if __name__ == "__main__":
    main()
