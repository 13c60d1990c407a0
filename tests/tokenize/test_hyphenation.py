"""English words are broken where TeX breaks them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_agents.tokenize.basic import hyphenate_word

WORDS = """
Seg·ment ex·pect·ed com·mu·ni·ca·tion win·dow wel·come bed·room Hel·lo won·der·ful the word words project ta·ble
as·so·ciate COM·MU·NI·CA·TION an·tidis·es·tab·lish·men·tar·i·an·ism don't 3.14159 naïve hy·phen-a·tion 今天天气很好吗
"""


@pytest.mark.parametrize("pieces", WORDS.split())
def test_a_word_has_these_pieces(pieces: str) -> None:
    assert hyphenate_word(pieces.replace("·", "")) == pieces.split("·")


EXCEPTIONS = """
as·so·ciates dec·li·na·tion oblig·a·tory phil·an·thropic present presents projects reci·procity re·cog·ni·zance
ref·or·ma·tion ret·ri·bu·tion Ta·Ble
"""


@pytest.mark.parametrize("pieces", EXCEPTIONS.split())
def test_an_exceptional_word_has_the_pieces_of_its_list(pieces: str) -> None:
    assert hyphenate_word(pieces.replace("·", "")) == pieces.split("·")


def test_nothing_is_one_empty_piece() -> None:
    assert hyphenate_word("") == [""]


@given(st.text(max_size=80) | st.from_regex(r"[A-Za-z'-]{1,90}", fullmatch=True))
def test_pieces_joined_are_the_word_and_two_characters_stay_at_either_end(word: str) -> None:
    pieces = hyphenate_word(word)

    assert "".join(pieces) == word
    assert len(pieces) == 1 or (len(word) > 4 and len(pieces[0]) > 1 and len(pieces[-1]) > 1 and all(pieces))


def test_a_letter_that_is_two_when_small_leaves_the_word_whole() -> None:
    assert hyphenate_word("\u0130stanbul") == ["\u0130stanbul"]


def test_the_pieces_belong_to_the_caller() -> None:
    hyphenate_word("window").clear()

    assert hyphenate_word("window") == ["win", "dow"]
