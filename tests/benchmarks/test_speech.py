"""The programs of the speech layer: what they do is proven before its time counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from benchmarks.failure import MeasurementError
from benchmarks.frameworks import FRAMEWORKS, OURS, Framework
from benchmarks.ground import Ground
from benchmarks.program import run_program
from benchmarks.question import Effort, Question, Setting
from benchmarks.questions import chunks as chunks_question
from benchmarks.questions import contexts as contexts_question
from benchmarks.questions import conversation as conversation_question
from benchmarks.questions import hearing as hearing_question
from benchmarks.questions import imports as imports_question
from benchmarks.questions import sentences as sentences_question
from benchmarks.questions import silero as silero_question
from benchmarks.speech import chunks, contexts, hearing, sentences, texts
from benchmarks.speech.dialects import DIALECTS
from benchmarks.speech.voices import WARM_UP

WORDS = DIALECTS["lk_agents"]()
FRAMES = 500
HEARD = {"frames": 700, "windows": 700, "finals": 11, "shown": 11, "starts": 7, "ends": 7}
SILERO = {"inference_done": 1280, "start_of_speech": 16}
CUT = {"english_whole": True, "english_longest": 200, "mixed_whole": True, "mixed_longest": 150}
TALKED = {"lasted": 295.9, "understood": 21, "wanted_understood": 21, "answered": 20, "interrupted": 1}
A_LITTLE = Effort(settle_seconds=0, samples=1, cpu_seconds=0, work=0.01)

COMPARED = (
    hearing_question.QUESTION,
    silero_question.QUESTION,
    sentences_question.QUESTION,
    chunks_question.QUESTION,
    contexts_question.QUESTION,
)
ALONE = (imports_question.QUESTION, conversation_question.QUESTION)


def test_all_audio_is_heard_and_judged_and_every_final_is_shown_at_each_pace() -> None:
    told = hearing.run(WORDS, frames=FRAMES, paces=[1, 25])

    assert told.keys() == {"hearing_1", "hearing_25", "bare_1", "bare_25"}
    for name, each in told.items():
        check = hearing_question.check_bare if name.startswith("bare") else hearing_question.check
        check(each, FRAMES + WARM_UP)
        assert each.items() >= {key: count for key, count in HEARD.items() if key in each}.items()
        assert each["cpu_ms_per_second"] > 0


def test_sentences_are_found_and_no_character_is_lost() -> None:
    told = sentences.run(WORDS, characters=5000)

    sentences_question.check(told)
    assert told["english_sentences"] > 20
    assert told["mixed_sentences"] > 40


def test_the_texts_are_the_same_at_each_call_and_as_long_as_wanted() -> None:
    assert texts.english(3000) == texts.english(3000)
    assert [len(make(3000)) for make in (texts.english, texts.mixed)] == [3000, 3000]
    assert sum(not character.isascii() for character in texts.mixed(3000)) > 500


def test_audio_is_cut_into_the_frames_that_were_written() -> None:
    told = chunks.run(WORDS, writes=50)

    assert (told["frames"], told["whole"]) == (10, True)


def test_a_turn_copies_the_context_and_leaves_it_as_it_was() -> None:
    told = contexts.run(WORDS, lengths=[3, 10], messages=30)

    assert [told[name] for name in ("messages_3", "untouched_3", "messages_10", "untouched_10")] == [4, True, 11, True]


@pytest.mark.parametrize(
    ("check", "told", "wrong"),
    [
        *[(lambda told: hearing_question.check(told, 700), HEARD, {name: 6}) for name in HEARD],
        (lambda told: hearing_question.check_bare(told, 700), HEARD, {"windows": 699}),
        (lambda told: silero_question.check(told, 8, 160), SILERO, {"inference_done": 1279}),
        (lambda told: silero_question.check(told, 8, 160), SILERO, {"start_of_speech": 15}),
        (lambda told: silero_question.check(told, 8, 160), SILERO, {"start_of_speech": 8}),
        (sentences_question.check, CUT, {"english_whole": False}),
        (sentences_question.check, CUT, {"mixed_longest": 5000}),
        (conversation_question.check, TALKED, {"understood": 20}),
        (conversation_question.check, TALKED, {"answered": 19}),
        (conversation_question.check, TALKED, {"lasted": 30.0}),
    ],
)
def test_work_that_was_not_done_is_no_figure(
    check: Callable[[Mapping[str, Any]], None], told: dict[str, Any], wrong: dict[str, Any]
) -> None:
    check(told)

    with pytest.raises(MeasurementError):
        check(told | wrong)


def environment_of(framework: Framework) -> Framework:
    if not framework.python.is_file():
        pytest.skip(f"the environment of {framework.name} is made by make bench")
    return framework


async def answer(question: Question, framework: Framework) -> Mapping[str, float]:
    # None of these questions has a server.
    ground: Ground = None  # type: ignore[assignment]
    return await question.measure(Setting(environment_of(framework), ground, A_LITTLE))


@pytest.mark.e2e
@pytest.mark.timeout(120)
@pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda framework: framework.name)
@pytest.mark.parametrize("question", COMPARED, ids=lambda question: question.name)
async def test_a_question_is_answered_by_every_framework(question: Question, framework: Framework) -> None:
    found = await answer(question, framework)

    assert found.keys() == {measure.key for measure in question.measures}
    assert all(value > 0 for value in found.values())


@pytest.mark.e2e
@pytest.mark.timeout(120)
@pytest.mark.parametrize("question", ALONE, ids=lambda question: question.name)
async def test_a_question_of_its_own_is_answered_by_lk_agents(question: Question) -> None:
    found = await answer(question, OURS)

    assert found.keys() == {measure.key for measure in question.measures}
    assert not question.is_asked_of(FRAMEWORKS[1])


@pytest.mark.e2e
async def test_a_program_that_fails_is_told_with_its_last_lines() -> None:
    with pytest.raises(MeasurementError, match=r"(?s)chunks ended with status 1.*unexpected keyword argument 'wings'"):
        await run_program(environment_of(OURS), "chunks", wings=2)


@pytest.mark.e2e
async def test_a_program_that_takes_too_long_is_ended() -> None:
    with pytest.raises(MeasurementError, match=r"took more than 0\.5 s"):
        await run_program(environment_of(OURS), "chunks", patience_seconds=0.5, writes=10**9)
