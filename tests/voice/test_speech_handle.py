"""What a program sees of one speech, from its making to its one end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.voice.speaking import SPOKEN, Speaking, within

from lk_agents.testing import VirtualClock
from lk_agents.voice.signals import SpeechKind
from lk_agents.voice.speech_handle import AnsweredCalls, SpeechHandle, SpeechOutcome

pytestmark = pytest.mark.usefixtures("lk_clock", "lk_no_leaks")


class Desk:
    """Makes handles, and writes down whose end is asked for."""

    def __init__(self) -> None:
        self.cancelled: list[tuple[str, bool]] = []

    def handle(self, id: str = "one", kind: SpeechKind = SpeechKind.SAY, **options: Any) -> SpeechHandle:
        return SpeechHandle(id=id, kind=kind, cancel=self._cancel, **options)

    def _cancel(self, speech: SpeechHandle, with_nested: bool) -> None:
        self.cancelled.append((speech.id, with_nested))


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_it_tells_what_it_was_made_with(desk: Desk) -> None:
    reply = desk.handle("r", SpeechKind.REPLY, user_question="Why?", allow_interruptions=False, add_to_chat_ctx=False)
    assert (reply.id, reply.kind, reply.is_reply, reply.user_question) == ("r", SpeechKind.REPLY, True, "Why?")
    assert (reply.allow_interruptions, reply.add_to_chat_ctx) == (False, False)
    assert (reply.fnc_nested_depth, reply.extra_tools_messages, reply.fnc_text_message_id) == (0, [], None)
    assert (reply.user_committed, reply.speech_committed, reply.tools_committed) == (False, False, False)

    answer = desk.handle("a", SpeechKind.ANSWER, answers=AnsweredCalls(depth=2, messages=[], text_message_id="m"))
    assert (answer.is_reply, answer.fnc_nested_depth, answer.fnc_text_message_id) == (False, 2, "m")


@pytest.mark.parametrize("outcome", list(SpeechOutcome))
async def test_everybody_who_waits_for_it_learns_how_it_ended(desk: Desk, outcome: SpeechOutcome) -> None:
    speech = desk.handle()
    waiting = [asyncio.ensure_future(speech.join()), asyncio.ensure_future(_awaited(speech))]
    await asyncio.sleep(1.0)
    assert (speech.done, speech.outcome) == (False, None)
    assert not any(each.done() for each in waiting)

    speech.finish(outcome)
    assert await asyncio.gather(*waiting) == [outcome, outcome]
    assert (await speech, await speech.join(), speech.outcome, speech.done) == (outcome, outcome, outcome, True)


async def _awaited(speech: SpeechHandle) -> SpeechOutcome:
    return await speech


async def test_a_second_end_is_a_mistake_and_changes_nothing(desk: Desk) -> None:
    speech = desk.handle()
    speech.finish(SpeechOutcome.FINISHED)
    with pytest.raises(RuntimeError, match="ends as failed, and has ended as finished before"):
        speech.finish(SpeechOutcome.FAILED, error=ValueError("late"))

    assert (speech.outcome, speech.error) == (SpeechOutcome.FINISHED, None)


async def test_whoever_stops_waiting_does_not_end_the_waiting_of_others(desk: Desk) -> None:
    speech = desk.handle()
    waiting = [asyncio.ensure_future(speech.join()) for _ in range(2)]
    playout = [asyncio.ensure_future(speech.wait_for_playout()) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    playout[0].cancel()
    await asyncio.sleep(0)
    speech.finish(SpeechOutcome.FINISHED)

    assert await waiting[1] is SpeechOutcome.FINISHED
    await playout[1]
    assert waiting[0].cancelled()
    assert playout[0].cancelled()


async def test_the_end_of_its_audio_comes_before_the_end_of_what_belongs_to_it(
    desk: Desk, lk_clock: VirtualClock
) -> None:
    speech = desk.handle()
    loop = asyncio.get_running_loop()
    loop.call_later(1.0, speech.mark_playout_done)
    loop.call_later(3.0, speech.finish, SpeechOutcome.FINISHED)

    await within(speech.wait_for_playout())
    assert (lk_clock.monotonic(), speech.done) == (1.0, False)
    await within(speech.join())
    assert lk_clock.monotonic() == 3.0


async def test_one_that_ends_without_audio_keeps_nobody_waiting_for_it(desk: Desk) -> None:
    speech = desk.handle()
    speech.finish(SpeechOutcome.CANCELLED)
    await within(speech.wait_for_playout())
    speech.mark_playout_done()


async def test_its_end_is_asked_for_once(desk: Desk) -> None:
    speech = desk.handle()
    assert not speech.interrupted
    speech.interrupt()
    speech.interrupt()
    speech.cancel()

    assert (desk.cancelled, speech.interrupted, speech.done) == ([("one", False)], True, False)


async def test_what_may_not_be_interrupted_can_be_cancelled_all_the_same(desk: Desk) -> None:
    speech = desk.handle(allow_interruptions=False)
    with pytest.raises(RuntimeError, match="allow_interruptions=False"):
        speech.interrupt()
    assert desk.cancelled == []

    speech.cancel()
    assert desk.cancelled == [("one", False)]


async def test_nobody_is_asked_to_end_what_is_over(desk: Desk) -> None:
    speech = desk.handle()
    speech.finish(SpeechOutcome.FINISHED)
    speech.interrupt()

    assert (desk.cancelled, speech.interrupted) == ([], False)


async def test_those_under_it_end_with_it_if_that_is_wanted(desk: Desk) -> None:
    top, middle, bottom = (desk.handle(name) for name in ("top", "middle", "bottom"))
    assert top.nested_speech_done
    top.add_nested_speech(middle)
    middle.add_nested_speech(bottom)
    assert (top.nested_speech_handles, top.nested_speech_done) == ([middle], False)
    assert top.nested_speech_changed.is_set()

    top.cancel()
    assert desk.cancelled == [("top", False)]
    top.cancel(cancel_nested=True)
    assert desk.cancelled == [("top", False), ("bottom", True), ("middle", True)]
    assert (top.nested_speech_done, middle.nested_speech_done) == (True, True)


async def test_its_end_ends_the_nested_phase(desk: Desk) -> None:
    speech = desk.handle()
    speech.add_nested_speech(desk.handle("nested"))
    speech.nested_speech_changed.clear()
    speech.finish(SpeechOutcome.FINISHED)

    assert speech.nested_speech_done
    assert speech.nested_speech_changed.is_set()


async def test_text_and_audio_are_there_once_it_is_initialised(desk: Desk) -> None:
    speech = desk.handle()
    for name in ("source", "synthesis_handle"):
        with pytest.raises(RuntimeError, match="look at initialized first"):
            getattr(speech, name)
    assert (speech.initialized, speech.played_text, speech.error) == (False, "", None)

    said = Speaking().say(SPOKEN)
    speech.initialize(SPOKEN, said)
    assert (speech.initialized, speech.source, speech.synthesis_handle) == (True, SPOKEN, said)
    await said.aclose()


@pytest.mark.parametrize("end", ["cancel", "finish"])
async def test_what_was_interrupted_before_it_had_a_text_gets_none(desk: Desk, end: str) -> None:
    speech = desk.handle()
    if end == "cancel":
        speech.cancel()
    else:
        speech.finish(SpeechOutcome.CANCELLED)
    said = Speaking().say(SPOKEN)
    with pytest.raises(RuntimeError, match="was interrupted before"):
        speech.initialize(SPOKEN, said)
    await said.aclose()


async def test_what_was_heard_of_it_grows_and_is_fixed_at_its_end(desk: Desk) -> None:
    speaking = Speaking()
    said = speaking.say(SPOKEN)
    speech = desk.handle()
    speech.initialize(SPOKEN, said)
    said.play()
    await asyncio.sleep(1.0)
    early = speech.played_text
    await asyncio.sleep(1.0)
    said.stop()
    assert (speech.interrupted, speech.outcome) == (True, None)
    await within(speaking.silent.wait())
    assert said.outcome is not None
    speech.finish(said.outcome)
    await said.aclose()

    assert early
    assert speech.played_text.startswith(early)
    assert len(speech.played_text) > len(early)
    assert (speech.played_text, speech.heard_alignment) == (said.played_text, "words")
    assert (speech.outcome, speech.interrupted) == (SpeechOutcome.INTERRUPTED, True)


async def test_a_failed_one_says_of_what(desk: Desk) -> None:
    def fails(text: object) -> Any:
        raise KeyError("a bug")

    speech = desk.handle()
    said = await Speaking().say_to_the_end(SPOKEN, before_tts=fails)
    speech.initialize(SPOKEN, said)
    assert isinstance(speech.error, KeyError)
    speech.finish(SpeechOutcome.FAILED)
    assert isinstance(speech.error, KeyError)

    without_audio = desk.handle()
    without_audio.finish(SpeechOutcome.FAILED, error=ValueError("before there was a text"))
    assert isinstance(without_audio.error, ValueError)
