"""Ends that nobody wants: closed while it speaks, while it starts, or built of what cannot be."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.multimodal.calls import LONG, Call

from lk_agents.foundation.errors import ConfigError
from lk_agents.multimodal import MultimodalAgent
from lk_agents.testing.providers import RealtimeAnswer, ScriptedRealtime
from lk_agents.testing.session_io import MemorySessionIO

pytestmark = pytest.mark.usefixtures("lk_no_leaks", "lk_clock")


async def test_an_agent_that_is_closed_in_mid_speech_is_seen_to_listen() -> None:
    call = await Call([RealtimeAnswer(text=LONG)]).run(4.0)

    assert call.agent.state == "listening"
    assert call.io.states[-1].state == "listening"


async def test_surroundings_that_never_start_do_not_hold_up_the_end() -> None:
    class Stuck(MemorySessionIO):
        async def start(self, *, sample_rate: int, num_channels: int) -> None:
            await asyncio.sleep(3600)

    call = Call(io=Stuck(), caller=None)
    call.start()
    await asyncio.sleep(1.0)

    async with asyncio.timeout(2.0):
        await call.agent.aclose()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"end_policy": "leave"}, "'linked_leaves'"),
        ({"grace_seconds": -1}, "0 or more"),
        ({"dead_air_timeout": 0}, "above 0"),
        ({"filler": "one_moment.wav"}, "rtc.AudioFrame"),
    ],
)
async def test_a_wrong_setting_is_refused_where_it_is_given(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        MultimodalAgent(model=ScriptedRealtime(), **settings)
