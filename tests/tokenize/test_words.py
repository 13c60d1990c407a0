"""Words are what stands between white space, with or without their punctuation."""

# ruff: noqa: RUF001  these are the marks of other scripts

import pytest

from lk_agents.tokenize import PUNCTUATIONS, basic

CASES: dict[str, tuple[str, list[str], list[str]]] = {
    "D1": (
        "Here we go. Nice little line! several blanks in a row:     end",
        ["Here", "we", "go", "Nice", "little", "line", "several", "blanks", "in", "a", "row", "end"],
        ["Here", "we", "go.", "Nice", "little", "line!", "several", "blanks", "in", "a", "row:", "end"],
    ),
    "D2": (
        "don't stop-motion U.S.A. 3.14 $5",
        ["dont", "stopmotion", "USA", "314", "5"],
        ["don't", "stop-motion", "U.S.A.", "3.14", "$5"],
    ),
    "D3": ("hello --- world ...", ["hello", "world"], ["hello", "---", "world", "..."]),
    "D4": ("tab\tand\nnewline", ["tab", "and", "newline"], ["tab", "and", "newline"]),
    "D5": ("… “quoted” ‘x’", ["quoted", "x"], ["…", "“quoted”", "‘x’"]),
    "D6": ("a/b c_d e@f.com", ["ab", "cd", "efcom"], ["a/b", "c_d", "e@f.com"]),
    "D7": ("naïve café — résumé", ["naïve", "café", "résumé"], ["naïve", "café", "—", "résumé"]),
    "D8": ("今天 天气很好。", ["今天", "天气很好。"], ["今天", "天气很好。"]),
    "D9": (
        'is <phoneme ph="AE">actually</phoneme> ok.',
        ["is", "phoneme", "phAEactuallyphoneme", "ok"],
        ["is", "<phoneme", 'ph="AE">actually</phoneme>', "ok."],
    ),
    "D10": ("", [], []),
}


async def streamed(tokenizer: basic.WordTokenizer, text: str, chars: int) -> list[str]:
    stream = tokenizer.stream()
    for begin in range(0, len(text), chars):
        stream.push_text(text[begin : begin + chars])
    stream.end_input()
    return [data.token async for data in stream]


@pytest.mark.parametrize(("text", "bare", "full"), CASES.values(), ids=CASES)
def test_a_whole_text_has_these_words(text: str, bare: list[str], full: list[str]) -> None:
    assert basic.WordTokenizer().tokenize(text) == bare
    assert basic.WordTokenizer(ignore_punctuation=False).tokenize(text) == full


@pytest.mark.parametrize(("text", "bare", "full"), CASES.values(), ids=CASES)
async def test_a_text_in_pieces_has_the_same_words(text: str, bare: list[str], full: list[str]) -> None:
    for chars in (1, 2, 4):
        assert await streamed(basic.WordTokenizer(), text, chars) == bare
        assert await streamed(basic.WordTokenizer(ignore_punctuation=False), text, chars) == full


async def test_white_space_is_kept_if_asked_for() -> None:
    text = "  a bb.  ccc\n d --- e  "
    full = basic.WordTokenizer(ignore_punctuation=False, retain_format=True)
    bare = basic.WordTokenizer(retain_format=True)

    assert full.tokenize(text) == await streamed(full, text, 3) == ["  a", " bb.", "  ccc", "\n d", " ---", " e  "]
    assert bare.tokenize(text) == await streamed(bare, text, 3) == ["  a", " bb", "  ccc", "\n d", "  e  "]


async def test_white_space_of_one_segment_is_not_in_the_next() -> None:
    stream = basic.WordTokenizer(retain_format=True).stream()
    for text in ("  ", "one ", "two"):
        stream.push_text(text)
        stream.flush()
    stream.end_input()

    assert [data.token async for data in stream] == ["one ", "two"]


def test_the_punctuation_is_that_of_ascii_and_seven_typographic_marks() -> None:
    assert len(PUNCTUATIONS) == len(set(PUNCTUATIONS)) == 39
    assert set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~±—‘’“”…") == set(PUNCTUATIONS)


def test_words_are_formatted_with_a_space_between() -> None:
    assert basic.WordTokenizer().format_words(["one", "two"]) == "one two"


def test_the_languages_parameter_is_taken_and_makes_no_difference() -> None:
    assert basic.WordTokenizer().tokenize("un deux", language="fr") == ["un", "deux"]
