"""What holds for every text: nothing is lost, pieces make no difference, and time is in proportion."""

# ruff: noqa: RUF001  these are the full stops and letters of other scripts

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lk_agents.tokenize import basic
from lk_agents.tokenize.segments import WAITING_CHARS

BITS = [
    *"ab.?!…\n\t\"'()1A@/<*-é",
    *"。！？؟۔।Жع你ก»«“”\u00a0\u200f\ufe0f",
    *("b ", "Mr", "Inc", " She ", "U.", "://", "www.", "com", "ก ", "ๆ", "။ ", "។", "Then", "</s>", "a.m", "\r\n"),
    *("word " * 3, "x" * 30, " " * 50, "." * 40, "!" * 33, "Hello there my friend"),
]
"""Everything that some rule speaks of."""

texts = st.lists(st.sampled_from(BITS), max_size=60).map("".join) | st.text(max_size=80)
cuts = st.lists(st.integers(1, 40), min_size=1, max_size=8)
tokenizers = st.sampled_from(
    [
        basic.SentenceTokenizer(),
        basic.SentenceTokenizer(min_sentence_len=1, stream_context_len=1),
        basic.SentenceTokenizer(min_sentence_len=10, retain_format=True),
        basic.WordTokenizer(),
        basic.WordTokenizer(ignore_punctuation=False),
        basic.WordTokenizer(ignore_punctuation=False, retain_format=True),
        basic.WordTokenizer(retain_format=True),
    ]
)


async def streamed(
    tokenizer: basic.SentenceTokenizer | basic.WordTokenizer, text: str, lengths: list[int]
) -> list[str]:
    stream = tokenizer.stream()
    begin, turn = 0, 0
    while begin < len(text):
        end = begin + lengths[turn % len(lengths)]
        stream.push_text(text[begin:end])
        begin, turn = end, turn + 1
    stream.end_input()
    return [data.token async for data in stream]


@settings(max_examples=400)
@given(texts, cuts, tokenizers)
@example("x@" + "a" * 1100 + "!A?.Bc d", [1, 2, 4], basic.SentenceTokenizer(min_sentence_len=1))
@example("go on " * 200 + "at 5 p.m. She left. Yes", [4], basic.SentenceTokenizer())
async def test_a_stream_gives_the_tokens_of_the_whole_text(
    text: str, lengths: list[int], tokenizer: basic.SentenceTokenizer | basic.WordTokenizer
) -> None:
    assert await streamed(tokenizer, text, lengths) == tokenizer.tokenize(text)


LONG_AGO = [
    " at A.B.C.D.E.F.G.H.I.J. or so",
    " x@(A.B.C.D.E.F.G.H.I.J." + ")" * 14 + " or so",
    " https://example.com/b!?!?... She",
    " \u0e01 \u0e01 i. " + "\u0e01 " * 20,
]


@pytest.mark.parametrize("text", LONG_AGO)
async def test_a_stream_remembers_as_much_as_the_rules_need(text: str) -> None:
    tokenizer = basic.SentenceTokenizer(min_sentence_len=1, stream_context_len=1)
    for chars in range(900, 1060):  # somewhere there the stream lets go of what it has judged
        whole = "x" * chars + text

        assert await streamed(tokenizer, whole, [1000, *[1] * 200]) == tokenizer.tokenize(whole)


@settings(max_examples=200)
@given(texts)
def test_sentences_have_all_of_the_text_but_for_white_space(text: str) -> None:
    sentences = basic.SentenceTokenizer().tokenize(text)

    assert "".join("".join(sentences).split()) == "".join(text.split())
    assert all(sentence == sentence.strip() != "" for sentence in sentences)
    assert all(len(sentence) >= 20 for sentence in sentences[:-1])


@settings(max_examples=200)
@given(texts)
def test_tokens_that_keep_white_space_are_the_text(text: str) -> None:
    whole = text if text.strip() else ""

    assert "".join(basic.SentenceTokenizer(retain_format=True).tokenize(text)) == whole
    assert "".join(basic.WordTokenizer(ignore_punctuation=False, retain_format=True).tokenize(text)) == whole


HOSTILE = {
    "dots": ".",
    "spaces": " ",
    "letters": "x",
    "letters with dots": "a.",
    "capitals with dots": "U.",
    "names": "aa.Aa",
    "signs of addresses": "@a.b/",
    "closing quotation marks": '."',
    "spaced quotation marks": " . \u00bb",
    "question marks": '?"',
    "line breaks": "\n",
    "spaces between Thai letters": "\u0e01 ",
    "suffixes": "a Inc. ",
    "full stops of Chinese": "\u3002",
}
"""What makes careless patterns look at everything again and again: 100,000 characters would take an hour."""


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_takes_time_in_proportion(unit: str) -> None:
    text = unit * (100_000 // len(unit))

    assert "".join("".join(basic.SentenceTokenizer().tokenize(text)).split()) == "".join(text.split())


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_text_in_pieces_takes_time_in_proportion(unit: str) -> None:
    stream = basic.SentenceTokenizer(retain_format=True).stream()
    for _ in range(WAITING_CHARS // 4):
        stream.push_text((unit * 4)[:4])
    stream.end_input()

    assert sum([len(data.token) async for data in stream]) == (WAITING_CHARS if unit.strip() else 0)


def test_line_breaks_alone_take_time_in_proportion_if_white_space_is_kept() -> None:
    text = "\n" * 200_000

    assert basic.SentenceTokenizer(retain_format=True).tokenize(text) == []
    assert basic.WordTokenizer(retain_format=True).tokenize(text) == []
    assert basic.WordTokenizer(retain_format=True).tokenize(f"{text}x{text}") == [f"{text}x{text}"]


async def test_a_long_text_that_is_read_while_it_is_pushed_has_no_limit() -> None:
    stream = basic.SentenceTokenizer().stream()
    sentence = "This is a sentence of some length. "
    for _ in range(4 * WAITING_CHARS // len(sentence)):
        stream.push_text(sentence + "And")
        assert (await anext(stream)).token.endswith("This is a sentence of some length.")
