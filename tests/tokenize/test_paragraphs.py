"""Paragraphs stand between blank lines."""

import pytest

from lk_agents.tokenize.basic import tokenize_paragraphs
from lk_agents.tokenize.basic.paragraphs import paragraph_spans

CASES: dict[str, tuple[str, list[tuple[str, int, int]]]] = {
    "G1": ("Just one block.", [("Just one block.", 0, 15)]),
    "G2": ("First block.\n\nSecond block.", [("First block.", 0, 12), ("Second block.", 14, 27)]),
    "G3": ("\n\n  Block in the middle of blanks.  \n\n", [("Block in the middle of blanks.", 4, 34)]),
    "G4": ("One.\n\n\n\nTwo.", [("One.", 0, 4), ("Two.", 8, 12)]),
    "G5": ("One.\n \t\n \nTwo.\n\nThree.", [("One.", 0, 4), ("Two.", 10, 14), ("Three.", 16, 22)]),
    "G6": ("", []),
    "G7": ("\n\n\n", []),
    "G8": ("row a\nrow b\nrow c", [("row a\nrow b\nrow c", 0, 17)]),
    "line breaks of Windows": ("One.\r\n\r\nTwo.", [("One.", 0, 4), ("Two.", 8, 12)]),
}


@pytest.mark.parametrize(("text", "paragraphs"), CASES.values(), ids=CASES)
def test_a_text_has_these_paragraphs(text: str, paragraphs: list[tuple[str, int, int]]) -> None:
    assert tokenize_paragraphs(text) == [paragraph for paragraph, _, _ in paragraphs]
    assert paragraph_spans(text) == [(start, end) for _, start, end in paragraphs]


@pytest.mark.parametrize("unit", ["\n", " ", "\n ", "\nx", "\n\nx "])
def test_a_hostile_text_takes_time_in_proportion(unit: str) -> None:
    text = unit * 100_000

    assert "".join("".join(tokenize_paragraphs(text)).split()) == "".join(text.split())
