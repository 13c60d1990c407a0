"""One input after the other."""

from __future__ import annotations

import asyncio

import pytest
from tests.media.meeting import has_ended, settle

from lk_agents.media.inputs import AudioInputs
from lk_agents.testing import VirtualClock
from lk_agents.testing.audio import MemoryAudioIn


class Stubborn(MemoryAudioIn):
    """An input that does not close."""

    def __init__(self, *, seconds: float = 0.0, error: Exception | None = None) -> None:
        super().__init__()
        self._seconds = seconds
        self._error = error

    async def aclose(self) -> None:
        await asyncio.sleep(self._seconds)
        if self._error is not None:
            raise self._error


async def test_an_input_without_successor_ends(lk_clock: VirtualClock) -> None:
    inputs, audio_in = AudioInputs(), MemoryAudioIn()
    inputs.switch(audio_in)
    assert await inputs.__anext__() is audio_in
    inputs.switch(None)
    await settle()

    assert await has_ended(audio_in)
    await inputs.aclose()


async def test_an_input_that_comes_after_the_end_is_closed(lk_clock: VirtualClock) -> None:
    inputs, audio_in = AudioInputs(), MemoryAudioIn()
    await inputs.aclose()
    inputs.switch(audio_in)
    await inputs.aclose()

    assert await has_ended(audio_in)
    assert [each async for each in inputs] == []


async def test_an_input_that_cannot_be_closed_is_told_of_and_forgotten(
    lk_clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    inputs = AudioInputs()
    inputs.switch(Stubborn(error=RuntimeError("broken")))
    await inputs.aclose()

    assert caplog.messages == ["an input was not closed"]


async def test_an_input_that_takes_its_time_is_waited_for_for_five_seconds(lk_clock: VirtualClock) -> None:
    inputs = AudioInputs()
    inputs.switch(Stubborn(seconds=6.0))
    await inputs.aclose()

    assert lk_clock.monotonic() == 5.0
    await asyncio.sleep(1.1)


async def test_whoever_waits_for_an_input_sees_the_end(lk_clock: VirtualClock) -> None:
    inputs = AudioInputs()
    waiting = asyncio.create_task(anext_of(inputs))
    await settle()
    await inputs.aclose()

    assert await waiting is None


async def anext_of(inputs: AudioInputs) -> object:
    """Return the next input, None if there will be none."""
    async for audio_in in inputs:
        return audio_in
    return None
