"""Rules about the ends of sentences that the known cases do not show: other scripts, addresses, abbreviations."""

# ruff: noqa: RUF001  these are the full stops and letters of other scripts

import asyncio
from typing import Any

import pytest

from lk_agents.foundation.errors import ConfigError
from lk_agents.tokenize import basic

OTHER_SCRIPTS: dict[str, list[str]] = {
    "Arabic": ["هل أنت بخير؟", " نعم أنا بخير."],
    "Urdu": ["کیا حال ہے؟", " میں ٹھیک ہوں۔", " شکریہ۔"],
    "Hindi": ["आप कैसे हैं?", " मैं ठीक हूँ।", " धन्यवाद॥"],
    "Chinese": ["他说：“你好。”", "然后走了。", "3.5公斤，真的！？", "好｡"],
    "Japanese": ["「すごい！」", "はい。", "そうですね…ええ。"],
    "Chinese with marks of ASCII": ["你好吗?", "我很好!", "谢谢."],
    "Thai": ["สวัสดีครับ", " ผมชื่อสมชาย", " ต่าง ๆ", " กัน 500 บาท", " ครับ"],
    "Lao": ["ສະບາຍດີ", " ຂອບໃຈ"],
    "Khmer": ["ជំរាបសួរ។", " អរគុណ"],
    "Burmese": ["ကောင်း။", " ပါတယ်"],
    "Armenian and Ethiopic": ["Այո։", " ሰላም።", " እሺ፧"],
    "Russian": ["Да.", " А. С. Пушкин жил здесь.", " Он умер?", "Нет!"],
    "French": ["« Bonjour ! »", " dit-il.", " « Ça va ? »", " Oui."],
    "German": ["„Hallo.“", " Dann ging er z. B. nach Haus.", " »Was?«", " Ja."],
    "Spanish": ["¿Qué tal?", " ¡Muy bien!"],
}
"""Sentences with the white space before them."""

ENGLISH: dict[str, list[str]] = {
    "an ellipsis ends nothing": ["Wait… what... no?", " Oh…!", " Hm...?", " no"],
    "marks stay together": ["What?!?!", " No!!!", " Yes..!", " Ok?..", " Fine."],
    "host, version, number": ["The host 192.168.0.1 runs v2.0.1 with 3,000.50 and .5 of it.", " Good."],
    "time of day": ["It opens at 10 a.m. on Monday and closes at 5 p.m.", " Then we go."],
    "titles and initials": ["Mr. and Mrs. Smith met Dr. J. R. Brown Jr. of Acme Inc.", " We saw them."],
    "acronyms": ["In the U.S.S.R. and the U.S. it was so.", " He left the U.S.", " The end."],
    "Latin abbreviations": ["Fruit, e.g. Apples, i.e. Those things vs. Others.", " Right."],
    "an abbreviation at the end": ["It is a plan of Acme Inc."],
    "possessive of an abbreviation": ["It is Acme Inc.'s plan.", " Yes."],
    "address in the middle": ["See https://a.example/b?c=d.E!f for this!", " And www.b.example?", " Yes."],
    "address in brackets": ["Look (see http://a.example/b.)", " Then go."],
    "mail address with capitals": ["Write to anna.Lee@example.com now.", " Do it."],
    "file and machine names": ["Open file.txt or Node.JS on Example.com now.", " Do it."],
    "a forgotten space": ["I said so.", "Then he left!", "But why?", "Nobody knows"],
    "quotation marks and brackets": [
        'He said "Go."',
        " (She went.)",
        " 'So I came.'",
        " [It rained.]",
        " “Now?”",
        " Yes",
    ],
    "a quotation that goes on": ['"Really?", he asked (or so.), and left.', " Yes."],
    "mark-up": ["**Done.**", " Next _one._", " And `code.`", " Then"],
    "tags": ["<speak>Hello.", "</speak><p>Next one.", "<break/>Last</p>"],
    "emoji": ["Great!", "🎉 Next one 🎉.", " Right‼️", " Yes"],
    "a mark about a word": ["That is (?) the way (!) it is.", " Yes."],
    "markers of older tokenizers": ["The words <stop> and <prd> mean nothing.", " Right."],
}

RULES = {**OTHER_SCRIPTS, **ENGLISH}
EVERY = basic.SentenceTokenizer(min_sentence_len=1, stream_context_len=1)


async def streamed(tokenizer: basic.SentenceTokenizer, text: str, chars: int) -> list[str]:
    stream = tokenizer.stream()
    for begin in range(0, len(text), chars):
        stream.push_text(text[begin : begin + chars])
    stream.end_input()
    return [data.token async for data in stream]


@pytest.mark.parametrize("sentences", RULES.values(), ids=RULES)
def test_a_sentence_ends_where_its_script_ends_it(sentences: list[str]) -> None:
    assert EVERY.tokenize("".join(sentences)) == [sentence.strip() for sentence in sentences]


@pytest.mark.parametrize("sentences", RULES.values(), ids=RULES)
async def test_a_sentence_in_pieces_ends_at_the_same_place(sentences: list[str]) -> None:
    for chars in (1, 2, 3):
        assert await streamed(EVERY, "".join(sentences), chars) == [sentence.strip() for sentence in sentences]


def test_thai_breaks_at_a_space_once_there_is_enough() -> None:
    text = "สวัสดีครับ ผมชื่อสมชาย ยินดีที่ได้รู้จัก ขอบคุณครับ"

    assert basic.SentenceTokenizer().tokenize(text) == ["สวัสดีครับ ผมชื่อสมชาย", "ยินดีที่ได้รู้จัก ขอบคุณครับ"]


def test_short_sentences_without_space_are_joined_without_one() -> None:
    assert basic.SentenceTokenizer(min_sentence_len=8).tokenize("你好。我很好。  谢谢你。再见。") == [
        "你好。我很好。 谢谢你。",
        "再见。",
    ]


def test_the_languages_parameter_is_taken_and_makes_no_difference() -> None:
    tokenizer = basic.SentenceTokenizer(language="french")

    assert tokenizer.tokenize("Bonjour.", language="de") == ["Bonjour."]


@pytest.mark.parametrize("option", ["min_sentence_len", "stream_context_len"])
def test_a_negative_length_is_refused(option: str) -> None:
    options: dict[str, Any] = {option: -1}

    with pytest.raises(ConfigError, match=f"{option} is -1"):
        basic.SentenceTokenizer(**options)


RETAINED: list[list[str]] = [
    ["Para one is here and long enough.", "\n\nPara two is here and long enough."],
    ["First line of the text\n", "second line of the text.", " Third sentence goes here."],
    ["   Leading spaces here are kept?", "   Trailing too, perhaps.   "],
    ["Hello   multiple    spaces in the middle.", " Second   sentence here now.\n"],
    ["Yes! No! Sure! And one more that is long.", "\r\nNext"],
    ["A line that is long enough to count\r\n", "\n\nanother that is long enough  "],
    ["a\nb\nc\nd. hello there my friends.", " x"],
]


@pytest.mark.parametrize("sentences", RETAINED)
async def test_white_space_is_kept_if_asked_for(sentences: list[str]) -> None:
    tokenizer, text = basic.SentenceTokenizer(retain_format=True), "".join(sentences)

    assert tokenizer.tokenize(text) == sentences
    assert await streamed(tokenizer, text, 1) == await streamed(tokenizer, text, 4) == sentences


async def test_white_space_alone_is_no_sentence_even_if_it_is_kept() -> None:
    tokenizer = basic.SentenceTokenizer(retain_format=True)

    assert tokenizer.tokenize(" \n ") == await streamed(tokenizer, " \n ", 2) == []


async def test_a_sentence_waits_for_text_behind_any_amount_of_white_space() -> None:
    stream = basic.SentenceTokenizer().stream()
    for piece in ("This sentence is complete.", *[" " * 100] * 30):
        stream.push_text(piece)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await anext(stream)

    stream.push_text(".")

    assert (await anext(stream)).token == "This sentence is complete."


async def test_a_segment_shorter_than_the_context_comes_as_one_with_its_white_space() -> None:
    tokenizer = basic.SentenceTokenizer(min_sentence_len=1, stream_context_len=50, retain_format=True)

    assert await streamed(tokenizer, " One.\nTwo. ", 3) == [" One.\nTwo. "]
