"""Five minutes of conversation with the kit alone, over a fake room in virtual time: the same each time."""

from __future__ import annotations

import inspect

import pytest
from tests.conversation.call import RATE, Call
from tests.conversation.loop import Loop

from lk_agents.testing import VirtualClock
from lk_agents.testing.providers import Answer, Heard

pytestmark = pytest.mark.timeout(90)  # a busy machine is slow at five minutes of audio

SECONDS = 300.0
LOOP_LINES = 80
"""An agent that does no more than this must need no more than this of whoever writes it."""
TURNS = 20
QUESTIONS = [
    Heard(f"This is question number {number} what do you say", 15.0 * number + 1, 15.0 * number + 4)
    for number in range(TURNS)
]
INTERRUPTING = Heard("Stop please I have heard enough", 293.0, 294.5)
ANSWERS = [
    Answer(
        f"You have asked question {number} of the list. Here is what I can say to it at the moment.",
        when=f"number {number} ",
        first_seconds=0.4,
        piece_seconds=0.03,
    )
    for number in range(TURNS)
]
LAST = Answer("Very well.", when="heard enough", first_seconds=0.2)


def talk() -> Call:
    """Hold the conversation."""

    async def main() -> Call:
        call = Call([*QUESTIONS, INTERRUPTING], [*ANSWERS, LAST], SECONDS)
        await call.run()
        return call

    return VirtualClock().run(main())


@pytest.fixture(scope="module")
def call() -> Call:
    return talk()


def test_every_question_is_understood_once_and_answered(call: Call) -> None:
    understood = [text for _, event, text in call.log if event == "understood"]

    assert " ".join(understood) == " ".join(each.text for each in [*QUESTIONS, INTERRUPTING])
    call.ears.assert_done()
    call.brain.assert_done()
    answers = [message.content for message in call.context.messages if message.role == "assistant"]
    assert answers[:-2] == [answer.text for answer in ANSWERS[:-1]]
    assert answers[-1] == "Very well."


def test_the_answer_that_is_interrupted_is_kept_as_far_as_it_was_heard(call: Call) -> None:
    interrupted = [text for _, event, text in call.log if event == "agent was interrupted"]

    assert len(interrupted) == 1
    assert str(ANSWERS[-1].text).startswith(interrupted[0])
    assert 2 <= len(interrupted[0].split()) < len(str(ANSWERS[-1].text).split())


def test_what_is_shown_is_what_was_said_on_both_sides(call: Call) -> None:
    shown = [
        segment.text
        for transcription in call.fake.local_participant.transcriptions
        for segment in transcription.segments
        if segment.final
    ]

    for question, answer in zip(QUESTIONS[:-1], ANSWERS[:-1], strict=True):
        assert question.text in " ".join(shown)
        assert str(answer.text) in " ".join(shown)


def test_the_caller_is_heard_and_answered_over_the_tracks_of_the_room(call: Call) -> None:
    spoken = [at for at, event, _ in call.log if event == "agent speaks"]
    silent = [at for at, event, _ in call.log if event in {"agent is silent", "agent was interrupted"}]
    played = call.media.voice.audio_out.played_audio

    (microphone,) = call.fake.remote_participants["caller"].track_publications.values()
    assert microphone.subscribed
    assert any(played)
    seconds = sum(end - begin for begin, end in zip(spoken, silent, strict=True)) / 1000
    assert len(played) / 2 / RATE == pytest.approx(seconds, rel=0.02)


def test_the_loop_that_joins_the_parts_is_short() -> None:
    assert len(inspect.getsource(Loop).splitlines()) <= LOOP_LINES


def test_it_is_the_same_conversation_each_time(call: Call) -> None:
    assert talk().log == call.log
    assert len(call.log) > 100
