"""The agent's own voice, heard again, and a user who happens to say the agent's words."""

from __future__ import annotations

import pytest

from lk_agents.turns import is_self_speech

PLAYING = (
    "I can offer you Monday at nine or next Tuesday at half past ten. You will find the bus stop right in front of the "
    "building, so there is no need to come by car."
)


@pytest.mark.parametrize(
    "text",
    [
        "I can offer you",
        "next Tuesday at half past ten",
        "You will find the BUS STOP, right in front of the building!",
        "there is no need to come by car",
        PLAYING,
    ],
)
def test_words_that_follow_one_another_in_the_agents_text_are_its_own(text: str) -> None:
    assert is_self_speech(text, PLAYING)


@pytest.mark.parametrize("text", ["stop", "Stop!", "Monday", "no", "next Tuesday", "building", "", "…"])
def test_one_word_or_two_are_the_users_though_the_agent_says_them_too(text: str) -> None:
    assert not is_self_speech(text, PLAYING)


def test_short_words_that_stand_together_anywhere_are_the_users() -> None:
    assert not is_self_speech("so is it", "whether so is it or not")
    assert not is_self_speech("is no", PLAYING, final=False)


def test_two_words_are_the_agents_as_long_as_more_may_follow() -> None:
    assert is_self_speech("next Tuesday", PLAYING, final=False)
    assert not is_self_speech("stop", PLAYING, final=False)


def test_a_text_may_end_within_a_word() -> None:
    assert is_self_speech("find the bus stop right in fro", PLAYING)


def test_the_same_words_in_another_order_are_the_users() -> None:
    assert not is_self_speech("Tuesday next at nine", PLAYING)


@pytest.mark.parametrize(
    "text",
    [
        "next Tuesday at half fast ten",  # misheard
        "you will find bus stop right",  # missing
        "in front of the big building so there is no need",  # too much
        "night or next Tuesday at half past ten",  # misheard at the beginning
    ],
)
def test_of_a_longer_text_a_fifth_may_be_wrong(text: str) -> None:
    assert is_self_speech(text, PLAYING)


def test_more_than_a_fifth_wrong_is_the_users() -> None:
    assert not is_self_speech("next Thursday at half fast ten", PLAYING)


def test_short_texts_must_be_right() -> None:
    assert not is_self_speech("at half fast ten", PLAYING)


@pytest.mark.parametrize("word", ["no", "stop", "wait"])
def test_a_user_who_joins_in_is_heard_at_his_first_word(word: str) -> None:
    assert not is_self_speech(f"I can offer you Monday at nine or next Tuesday {word}", PLAYING)


def test_the_users_sentence_around_the_agents_words_is_his() -> None:
    assert not is_self_speech("I would rather take next Tuesday at half past ten please", PLAYING)


def test_where_nothing_is_played_nothing_is_the_agents() -> None:
    assert not is_self_speech("I can offer you", "")


def test_scripts_without_spaces_are_compared_by_their_characters() -> None:
    playing = "您的预约是星期二上午十点,请带上您的保险卡。"

    assert is_self_speech("星期二上午十点", playing)
    assert not is_self_speech("星期二", playing)
    assert not is_self_speech("星期三下午三点可以吗", playing)


def test_accents_and_capitals_make_no_difference() -> None:
    assert is_self_speech("un cafe apres le dejeuner", "Voulez-vous un café après le déjeuner ?")


def test_long_texts_are_compared_as_well() -> None:
    playing = " ".join(f"word{number % 97}" for number in range(3000))
    heard = " ".join(f"word{number % 97}" for number in range(500, 540))

    assert is_self_speech(heard, playing)
    assert not is_self_speech(" ".join(f"other{number}" for number in range(2000)), playing)
