"""A conversation in a room without a server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.media.meeting import Meeting

from lk_agents.testing import VirtualClock


@pytest.fixture
async def meeting(lk_clock: VirtualClock) -> AsyncIterator[Meeting]:
    """Whoever takes part must have taken all handlers away in the end."""
    meeting = await Meeting.open()
    yield meeting
    await meeting.close()
