"""A speech whose model, synthesizer, recording or sink fails: what there was is heard, and it always ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from livekit import rtc
from tests.voice.speaking import ONCE, RATE, SPOKEN, Speaking, answer, pieces, within

from lk_agents.foundation.errors import APIConnectionError, APIError, APITimeoutError, PlayoutError, StreamInputError
from lk_agents.testing.audio import MemoryAudioOut
from lk_agents.testing.providers import Answer, Break, BreakKind, ScriptedTTS
from lk_agents.testing.providers.speech import tone
from lk_agents.voice.speech_handle import SpeechOutcome
from lk_agents.voice.stages import Stage

pytestmark = pytest.mark.usefixtures("lk_clock", "lk_no_leaks")

TWO_SENTENCES = "One two three. Four five six."


def refused() -> Exception:
    return APIConnectionError("scripted refusal", retryable=False)


@pytest.mark.parametrize("kind", list(BreakKind))
@pytest.mark.parametrize("position", [0, 1, 3, 6, 7])
async def test_whatever_the_model_does_it_ends_and_says_what_came(kind: BreakKind, position: int) -> None:
    text = TWO_SENTENCES + " Seven."
    pieces_given = text.split(" ")[:position]
    speaking = Speaking()
    breaks = [Break(position, kind, error=refused)]
    said = await speaking.say_to_the_end(answer(text, breaks=breaks))

    whole = kind is BreakKind.EMPTY or (kind is BreakKind.END and position == 7)
    expected = text if whole else " ".join(pieces_given)
    assert (said.full_text, said.played_text) == (expected, expected)
    assert speaking.told == ["ready", "silent"]
    if kind in (BreakKind.ERROR, BreakKind.STALL):
        assert (said.outcome, said.failed_part) == (SpeechOutcome.FAILED, "text")
        assert isinstance(said.error, APIError)
        assert isinstance(said.error, APITimeoutError) == (kind is BreakKind.STALL)
    else:
        assert said.outcome is (SpeechOutcome.FINISHED if expected else SpeechOutcome.EMPTY)
        assert said.error is None


@pytest.mark.parametrize("kind", list(BreakKind))
@pytest.mark.parametrize("position", [0.0, 0.5, 1.0])
async def test_whatever_the_synthesizer_does_it_ends_and_keeps_what_was_heard(kind: BreakKind, position: float) -> None:
    speaking = Speaking(ScriptedTTS(breaks=[Break(position, kind, error=refused)], conn_options=ONCE))
    said = await speaking.say_to_the_end(answer(TWO_SENTENCES))

    assert speaking.told == ["ready", "silent"]
    assert said.full_text == TWO_SENTENCES
    if kind is BreakKind.EMPTY:
        assert (said.outcome, said.played_text) == (SpeechOutcome.FINISHED, TWO_SENTENCES)
        return
    assert said.played_seconds == pytest.approx(position, abs=0.03)
    assert said.played_text == {0.0: "", 0.5: "One two", 1.0: "One two three."}[position]
    if kind is BreakKind.END and position:
        assert (said.outcome, said.error) == (SpeechOutcome.FINISHED, None)  # nobody says that it has failed
        return
    assert (said.outcome, said.failed_part) == (SpeechOutcome.FAILED, "audio")
    assert isinstance(said.error, APIError)


async def test_a_text_that_goes_on_behind_failed_audio_is_read_to_its_end_and_so_are_its_calls() -> None:
    speaking = Speaking(ScriptedTTS(breaks=[Break(0.0, error=refused)], conn_options=ONCE))
    said = await speaking.say_to_the_end(pieces(["One. ", "Two. ", "Three."], seconds=1.0))

    assert (said.full_text, said.played_text, said.outcome) == ("One. Two. Three.", "", SpeechOutcome.FAILED)


async def test_a_fault_of_the_estimate_is_not_made_of_audio_that_is_cut() -> None:
    class Mute(ScriptedTTS):
        def words_of(self, text: str) -> list[Any]:
            return []

    said = await Speaking(Mute(breaks=[Break(0.6, error=refused)], conn_options=ONCE)).say_to_the_end(SPOKEN)

    assert said.played_seconds == pytest.approx(0.6, abs=0.03)
    assert 1 <= len(said.played_text.split()) <= 3  # and not all of it, squeezed into 0.6 s


async def test_a_fault_that_may_be_retried_before_there_is_audio_is_not_noticed() -> None:
    tts = ScriptedTTS(breaks=[Break(0.0)])
    said = await Speaking(tts).say_to_the_end(SPOKEN)

    assert (said.outcome, tts.breaks.attempts) == (SpeechOutcome.FINISHED, 2)


async def test_a_source_of_the_program_that_fails_has_said_what_came_before() -> None:
    async def broken() -> Any:
        yield "One two."
        raise KeyError("a bug")

    said = await Speaking().say_to_the_end(broken())

    assert (said.played_text, said.outcome, said.failed_part) == ("One two.", SpeechOutcome.FAILED, "text")
    assert isinstance(said.error, KeyError)


def returns_none(text: object) -> Any:
    return None


def raises(text: object) -> Any:
    raise KeyError("a bug")


async def raises_later(text: object) -> Any:
    raise KeyError("a bug")


@pytest.mark.parametrize(
    ("before_tts", "error"), [(returns_none, ValueError), (raises, KeyError), (raises_later, KeyError)]
)
async def test_a_callback_that_fails_makes_no_audio_and_a_failed_speech(
    before_tts: Callable[[object], Any], error: type[Exception]
) -> None:
    speaking = Speaking()
    said = await speaking.say_to_the_end(answer(SPOKEN), before_tts=before_tts)

    assert (said.outcome, said.failed_part, said.played_text) == (SpeechOutcome.FAILED, "callback", "")
    assert isinstance(said.error, error)
    assert speaking.told == ["ready", "silent"]


async def test_changed_pieces_that_break_off_leave_what_came_to_be_heard() -> None:
    tts = ScriptedTTS()

    async def breaks_off(text: Any) -> Any:
        async for piece in text:
            yield piece
            raise KeyError("a bug")

    said = await Speaking(tts).say_to_the_end(pieces(["One. ", "Two."]), before_tts=breaks_off)

    assert tts.spoken == ["One. "]
    assert (said.outcome, said.failed_part, type(said.error)) == (SpeechOutcome.FAILED, "callback", KeyError)
    assert (said.played_text, said.full_text) == ("One.", "One. Two.")


async def unchanged(text: Any) -> Any:
    async for piece in text:
        yield piece


@pytest.mark.parametrize("position", [0.0, 0.5])
async def test_a_synthesizer_that_fails_behind_a_callback_is_to_blame_itself(position: float) -> None:
    tts = ScriptedTTS(breaks=[Break(position, error=refused)], conn_options=ONCE)
    said = await Speaking(tts).say_to_the_end(answer(TWO_SENTENCES), before_tts=unchanged)

    assert (said.outcome, said.failed_part) == (SpeechOutcome.FAILED, "audio")
    assert isinstance(said.error, APIConnectionError)


async def test_a_speech_that_is_stopped_while_its_callback_waits_has_not_failed() -> None:
    async def waits(text: object) -> Any:
        await asyncio.Event().wait()

    speaking = Speaking()
    said = speaking.say(SPOKEN, before_tts=waits)
    await asyncio.sleep(1.0)
    await said.aclose()

    assert (said.error, said.failed_part) == (None, None)


async def test_more_text_than_a_synthesizer_holds_is_an_error_and_not_silence() -> None:
    speaking = Speaking()
    said = speaking.say("a" * 70_000)
    await within(speaking.ready.wait())
    said.play()
    await within(speaking.silent.wait())

    assert said.outcome is SpeechOutcome.FAILED
    assert isinstance(said.error, StreamInputError)
    await said.aclose()


async def test_a_synthesizer_that_takes_no_pieces_is_a_failed_speech() -> None:
    said = await Speaking(ScriptedTTS(streaming=False)).say_to_the_end(SPOKEN)

    assert (said.outcome, type(said.error)) == (SpeechOutcome.FAILED, NotImplementedError)


async def test_a_recording_that_cannot_be_read_blocks_nothing() -> None:
    def missing() -> Iterator[rtc.AudioFrame]:
        yield from ()
        raise FileNotFoundError("filler.wav")

    speaking = Speaking()
    said = await speaking.say_to_the_end("One moment.", audio=missing())

    assert (said.outcome, said.failed_part, said.played_text) == (SpeechOutcome.FAILED, "audio", "")
    assert isinstance(said.error, FileNotFoundError)


async def test_a_sink_that_fails_ends_the_speech_with_what_was_heard() -> None:
    class Broken(MemoryAudioOut):
        async def capture_frame(self, frame: Any) -> None:
            if self.position() > 0.5:
                raise ConnectionError("unplugged")
            await super().capture_frame(frame)

    speaking = Speaking()
    speaking.sink = Broken(RATE)
    said = await speaking.say_to_the_end(answer(Answer(SPOKEN, piece_seconds=1.0)))

    assert (said.outcome, said.failed_part, type(said.error)) == (SpeechOutcome.FAILED, "playout", PlayoutError)
    assert said.played_text
    assert speaking.told == ["ready", "silent"]


async def test_the_first_fault_counts() -> None:
    speaking = Speaking(ScriptedTTS(breaks=[Break(0.0, error=refused)], conn_options=ONCE))
    source = answer(Answer(TWO_SENTENCES, piece_seconds=0.5), breaks=[Break(3, error=refused)])
    said = await speaking.say_to_the_end(source)

    assert said.failed_part == "text"  # it breaks off before the synthesizer is told that the text has ended


async def test_a_failed_speech_that_is_cut_stays_failed() -> None:
    speaking = Speaking()
    said = speaking.say(answer(SPOKEN, breaks=[Break(8, error=refused)]))
    said.play()
    await asyncio.sleep(1.0)
    said.stop()
    await said.aclose()

    assert (said.outcome, said.interrupted) == (SpeechOutcome.FAILED, True)
    assert said.played_text


async def test_a_recording_is_no_longer_than_its_frames_even_where_some_are_empty() -> None:
    frames = [tone(0, RATE), tone(480, RATE), tone(0, RATE), tone(480, RATE)]
    speaking = Speaking()
    said = await speaking.say_to_the_end("Hm", audio=frames)

    assert said.played_seconds == pytest.approx(0.04)
    assert Stage.FIRST_AUDIO in said.stages
