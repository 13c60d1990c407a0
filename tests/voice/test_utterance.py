"""A speech from its source to what was heard of it, when nothing goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from livekit import rtc
from tests.voice.speaking import ONCE, RATE, SPOKEN, Speaking, answer, pieces, true_words, within

from lk_agents.llm import ChatChunk, ChatContext, Choice, ChoiceDelta, FunctionContext, LLMStream
from lk_agents.testing import VirtualClock
from lk_agents.testing.providers import Answer, ScriptedLLM, ScriptedTTS
from lk_agents.testing.providers.speech import tone
from lk_agents.tokenize import basic
from lk_agents.tts import StreamAdapter
from lk_agents.voice.speech_handle import SpeechOutcome
from lk_agents.voice.stages import Stage
from lk_agents.voice.transcription_options import AgentTranscriptionOptions
from lk_agents.voice.utterance import Utterance

pytestmark = pytest.mark.usefixtures("lk_clock", "lk_no_leaks")


class Tools(FunctionContext):
    """What a scripted model may call."""


@pytest.fixture
def functions() -> FunctionContext:
    tools = Tools()

    @tools.ai_callable(description="")
    def look() -> str:
        return "seen"

    return tools


async def test_a_text_is_heard_whole_and_then_it_is_silent_once() -> None:
    speaking = Speaking()
    said = await speaking.say_to_the_end(SPOKEN)

    assert speaking.told == ["ready", "silent"]
    assert (said.outcome, said.is_complete, said.error) == (SpeechOutcome.FINISHED, True, None)
    assert (said.played_text, said.full_text, said.alignment) == (SPOKEN, SPOKEN, "words")
    assert said.played_seconds == pytest.approx(len(SPOKEN) * 0.06)
    assert speaking.told_at["silent"] == pytest.approx(len(SPOKEN) * 0.06, abs=0.002)


async def test_audio_is_made_before_it_is_played_and_nothing_is_heard_until_then(lk_clock: VirtualClock) -> None:
    speaking = Speaking(ScriptedTTS(first_seconds=0.3))
    said = speaking.say(SPOKEN)
    await asyncio.sleep(1.0)

    assert (speaking.told, speaking.played_seconds) == (["ready"], 0.0)
    assert speaking.told_at["ready"] == pytest.approx(0.3)
    assert (said.has_audio, said.validated, said.played_text) == (True, False, "")

    said.play()
    await within(speaking.silent.wait())
    assert speaking.told_at[Stage.FIRST_PLAYED] == pytest.approx(1.0)
    assert lk_clock.monotonic() == pytest.approx(1.0 + len(SPOKEN) * 0.06, abs=0.002)
    await said.aclose()


async def test_an_answer_is_spoken_while_it_still_comes() -> None:
    speaking = Speaking(StreamAdapter(tts=ScriptedTTS(streaming=False), sentence_tokenizer=basic.SentenceTokenizer()))
    said = speaking.say(answer(Answer(SPOKEN, piece_seconds=0.5)))
    said.play()
    await within(speaking.silent.wait())

    assert speaking.told_at[Stage.FIRST_PLAYED] < speaking.told_at[Stage.LLM_REQUESTED] + 6.0
    assert (said.outcome, said.played_text) == (SpeechOutcome.FINISHED, SPOKEN)
    await said.aclose()


async def test_the_stages_of_an_answer_are_told_once_each_at_their_moment() -> None:
    speaking = Speaking(ScriptedTTS(first_seconds=0.25))
    text = "One two three. Four five."
    said = speaking.say(answer(Answer(text, first_seconds=0.4, piece_seconds=0.1)))
    await within(speaking.ready.wait())
    await asyncio.sleep(0.35)
    said.play()
    await within(speaking.silent.wait())

    moments = [(stage, round(said.stages[stage], 2)) for stage in speaking.stages]
    assert moments == [
        (Stage.LLM_REQUESTED, 0.0),
        (Stage.FIRST_TOKEN, 0.4),
        (Stage.TTS_REQUESTED, 0.4),
        (Stage.FIRST_SENTENCE, 0.7),  # with the blank behind it
        (Stage.TEXT_COMPLETE, 0.8),
        (Stage.FIRST_AUDIO, 1.05),
        (Stage.FIRST_PLAYED, 1.4),
        (Stage.LAST_PLAYED, 2.9),
    ]
    assert said.first_audio_at == pytest.approx(1.05)
    await said.aclose()


async def test_a_text_of_the_program_has_no_first_token() -> None:
    speaking = Speaking()
    await speaking.say_to_the_end("Hello")

    assert Stage.FIRST_TOKEN not in speaking.stages
    assert Stage.LLM_REQUESTED not in speaking.stages
    assert Stage.FIRST_SENTENCE in speaking.stages


@pytest.mark.parametrize("text", ["", "   \n", "\U0001f44d \U0001f600", "**\n---\n- _", "...!?"])
async def test_what_cannot_be_spoken_opens_no_synthesis_and_is_empty_at_once(text: str) -> None:
    tts = ScriptedTTS()
    speaking = Speaking(tts)
    said = speaking.say(text)
    await within(speaking.ready.wait())
    assert (speaking.told, speaking.told_at["ready"], said.has_audio) == (["ready"], 0.0, False)

    said.play()
    await within(speaking.silent.wait())
    assert (said.outcome, said.played_text, said.error) == (SpeechOutcome.EMPTY, "", None)
    assert (tts.breaks.attempts, speaking.told) == (0, ["ready", "silent"])
    await said.aclose()


async def test_a_beginning_that_cannot_be_spoken_is_spoken_with_what_follows() -> None:
    tts = ScriptedTTS()
    await Speaking(tts).say_to_the_end(pieces(["** ", "\U0001f44d ", "Good", " day"]))

    assert tts.spoken == ["** \U0001f44d Good day"]


async def test_what_is_spoken_may_be_changed_and_what_is_shown_stays() -> None:
    tts = ScriptedTTS()
    speaking = Speaking(tts)
    said = await speaking.say_to_the_end("Five km.", before_tts=lambda text: "Five kilometres.")

    assert tts.spoken == ["Five kilometres."]
    assert (said.played_text, speaking.text_io.shown[-1].text) == ("Five km.", "Five km.")


async def test_pieces_of_text_may_be_changed_one_by_one_by_async_code() -> None:
    tts = ScriptedTTS()

    async def louder(text: Any) -> AsyncIterator[str]:
        async def changed() -> AsyncIterator[str]:
            async for piece in text:
                yield piece.upper()

        await asyncio.sleep(0.1)
        return changed()

    said = await Speaking(tts).say_to_the_end(pieces(["one ", "two"]), before_tts=louder)

    assert (tts.spoken, said.played_text) == (["ONE TWO"], "one two")


async def test_a_text_that_replaces_the_pieces_leaves_them_to_the_transcript() -> None:
    tts = ScriptedTTS()
    said = await Speaking(tts).say_to_the_end(pieces(["x "] * 2_000), before_tts=lambda text: "Something else.")

    assert tts.spoken == ["Something else."]
    assert said.full_text == "x " * 2_000


async def test_it_is_over_when_its_text_is_although_its_audio_was_before() -> None:
    speaking = Speaking()
    said = speaking.say(pieces(["One. ", "Two. ", "Three."], seconds=1.0), before_tts=lambda text: "Hm.")
    said.play()
    await within(speaking.silent.wait())

    assert speaking.told_at["silent"] == pytest.approx(3.0)
    assert (said.full_text, said.played_text) == ("One. Two. Three.", "One. Two. Three.")
    await said.aclose()


async def test_the_transcript_is_shown_in_step_with_what_is_heard() -> None:
    speaking = Speaking()
    await speaking.say_to_the_end("One two three.")

    texts = [segment.text for segment in speaking.text_io.published]
    assert texts == ["One", "One two", "One two three", "One two three."]
    assert {(s.participant, s.track) for s in speaking.text_io.published} == {("agent", "TR_agent")}
    assert speaking.text_io.published_at[0] == pytest.approx(0.09, abs=0.03)


async def test_what_was_heard_is_known_although_it_is_not_shown() -> None:
    speaking = Speaking()
    speaking.transcription = AgentTranscriptionOptions(agent_transcription=False)
    said = await speaking.say_to_the_end(SPOKEN)

    assert (said.played_text, speaking.text_io.published) == (SPOKEN, [])


def fails(*_: object) -> Any:
    raise KeyError("a bug")


class BrokenTokenizer(basic.SentenceTokenizer):
    """Cuts nothing."""

    def stream(self, **options: Any) -> Any:
        return fails()


class BrokenStream(basic.SentenceTokenizer):
    """Cuts nothing, and says so late."""

    def stream(self, **options: Any) -> Any:
        stream = super().stream(**options)
        vars(stream)["push_text"] = fails
        return stream


@pytest.mark.parametrize(
    "broken",
    [
        {"sentence_tokenizer": BrokenTokenizer()},
        {"sentence_tokenizer": BrokenStream()},
        {"hyphenate_word": fails},
    ],
    ids=["at once", "late", "hyphenation"],
)
@pytest.mark.parametrize("mute", [False, True])
async def test_whatever_cannot_be_shown_is_heard_and_known(broken: dict[str, Any], mute: bool) -> None:
    tts = ScriptedTTS()
    if mute:
        vars(tts)["words_of"] = lambda text: []
    speaking = Speaking(tts)
    speaking.transcription = AgentTranscriptionOptions(**broken)
    said = speaking.say(SPOKEN)
    said.play()
    await asyncio.sleep(2.0)
    assert said.played_text
    await within(speaking.silent.wait())
    await said.aclose()

    assert (said.outcome, said.played_text) == (SpeechOutcome.FINISHED, SPOKEN)


async def test_it_ends_although_whoever_is_told_fails() -> None:
    speaking = Speaking()
    said = Utterance("Hello", voice=speaking.voice, on_silent=fails)
    said.play()
    await asyncio.sleep(1.0)
    await said.aclose()

    assert said.outcome is SpeechOutcome.FINISHED


async def test_only_the_first_of_several_answers_is_said() -> None:
    class Two(LLMStream):
        async def _run(self) -> None:
            choices = [Choice(ChoiceDelta("assistant", text), index) for index, text in enumerate(["One two.", "No."])]
            self._event_ch.send_nowait(ChatChunk("request", choices))

    source = Two(ScriptedLLM(), chat_ctx=ChatContext(), fnc_ctx=None, conn_options=ONCE)
    said = await Speaking().say_to_the_end(source)

    assert said.full_text == "One two."


async def test_calls_are_seen_at_once_and_known_when_it_is_silent(functions: FunctionContext) -> None:
    speaking = Speaking()
    source = answer(Answer("Let me look.", calls=[("look", {}), ("look", {})], piece_seconds=0.1), fnc_ctx=functions)
    said = speaking.say(source)
    said.play()
    await within(speaking.silent.wait())

    assert speaking.told == ["call", "ready", "silent"]
    assert speaking.told_at["call"] == pytest.approx(0.3)
    assert said.has_function_calls
    assert [call.function_info.name for call in said.function_calls] == ["look", "look"]
    await said.aclose()


async def test_an_answer_of_calls_alone_is_empty_and_known_to_be_so(functions: FunctionContext) -> None:
    tts = ScriptedTTS()
    speaking = Speaking(tts)
    said = speaking.say(answer(Answer(calls=[("look", {})], first_seconds=0.2), fnc_ctx=functions))
    await within(speaking.ready.wait())
    assert speaking.told_at["ready"] == pytest.approx(0.2)
    assert not said.has_audio

    said.play()
    await within(speaking.silent.wait())
    assert (said.outcome, len(said.function_calls), tts.breaks.attempts) == (SpeechOutcome.EMPTY, 1, 0)
    await said.aclose()


async def test_a_recording_is_played_without_a_synthesizer() -> None:
    tts = ScriptedTTS()
    speaking = Speaking(tts)
    frames = [tone(480, RATE) for _ in range(100)]
    said = await speaking.say_to_the_end("One moment please.", audio=frames)

    assert (tts.breaks.attempts, said.outcome) == (0, SpeechOutcome.FINISHED)
    assert (said.played_text, said.alignment) == ("One moment please.", "estimate")
    assert len(speaking.sink.played_audio) == 100 * 480 * 2


async def test_others_get_their_turn_while_a_long_recording_is_taken() -> None:
    turns: list[float] = []

    def recording() -> Iterator[rtc.AudioFrame]:
        for number in range(1_000):
            turns.append(number)
            yield tone(480, RATE)

    said = Speaking().say("", audio=recording())
    seen = set()
    for _ in range(10):
        await asyncio.sleep(0)
        seen.add(len(turns))
    await said.aclose()

    assert len(seen) > 3


async def test_a_recording_without_text_is_heard_and_says_nothing() -> None:
    async def recording() -> AsyncIterator[rtc.AudioFrame]:
        for _ in range(50):
            yield tone(480, RATE)

    said = await Speaking().say_to_the_end("", audio=recording())

    assert (said.outcome, said.played_text) == (SpeechOutcome.FINISHED, "")
    assert said.played_seconds == pytest.approx(1.0)


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (48_000, 2), (24_000, 2), (8_000, 1)])
async def test_audio_of_another_kind_than_the_sink_plays_is_heard_as_long(rate: int, channels: int) -> None:
    speaking = Speaking(ScriptedTTS(sample_rate=rate, num_channels=channels))
    said = await speaking.say_to_the_end("Hello my friend, it is me.")

    assert said.played_text == "Hello my friend, it is me."
    assert said.played_seconds == pytest.approx(26 * 0.06, abs=0.03)


async def test_one_channel_is_heard_on_both_of_a_stereo_sink() -> None:
    speaking = Speaking(ScriptedTTS(), channels=2)
    await speaking.say_to_the_end("Hi!")

    samples = memoryview(speaking.sink.played_audio).cast("h")
    assert samples[0::2].tolist() == samples[1::2].tolist()
    assert max(samples) > 1_000


async def test_a_pause_goes_on_at_the_last_word_and_nothing_is_lost(lk_clock: VirtualClock) -> None:
    speaking = Speaking()
    said = speaking.say(SPOKEN)
    said.play()
    await asyncio.sleep(1.5)
    said.pause()
    said.pause()
    at = speaking.played_seconds
    await asyncio.sleep(3.0)
    assert (speaking.played_seconds, said.played_seconds) == (at, at)
    assert len(said.played_text.split()) == true_words(at, SPOKEN, speaking.tts)

    said.resume()
    await within(speaking.silent.wait())
    assert (said.outcome, said.played_text) == (SpeechOutcome.FINISHED, SPOKEN)
    assert lk_clock.monotonic() == pytest.approx(len(SPOKEN) * 0.06 + 3.0, abs=0.5)
    await said.aclose()


async def test_a_pause_before_it_is_played_does_not_keep_it_from_being_heard() -> None:
    speaking = Speaking()
    said = speaking.say("Hello")
    said.pause()
    said.resume()
    assert speaking.told == []
    said.play()
    await within(speaking.silent.wait())
    assert said.outcome is SpeechOutcome.FINISHED
    await said.aclose()


async def test_not_more_than_half_a_minute_gathers_before_it_is_played() -> None:
    tts = ScriptedTTS(seconds_per_character=1.0)
    said = Speaking(tts).say("a" * 100)
    await asyncio.sleep(5.0)

    assert said.prepared_seconds == pytest.approx(30.0, abs=0.1)
    await said.aclose()


async def test_two_are_prepared_at_the_same_time_and_heard_one_after_the_other() -> None:
    speaking = Speaking(ScriptedTTS(first_seconds=0.5))
    first = speaking.say("One two.")
    second = speaking.say("Three four.")
    await asyncio.sleep(0.6)
    first.play()
    await within(speaking.silent.wait())
    at = speaking.played_seconds
    second.play()
    await asyncio.sleep(len("Three four.") * 0.06 + 0.01)

    assert (first.outcome, second.outcome) == (SpeechOutcome.FINISHED, SpeechOutcome.FINISHED)
    assert at == pytest.approx(8 * 0.06)
    assert speaking.played_seconds == pytest.approx(19 * 0.06)
    await first.aclose()
    await second.aclose()
