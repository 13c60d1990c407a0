"""The fixture ``lk_no_leaks``."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from lk_agents.testing.fixtures_clock import async_fixture

__all__ = ["lk_no_leaks"]


@async_fixture
async def lk_no_leaks() -> AsyncIterator[None]:
    """Fail the test if it leaves behind a task, a thread, a descriptor, an HTTP session or a native handle.

    The failure says what is left and where it was made. Name it before the fixtures whose leaks it is to find: they are
    taken down before it looks. See :func:`lk_agents.testing.leaks.no_leaks`.
    """
    from lk_agents.testing.leaks import LeakError, no_leaks

    try:
        async with no_leaks():
            yield
    except LeakError as error:
        pytest.fail(str(error), pytrace=False)
