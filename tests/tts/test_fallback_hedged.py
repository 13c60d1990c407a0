"""A second synthesizer beside one that is slow to begin: for whole texts and for streams."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.tts.members import SENTENCES, TEXT, changes_of, fallback, push
from tests.tts.speakers import Ears, Fault, Speaker, heard, pause, read, segments, stall

from lk_agents.foundation.errors import ConfigError
from lk_agents.streams.hedging import LEAST_TIMES, LOSSES_IN_A_ROW
from lk_agents.tts import FallbackAdapter, SynthesizedAudio

pytestmark = pytest.mark.usefixtures("lk_clock")

Speak = Callable[[FallbackAdapter, str], Any]


def in_one(adapter: FallbackAdapter, text: str) -> Any:
    return adapter.synthesize(text)


def in_pieces(adapter: FallbackAdapter, text: str) -> Any:
    return push(adapter.stream(), text)


async def said(speak: Speak, adapter: FallbackAdapter, text: str = TEXT) -> tuple[str, float]:
    """Return what was said, and after how long the first of it was heard."""
    began = asyncio.get_running_loop().time()
    audio: list[SynthesizedAudio] = []
    first = 0.0
    async with speak(adapter, text) as stream:
        async for piece in stream:
            first = first or asyncio.get_running_loop().time() - began
            audio.append(piece)
    return heard(audio), round(first, 3)


@pytest.fixture(params=[in_one, in_pieces], ids=["text", "stream"])
def speak(request: pytest.FixtureRequest) -> Speak:
    speaking: Speak = request.param
    return speaking


async def test_one_that_is_quick_speaks_alone(speak: Speak) -> None:
    first, second = Speaker(pause(0.4)), Speaker()
    adapter = fallback(first, second, hedge=0.5)
    text, _ = await said(speak, adapter)
    await adapter.aclose()

    assert text.replace(" ", "") == TEXT.replace(" ", "")
    assert second.attempts == 0


async def test_beside_one_that_is_slow_the_next_one_speaks_and_the_first_audio_wins(speak: Speak) -> None:
    first, second = Speaker(pause(5.0)), Speaker(pause(0.25))
    adapter = fallback(first, second, hedge=0.5)
    changes = changes_of(adapter)
    text, seconds = await said(speak, adapter, SENTENCES[0])
    await adapter.aclose()

    assert text == SENTENCES[0]
    assert seconds == pytest.approx(0.75, abs=0.002)
    assert changes == []


async def test_the_winner_speaks_on_and_nothing_is_said_twice(speak: Speak) -> None:
    adapter = fallback(Speaker(pause(0.7)), Speaker(pause(0.1)), hedge=0.5)
    text, _ = await said(speak, adapter)
    await adapter.aclose()

    assert text.replace(" ", "") == TEXT.replace(" ", "")


async def test_the_slow_one_wins_if_it_is_sooner_than_the_second(speak: Speak) -> None:
    first, second = Speaker(pause(0.6), None), Speaker(pause(1.0))
    adapter = fallback(first, second, hedge=0.5)
    _, seconds = await said(speak, adapter, SENTENCES[0])
    ears = Ears.on(adapter)
    await adapter.aclose()

    assert seconds == pytest.approx(0.6, abs=0.002)
    assert second.attempts == 1
    assert ears.metrics == []


async def test_the_loser_is_cancelled_and_its_characters_are_counted(speak: Speak) -> None:
    first, second = Speaker(stall()), Speaker()
    adapter = fallback(first, second, hedge=0.5)
    ears = Ears.on(adapter)
    await said(speak, adapter, SENTENCES[0])
    await asyncio.sleep(0.01)
    await adapter.aclose()

    told = sorted((metrics.hedged, metrics.cancelled, metrics.characters_count) for metrics in ears.metrics)
    assert told == [(False, False, len(SENTENCES[0])), (True, True, len(SENTENCES[0]))]


async def test_an_empty_frame_is_no_audio(speak: Speak) -> None:
    first = Speaker(stall(), characters=5)
    first.frames = lambda text: iter(())  # type: ignore[method-assign]
    adapter = fallback(first, Speaker(), hedge=0.5)
    text, seconds = await said(speak, adapter, SENTENCES[0])
    await adapter.aclose()

    assert text == SENTENCES[0]
    assert seconds == pytest.approx(0.5, abs=0.01)


async def test_a_winner_that_breaks_leaves_the_broken_sentence_to_whoever_had_lost(speak: Speak) -> None:
    first = Speaker(pause(0.6), None)
    adapter = fallback(first, Speaker(Fault(1)), hedge=0.5)
    text, _ = await said(speak, adapter, SENTENCES[0])
    await adapter.aclose()

    assert text.endswith(SENTENCES[0])
    assert first.attempts == 2


async def test_one_that_is_slower_three_times_in_a_row_has_failed(speak: Speak) -> None:
    first, second = Speaker(stall()), Speaker()
    adapter = fallback(first, second, hedge=0.5)
    changes = changes_of(adapter)
    for _ in range(LOSSES_IN_A_ROW):
        assert changes == []
        await said(speak, adapter, SENTENCES[0])
    assert changes == [(first, False)]
    _, seconds = await said(speak, adapter, SENTENCES[0])
    await adapter.aclose()

    assert seconds < 0.01


async def test_what_is_slow_is_learnt(speak: Speak) -> None:
    first, second = Speaker(*([pause(0.2)] * LEAST_TIMES), pause(5.0)), Speaker()
    adapter = fallback(first, second, hedge=True)
    for _ in range(LEAST_TIMES):
        await said(speak, adapter, SENTENCES[0])
    assert second.attempts == 0
    _, seconds = await said(speak, adapter, SENTENCES[0])
    await adapter.aclose()

    assert second.attempts == 1
    assert seconds == pytest.approx(0.2, abs=0.01)


async def test_segments_stay_whole_whoever_speaks() -> None:
    adapter = fallback(Speaker(stall()), Speaker(), hedge=0.5)
    audio = await read(push(adapter.stream(), *SENTENCES))
    await adapter.aclose()

    assert len(segments(audio)) == len(SENTENCES)


async def test_closing_ends_both() -> None:
    adapter = fallback(Speaker(stall()), Speaker(stall()), hedge=0.5, attempt_timeout=60)
    ears = Ears.on(adapter)
    stream = push(adapter.stream(), SENTENCES[0])
    await asyncio.sleep(1.0)
    await stream.aclose()
    await asyncio.sleep(0.01)
    await adapter.aclose()

    assert [(metrics.hedged, metrics.cancelled) for metrics in ears.metrics] == [(False, True)] * 2


async def test_a_time_that_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="hedge is -1"):
        fallback(Speaker(), hedge=-1)
