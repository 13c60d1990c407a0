"""The fixture ``lk_clock``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lk_agents.testing.clock import VirtualClock

__all__ = ["async_fixture", "lk_clock"]


def async_fixture(function: Callable[..., Any]) -> Any:
    """Make a fixture of an asynchronous function, run by pytest-asyncio in the test's own loop.

    Without pytest-asyncio the fixture exists all the same and fails the tests that use it, with the remedy.
    """
    try:
        import pytest_asyncio
    except ImportError:

        @pytest.fixture(name=function.__name__)
        def missing() -> None:
            pytest.fail(f"the fixture {function.__name__} needs pytest-asyncio: pip install 'pytest-asyncio>=1.5'")

        return missing
    return pytest_asyncio.fixture(function, loop_scope="function")


@async_fixture
async def lk_clock(request: pytest.FixtureRequest) -> AsyncIterator[VirtualClock]:
    """Run the test, an asynchronous one, in virtual time, and give its clock.

    Nothing waits for a clock: see :mod:`lk_agents.testing.clock`. Code that asks ``lk_agents.foundation`` for time sees
    the same time, and ids and chance repeat from run to run. Other asynchronous fixtures of the test share the loop;
    those that are to see the clock from the beginning depend on this one.
    """
    from lk_agents.foundation.clock import use_clock
    from lk_agents.foundation.ids import use_chance
    from lk_agents.testing.clock import VirtualLoop

    loop = asyncio.get_running_loop()
    marker = request.node.get_closest_marker("asyncio")
    scope = (marker.kwargs.get("loop_scope") if marker else None) or request.config.getini(
        "asyncio_default_test_loop_scope"
    )
    if not isinstance(loop, VirtualLoop) or scope not in {None, "", "function"}:
        pytest.fail(
            "lk_clock works in asynchronous tests with a loop of their own (loop scope 'function'), run by "
            "pytest-asyncio 1.5 or newer; elsewhere use lk_agents.testing.VirtualClock().run(…)"
        )
    with use_clock(loop.clock), use_chance(0):
        yield loop.clock
