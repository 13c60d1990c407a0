"""A speech that is cut: at any moment of it, and at every moment before it is heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tests.voice.speaking import RATE, SPOKEN, Speaking, answer, pieces, true_words, within

from lk_agents.streams.words import TimedWord
from lk_agents.testing import VirtualClock
from lk_agents.testing.providers import Answer, ScriptedTTS
from lk_agents.testing.providers.speech import tone
from lk_agents.tokenize import basic
from lk_agents.tts import StreamAdapter, SynthesizeStream
from lk_agents.voice.speech_handle import SpeechOutcome
from lk_agents.voice.stages import Stage
from lk_agents.voice.utterance import Utterance

pytestmark = pytest.mark.usefixtures("lk_clock", "lk_no_leaks")

EVEN = "Now we talk and talk and talk with words that are all short and go on and on till the end is near"
"""Each word has one syllable, so that its length in time is even if each word takes the same time."""
WORD_SECONDS = 0.25


class Mute(ScriptedTTS):
    """Does not tell when words are spoken."""

    def words_of(self, text: str) -> list[TimedWord]:
        return []


async def cut_at(moment_ms: int, tts: Any, text: str) -> Utterance:
    """Say a text, and cut it when so much of it was heard."""
    speaking = Speaking(tts)
    said = speaking.say(text)
    await within(speaking.ready.wait())
    said.play()
    await asyncio.sleep(moment_ms / 1000)
    said.stop()
    heard = said.played_text
    await within(speaking.silent.wait())
    await said.aclose()
    assert said.played_text == heard
    assert text.startswith(heard)
    assert said.played_seconds == speaking.played_seconds
    assert said.played_seconds == pytest.approx(moment_ms / 1000, abs=0.001)
    return said


async def cut_everywhere(last_ms: int, tts: Callable[[], Any], text: str, *, every_ms: int = 100) -> list[Utterance]:
    """Cut a text at one moment after the other, each time anew."""
    return await asyncio.gather(*(cut_at(moment_ms, tts(), text) for moment_ms in range(0, last_ms, every_ms)))


async def test_by_the_times_of_words_exactly_those_are_kept_that_were_played() -> None:
    tts = ScriptedTTS()
    for said in await cut_everywhere(5_600, ScriptedTTS, SPOKEN):
        assert said.alignment == "words"
        assert len(said.played_text.split()) == true_words(said.played_seconds, SPOKEN, tts), said.played_seconds


@pytest.mark.parametrize("kind", ["streamed", "by sentence", "late"])
async def test_by_estimate_they_are_known_to_within_a_word_where_the_voice_is_even(kind: str) -> None:
    def tts() -> Any:
        voice = Mute(seconds_per_character=WORD_SECONDS * len(EVEN.split()) / len(EVEN), streaming=kind == "streamed")
        voice.speed = 1.1 if kind == "late" else 0
        return voice if kind == "streamed" else StreamAdapter(tts=voice, sentence_tokenizer=basic.SentenceTokenizer())

    for said in await cut_everywhere(5_700, tts, EVEN):
        assert said.alignment == "estimate"
        truth = said.played_seconds / WORD_SECONDS
        slack = 1.5 if kind == "late" else 1.0  # only the common speed of speech is known while the audio comes
        assert abs(len(said.played_text.split()) - truth) <= slack, said.played_seconds


async def test_sentences_that_are_spoken_one_by_one_limit_the_error_of_the_estimate() -> None:
    quick, slow = "One two three four five six.", "Seven eight nine ten eleven twelve."
    frames = {quick: 1.5, slow: 6.0}

    class Uneven(Mute):
        def seconds_of(self, text: str) -> float:
            return frames[text]

    def tts() -> Any:
        return StreamAdapter(tts=Uneven(streaming=False), sentence_tokenizer=basic.SentenceTokenizer())

    for said in await cut_everywhere(8_900, tts, f"{quick} {slow} {quick}", every_ms=300):
        at = said.played_seconds
        truth = min(at / 1.5, 1) * 6 + min(max(at - 1.5, 0) / 6.0, 1) * 6 + min(max(at - 7.5, 0) / 1.5, 1) * 6
        assert abs(len(said.played_text.split()) - truth) <= 1.5, at
        assert said.played_text.startswith(quick) == (at > 1.375), at


async def test_it_may_be_stopped_in_the_moment_in_which_it_is_made() -> None:
    speaking = Speaking()
    source = answer(SPOKEN)
    said = speaking.say(source)
    said.stop()
    await said.aclose()

    assert (said.outcome, said.interrupted, said.played_text) == (SpeechOutcome.CANCELLED, True, "")
    assert (speaking.told, speaking.played_seconds) == (["silent"], 0.0)
    with pytest.raises(RuntimeError, match="was stopped"):
        said.play()


async def drop_at(moment_ms: int) -> None:
    tts = ScriptedTTS(first_seconds=0.3)
    speaking = Speaking(tts)
    said = speaking.say(answer(Answer("One two three.", first_seconds=0.2, piece_seconds=0.2)))
    await asyncio.sleep(moment_ms / 1000)
    said.stop()
    said.stop()
    attempts = tts.breaks.attempts
    await within(speaking.silent.wait())
    await said.aclose()

    assert (said.outcome, said.played_text, speaking.played_seconds) == (SpeechOutcome.CANCELLED, "", 0.0)
    assert speaking.told == (["silent"] if moment_ms <= 900 else ["ready", "silent"])
    assert tts.breaks.attempts == attempts
    assert said.error is None


async def test_before_it_is_heard_it_is_cancelled_at_any_moment_and_nobody_is_asked_further() -> None:
    await asyncio.gather(*(drop_at(moment_ms) for moment_ms in range(0, 1_500, 50) if moment_ms != 900))


async def test_between_the_last_token_and_the_first_audio_it_ends_at_once(lk_clock: VirtualClock) -> None:
    speaking = Speaking(ScriptedTTS(first_seconds=5.0))
    said = speaking.say(answer(Answer("One two.", piece_seconds=0.1)))
    said.play()
    await asyncio.sleep(1.0)
    assert said.full_text == "One two."
    said.stop()
    await within(speaking.silent.wait())

    assert lk_clock.monotonic() == pytest.approx(1.0)
    assert (said.outcome, said.played_text) == (SpeechOutcome.INTERRUPTED, "")
    assert Stage.FIRST_PLAYED not in said.stages
    await said.aclose()


async def test_the_pieces_of_the_program_are_closed_when_it_is_cut() -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncIterator[str]:
        try:
            while True:
                await asyncio.sleep(0.1)
                yield "word "
        finally:
            closed.set()

    speaking = Speaking()
    said = speaking.say(endless())
    await asyncio.sleep(1.0)
    said.stop()
    await said.aclose()

    assert closed.is_set()


async def test_pieces_that_were_never_read_are_closed_too() -> None:
    source = pieces(["a"])
    said = Speaking().say(source)
    said.stop()
    await said.aclose()

    with pytest.raises(StopAsyncIteration):
        await anext(source)


async def test_a_paused_speech_that_is_cut_keeps_what_was_heard_before_the_pause() -> None:
    speaking = Speaking()
    said = speaking.say(SPOKEN)
    said.play()
    await asyncio.sleep(2.0)
    said.pause()
    heard = said.played_text
    await asyncio.sleep(1.0)
    said.stop()
    await said.aclose()

    assert heard
    assert (said.played_text, said.outcome) == (heard, SpeechOutcome.INTERRUPTED)


async def test_nothing_happens_when_it_is_stopped_after_its_end() -> None:
    speaking = Speaking()
    said = await speaking.say_to_the_end("Hello")
    said.stop()
    said.pause()
    said.resume()

    assert (said.outcome, said.interrupted, speaking.told) == (SpeechOutcome.FINISHED, False, ["ready", "silent"])


async def test_a_recording_that_is_cut_ends_at_once() -> None:
    speaking = Speaking()
    said = speaking.say("One two three four five six.", audio=(tone(480, RATE) for _ in range(100)))
    said.play()
    await asyncio.sleep(1.01)
    said.stop()
    await said.aclose()

    assert said.played_seconds == pytest.approx(1.0, abs=0.03)
    assert said.played_text == "One two three"


async def test_the_transcript_of_a_speech_that_is_cut_stays_where_it_was() -> None:
    speaking = Speaking()
    said = speaking.say(SPOKEN)
    said.play()
    await asyncio.sleep(1.0)
    said.stop()
    await said.aclose()
    await asyncio.sleep(5.0)

    assert not speaking.text_io.shown[-1].final
    assert speaking.text_io.shown[-1].text == said.played_text


async def test_a_provider_that_does_not_end_keeps_silence_from_nobody(lk_clock: VirtualClock) -> None:
    class Stubborn(ScriptedTTS):
        def stream(self, **options: Any) -> SynthesizeStream:
            stream = super().stream(**options)
            close = stream.aclose

            async def slow() -> None:
                await close()
                await asyncio.sleep(4.0)

            vars(stream)["aclose"] = slow
            return stream

    speaking = Speaking(Stubborn(speed=1.0))
    said = speaking.say(SPOKEN)
    said.play()
    await asyncio.sleep(1.0)
    said.stop()
    await within(speaking.silent.wait())
    assert lk_clock.monotonic() == pytest.approx(1.0)
    await said.aclose()
    assert lk_clock.monotonic() == pytest.approx(5.0)
