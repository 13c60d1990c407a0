"""Playout and transcript together: what was played is what was heard and what is shown."""

from __future__ import annotations

import asyncio

import pytest
from tests.media.sounds import RATE, say
from tests.transcription.stage import Stage

from lk_agents.media import Playout
from lk_agents.streams.words import TimedWord
from lk_agents.testing import VirtualClock
from lk_agents.testing.audio import MemoryAudioOut
from lk_agents.transcription import TTSSegmentsForwarder

SPOKEN = "This is what the agent says to somebody who listens patiently."
WORDS = [TimedWord(word, n * 0.3, n * 0.3 + 0.3) for n, word in enumerate(SPOKEN.split())]
LENGTH_MS = 3300


async def speech(stage: Stage, playout: Playout) -> TTSSegmentsForwarder:
    forwarder = TTSSegmentsForwarder(room=stage.room, participant="agent", before_forward_cb=stage.watch)
    forwarder.push_text(SPOKEN)
    forwarder.mark_text_segment_end()
    forwarder.push_words(WORDS)
    playout.push_words(WORDS)
    await say(playout, LENGTH_MS)
    await playout.started.wait()
    forwarder.segment_playout_started(lambda: playout.played_seconds)
    return forwarder


@pytest.mark.parametrize("moment_ms", range(0, 3400, 100))
async def test_an_interruption_at_any_moment_leaves_the_words_that_were_played(stage: Stage, moment_ms: int) -> None:
    async with Playout(MemoryAudioOut(RATE)) as playout:
        forwarder = await speech(stage, playout)
        await asyncio.sleep(moment_ms / 1000)
        played = playout.stop()
        await forwarder.aclose()

    assert played == min(moment_ms, LENGTH_MS) / 1000
    assert abs(len(forwarder.played_text.split()) - played / 0.3) <= 0.5 + 1e-9
    assert SPOKEN.startswith(forwarder.played_text)


async def test_a_pause_that_resumes_at_a_word_shows_nothing_twice(stage: Stage, lk_clock: VirtualClock) -> None:
    async with Playout(MemoryAudioOut(RATE)) as playout:
        forwarder = await speech(stage, playout)
        await asyncio.sleep(1.4)
        playout.pause()
        forwarder.segment_playout_paused()
        await asyncio.sleep(2.0)
        assert playout.resume() == pytest.approx(1.2)
        forwarder.segment_playout_resumed()
        assert await playout.wait_for_playout()
        forwarder.segment_playout_finished()
        await forwarder.aclose()

    assert lk_clock.monotonic() == pytest.approx(3.3 + 2.0 + 0.2)
    assert len(stage.texts()) == len(set(stage.texts())) == 12
    assert stage.finals() == [SPOKEN] == [forwarder.played_text]


async def test_a_loop_that_is_blocked_shows_no_more_than_was_played(stage: Stage, lk_clock: VirtualClock) -> None:
    async with Playout(MemoryAudioOut(RATE)) as playout:
        forwarder = await speech(stage, playout)
        await asyncio.sleep(1.0)
        lk_clock.advance(1.0)  # the sink plays the 0.2 s that it has, and runs dry
        await asyncio.sleep(0.01)

        assert playout.played_seconds == pytest.approx(1.2, abs=0.06)
        assert forwarder.played_text == "This is what the"
        assert await playout.wait_for_playout()
        forwarder.segment_playout_finished()
        await forwarder.aclose()
    assert forwarder.played_text == SPOKEN
