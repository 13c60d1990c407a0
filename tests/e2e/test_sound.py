"""What an agent plays through a room's track is what a caller hears."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.office import Office

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

PROGRAM = Path(__file__).with_name("sound_process.py")
UNCERTAIN_SECONDS = 0.25
"""What the codec and the buffers of the listener add or swallow at the edges of a sound."""


async def heard_in_a_room(office: Office) -> dict[str, Any]:
    room = office.name()
    tokens = [office.token(room, identity) for identity in ("speaker", "listener")]
    process = await asyncio.create_subprocess_exec(
        sys.executable, PROGRAM, office.server.url, *tokens, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        answer, _ = await process.communicate()
    assert process.returncode == 0
    told: dict[str, Any] = json.loads(answer)
    return told


async def test_a_caller_hears_what_was_played_and_nothing_of_what_was_not(office: Office) -> None:
    told = await heard_in_a_room(office)

    assert told["participant"] == "speaker"
    assert told["whole"]["played"] == 2.0
    assert told["whole"]["loud"] == pytest.approx(2.0, abs=UNCERTAIN_SECONDS)
    assert told["paused"]["played"] == 2.0
    assert told["paused"]["loud"] == pytest.approx(2.0, abs=UNCERTAIN_SECONDS)
    assert told["paused"]["silent"] == pytest.approx(0.6, abs=UNCERTAIN_SECONDS)
    assert told["stopped"]["played"] == pytest.approx(1.0, abs=0.2)
    assert told["stopped"]["loud"] == pytest.approx(told["stopped"]["played"], abs=UNCERTAIN_SECONDS)
