"""The stage."""

from __future__ import annotations

import pytest
from tests.transcription.stage import Stage

from lk_agents.testing import VirtualClock


@pytest.fixture
async def stage(lk_clock: VirtualClock) -> Stage:
    """A room in virtual time."""
    return await Stage.open()
