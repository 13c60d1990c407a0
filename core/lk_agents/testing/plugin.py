"""The pytest plugin of lk_agents: fixtures whose names begin with ``lk_``, and virtual time for those that ask for it.

pytest loads it wherever lk-agents is installed, so it imports nothing heavy; each fixture imports what it needs when
a test asks for it. The fixtures live in the modules ``fixtures_*`` beside this one. Asynchronous tests and fixtures
are run by ``pytest-asyncio``, 1.5 or newer.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from lk_agents.testing.fixtures_clock import lk_clock
from lk_agents.testing.fixtures_job import lk_job
from lk_agents.testing.fixtures_leaks import lk_no_leaks
from lk_agents.testing.fixtures_room import lk_room
from lk_agents.testing.fixtures_server import lk_server
from lk_agents.testing.fixtures_session import lk_session
from lk_agents.testing.fixtures_worker import lk_worker

if TYPE_CHECKING:
    import asyncio

__all__ = [
    "lk_clock",
    "lk_job",
    "lk_no_leaks",
    "lk_room",
    "lk_server",
    "lk_session",
    "lk_worker",
    "pytest_asyncio_loop_factories",
]


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Generator[
    None,
    Mapping[str, Callable[[], asyncio.AbstractEventLoop]] | None,
    Mapping[str, Callable[[], asyncio.AbstractEventLoop]],
]:
    """Give a loop with virtual time to each test that uses ``lk_clock``; leave all others as they are."""
    others = yield
    if "lk_clock" in getattr(item, "fixturenames", ()):
        from lk_agents.testing.clock import VirtualLoop

        return {"virtual": VirtualLoop}
    return others or {"asyncio": _new_loop}


def _new_loop() -> Any:
    """Make what pytest-asyncio would make if nobody had been asked."""
    import asyncio

    return asyncio.new_event_loop()
