"""The interruption strategies that come with the framework."""

# ruff: noqa: RUF001  these are the letters and commas of other scripts

from __future__ import annotations

import pytest

from lk_agents.foundation.errors import ConfigError
from lk_agents.turns import Backchannels, Decision, Evidence, MinWords, SpeechLength, default_interruption
from lk_agents.turns.backchannel_words import BACKCHANNELS

ACT, IGNORE, WAIT = Decision.ACT, Decision.IGNORE, Decision.WAIT


def said(text: str, language: str | None = None) -> Evidence:
    return Evidence(turn=1, text=text, language=language)


# --- length ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "decision"), [(0.0, WAIT), (0.49, WAIT), (0.5, ACT), (3.0, ACT)])
def test_speech_of_the_given_length_interrupts(seconds: float, decision: Decision) -> None:
    assert SpeechLength(0.5).judge_now(Evidence(turn=1, speech_seconds=seconds)) is decision


def test_a_sum_of_windows_that_misses_the_length_by_rounding_is_long_enough() -> None:
    assert SpeechLength(0.3).judge_now(Evidence(turn=1, speech_seconds=0.1 + 0.2 - 1e-9)) is ACT


async def test_asked_as_plugins_are_it_says_the_same() -> None:
    assert await SpeechLength(0.5).judge(Evidence(turn=1, speech_seconds=0.6)) is ACT


# --- count of words --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "decision"),
    [("", WAIT), ("…", WAIT), ("wait", WAIT), ("uh-huh", WAIT), ("wait, please", ACT), ("one two three", ACT)],
)
def test_so_many_words_interrupt(text: str, decision: Decision) -> None:
    assert MinWords(2).judge_now(said(text)) is decision


@pytest.mark.parametrize(("text", "decision"), [("等等", WAIT), ("等一下啊", ACT), ("ちょっと待って", ACT)])
def test_two_characters_of_scripts_without_spaces_are_a_word(text: str, decision: Decision) -> None:
    assert MinWords(2).judge_now(said(text)) is decision


def test_no_words_needed_means_always() -> None:
    assert MinWords(0).judge_now(said("")) is ACT


# --- what listeners say ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "mhm",
        "Mm-hmm.",
        "mmmm",
        "Uh-huh",
        "Uhhuh.",
        "Yeah.",
        "yeahhh",
        "OK, okay",
        "O.K.",
        "Right... got it.",
        "yeah yeah yeah",
        "oh, I see",
        "That's right",
        "that\u2019s right",
    ],
)
def test_what_english_listeners_say_is_ignored(text: str) -> None:
    assert Backchannels("en").judge_now(said(text)) is IGNORE


@pytest.mark.parametrize(
    "text", ["yeah but", "stop", "no", "Right, and then?", "okay stop", "thanks", "what", "not right", "yes or no"]
)
def test_other_words_interrupt_even_behind_such(text: str) -> None:
    assert Backchannels("en").judge_now(said(text)) is ACT


@pytest.mark.parametrize("text", ["", " ", "…", "uh", "um, uh", "uh-uh", "äh", "yeah, um"])
def test_neither_silence_nor_hesitation_says_anything(text: str) -> None:
    assert Backchannels().judge_now(said(text)) is WAIT


@pytest.mark.parametrize(
    ("language", "listens", "speaks"),
    [
        ("en", "uh huh, sure", "sure, but why"),
        ("de", "Ach so, ja, genau.", "ja aber"),
        ("fr", "D'accord, je vois.", "non merci"),
        ("es", "Sí, claro que sí", "sí pero"),
        ("it", "Sì sì, va bene", "aspetta"),
        ("pt", "Pois é, tá bom.", "não quero"),
        ("nl", "Ja hoor, dat klopt", "nee wacht"),
        ("ru", "Угу, понятно.", "подождите"),
        ("zh", "嗯嗯，好的，明白了", "可是我不要"),
        ("ja", "はい、そうですね。", "ちょっと待って"),
        ("ko", "네네, 알겠습니다", "아니 잠깐만요"),
    ],
)
def test_every_language_has_its_list(language: str, listens: str, speaks: str) -> None:
    strategy = Backchannels(language)

    assert strategy.judge_now(said(listens)) is IGNORE
    assert strategy.judge_now(said(speaks)) is ACT


@pytest.mark.parametrize("language", BACKCHANNELS)
def test_every_phrase_of_a_list_is_recognised_by_it(language: str) -> None:
    strategy = Backchannels(language)

    assert [each for each in BACKCHANNELS[language] if strategy.judge_now(said(each)) is not IGNORE] == []


def test_accents_that_a_recogniser_leaves_out_are_not_missed() -> None:
    assert Backchannels("es").judge_now(said("si, aja")) is IGNORE


def test_the_language_that_the_recogniser_tells_decides_between_lists() -> None:
    strategy = Backchannels(["en", "de"])

    assert strategy.judge_now(said("fine", "en-GB")) is IGNORE
    assert strategy.judge_now(said("fine", "de-DE")) is ACT
    assert strategy.judge_now(said("fine", "fi")) is IGNORE


def test_words_of_ones_own_are_taken_instead_of_all_lists() -> None:
    strategy = Backchannels(words=["tip top"])

    assert strategy.judge_now(said("Tip-top!")) is IGNORE
    assert strategy.judge_now(said("yeah")) is ACT


def test_words_of_ones_own_are_taken_beside_a_list_in_each_language() -> None:
    strategy = Backchannels("en", words=["tip top"])

    assert strategy.judge_now(said("yeah, tip top", "en")) is IGNORE
    assert strategy.judge_now(said("tip top", "de")) is IGNORE


def test_a_language_without_a_list_is_an_error_that_names_those_with_one() -> None:
    with pytest.raises(ConfigError, match=r"'eo'.*'de', 'en'"):
        Backchannels("eo")


# --- what holds where nobody chooses ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("min_words", "seconds", "text", "decision"),
    [
        (0, 0.5, "", ACT),
        (0, 0.4, "stop it now", WAIT),
        (2, 0.9, "", WAIT),
        (2, 0.9, "wait", WAIT),
        (2, 0.9, "wait please", ACT),
        (2, 0.3, "wait please", WAIT),
    ],
)
def test_by_default_length_and_words_are_both_needed(
    min_words: int, seconds: float, text: str, decision: Decision
) -> None:
    strategy = default_interruption(0.5, min_words)

    assert strategy.judge_now(Evidence(turn=1, speech_seconds=seconds, text=text)) is decision


@pytest.mark.parametrize("make", [lambda: SpeechLength(-0.1), lambda: MinWords(-1), lambda: SpeechLength(float("nan"))])
def test_negative_limits_are_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(ConfigError, match="must be 0 or more"):
        make()
