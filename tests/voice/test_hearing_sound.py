"""Listening without a recogniser: that something was said is all that is known."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from lk_agents.media.inputs import AudioInputs
from lk_agents.testing.audio import MemoryAudioIn
from lk_agents.testing.providers import Heard, ScriptedVAD, voice
from lk_agents.voice import signals as s
from lk_agents.voice.hearing import Hearing
from lk_agents.voice.hearing_sound import SOMETHING

pytestmark = pytest.mark.usefixtures("lk_no_leaks", "lk_clock")

WINDOW = 0.032


async def heard(spoken: Sequence[tuple[float, float]], *, seconds: float = 6.0) -> list[s.Input]:
    """Return what is told of speech at these times."""
    told: list[s.Input] = []
    hearing = Hearing(vad=ScriptedVAD(spoken), stt=None, post=told.append)
    inputs, microphone = AudioInputs(), MemoryAudioIn()
    inputs.switch(microphone)
    said = [Heard("sound", begin, end) for begin, end in spoken]
    microphone.feed(voice(said, seconds, frame_seconds=WINDOW))
    hearing.restart_stt()
    task = asyncio.create_task(hearing.run(inputs))
    await asyncio.sleep(seconds)
    await hearing.aclose()
    await asyncio.wait([task])
    await inputs.aclose()
    return told


async def test_something_was_said_whenever_the_user_pauses() -> None:
    told = await heard([(0.992, 1.984), (2.304, 2.976)])

    finals = [each for each in told if isinstance(each, s.Final)]
    assert [each.text for each in finals] == [SOMETHING, SOMETHING]
    assert len({each.key for each in finals}) == 2
    assert [each.at for each in finals] == [pytest.approx(1.984, abs=0.1), pytest.approx(2.976, abs=0.1)]


async def test_the_end_of_the_sound_is_told_behind_it() -> None:
    told = await heard([(0.992, 1.984)])

    kinds = [type(each) for each in told if isinstance(each, s.Final | s.VoiceRunBegan | s.VoiceRunEnded)]
    assert kinds == [s.VoiceRunBegan, s.Final, s.VoiceRunEnded]


async def test_in_silence_nothing_is_told() -> None:
    assert await heard([]) == []
