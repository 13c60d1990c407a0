"""The cases that sentence tokenizers of this kind are known by, whole and in pieces."""

# ruff: noqa: RUF001  these are the full stops of other scripts

import pytest

from lk_agents.tokenize import basic

AS_BEFORE: list[tuple[str, str, list[str]]] = [
    ("A1", "", []),
    ("A2", "   ", []),
    ("A3", "Hello.", ["Hello."]),
    ("A4", "Hello. World.", ["Hello. World."]),
    ("A5", "Hello there my dear friend without punctuation", ["Hello there my dear friend without punctuation"]),
    (
        "A6",
        (
            "Ok! Our small robot sings loudly in the kitchen every single morning. A.B.C stands for something... maybe "
            "A.B.C. Mrs. Lee is writing these notes. It is short. So is this. One tiny line. A much longer line that "
            "goes on further than the earlier one. g(y) = y * 1.75 + 3. Yes! No! Sure! "
        ),
        [
            "Ok! Our small robot sings loudly in the kitchen every single morning.",
            "A.B.C stands for something... maybe A.B.C.",
            "Mrs. Lee is writing these notes.",
            "It is short. So is this.",
            "One tiny line. A much longer line that goes on further than the earlier one.",
            "g(y) = y * 1.75 + 3.",
            "Yes! No! Sure!",
        ],
    ),
    ("A7", "Nineteen chars here. Next one goes here now.", ["Nineteen chars here.", "Next one goes here now."]),
    ("A8", "Eighteen char here. Next one goes here now.", ["Eighteen char here. Next one goes here now."]),
    (
        "A9",
        "Yes. No. Maybe. I do not know. Ask again later tomorrow morning please.",
        ["Yes. No. Maybe. I do not know.", "Ask again later tomorrow morning please."],
    ),
    ("A10", "Cost: $5.00. Pay now! Thanks.", ["Cost: $5.00. Pay now!", "Thanks."]),
    (
        "A11",
        "Mr. Smith met Dr. Jones at St. Mary. They talked for an hour.",
        ["Mr. Smith met Dr. Jones at St. Mary.", "They talked for an hour."],
    ),
    (
        "A12",
        "Prof. Adams teaches physics at the school. He likes it a lot.",
        ["Prof. Adams teaches physics at the school.", "He likes it a lot."],
    ),
    (
        "A13",
        "She holds a Ph.D. in physics. Her thesis was about quantum gravity.",
        ["She holds a Ph.D. in physics.", "Her thesis was about quantum gravity."],
    ),
    (
        "A14",
        "The U.S. economy grew quickly. The U.S.A. is large and U.K. is small.",
        ["The U.S. economy grew quickly.", "The U.S.A. is large and U.K. is small."],
    ),
    (
        "A15",
        "Dr. No met Prof. X on Jan. 5 at 10 a.m. in Washington D.C. It was cold.",
        ["Dr. No met Prof. X on Jan.", "5 at 10 a.m. in Washington D.C.", "It was cold."],
    ),
    (
        "A16",
        "I like apples, e.g. Granny Smith, i.e. green ones. They taste good to me.",
        ["I like apples, e.g. Granny Smith, i.e. green ones.", "They taste good to me."],
    ),
    (
        "A17",
        "J. K. Rowling wrote many books. J.R.R. Tolkien wrote others before her.",
        ["J. K. Rowling wrote many books.", "J.R.R. Tolkien wrote others before her."],
    ),
    ("A18", "The plan B. We go now to the other place.", ["The plan B. We go now to the other place."]),
    (
        "A20",
        "Use etc. and so on. Vs. the other one is also fine here.",
        ["Use etc. and so on. Vs.", "the other one is also fine here."],
    ),
    (
        "A21",
        "The meeting is at 5 p.m. on Monday. Please be on time for the meeting.",
        ["The meeting is at 5 p.m. on Monday.", "Please be on time for the meeting."],
    ),
    (
        "A23",
        "1. First item of the list. 2. Second item of the list. 3. Third item.",
        ["1. First item of the list.", "2. Second item of the list.", "3. Third item."],
    ),
    (
        "A24",
        "The No. 1 choice is here. Approx. 5 items are left for us.",
        ["The No. 1 choice is here.", "Approx. 5 items are left for us."],
    ),
    (
        "A27",
        "Email me at bob@example.com. I will answer within two working days.",
        ["Email me at bob@example.com.", "I will answer within two working days."],
    ),
    (
        "A30",
        "Wait... what happened here? I do not know... maybe later we will see.",
        ["Wait... what happened here?", "I do not know... maybe later we will see."],
    ),
    (
        "A38",
        "First line of the text\nsecond line of the text. Third sentence goes here.",
        ["First line of the text second line of the text.", "Third sentence goes here."],
    ),
    (
        "A39",
        "Para one is here and long enough.\n\nPara two is here and long enough.",
        ["Para one is here and long enough.", "Para two is here and long enough."],
    ),
    (
        "A40",
        "Hello   multiple    spaces in the middle. Second   sentence here now.",
        ["Hello   multiple    spaces in the middle.", "Second   sentence here now."],
    ),
    (
        "A41",
        "   Leading spaces here are kept?   Trailing too, perhaps.   ",
        ["Leading spaces here are kept?", "Trailing too, perhaps."],
    ),
    ("A42", "今天天气很好。我们去公园玩吧。你觉得怎么样？", ["今天天气很好。我们去公园玩吧。你觉得怎么样？"]),
    (
        "A43",
        "你好 world. 这是一个测试句子 test. Another English sentence.",
        ["你好 world. 这是一个测试句子 test.", "Another English sentence."],
    ),
    (
        "A44",
        "Bonjour à tous. Comment ça va aujourd'hui ? Très bien, merci beaucoup !",
        ["Bonjour à tous. Comment ça va aujourd'hui ?", "Très bien, merci beaucoup !"],
    ),
    (
        "A45",
        "I love this 😀! It is great 🎉. Really good stuff here.",
        ["I love this 😀! It is great 🎉.", "Really good stuff here."],
    ),
]
"""What livekit-agents 0.12 says too: name, text, sentences."""

CHANGED: list[tuple[str, str, list[str], list[str]]] = [
    (
        "A19",
        "He works at Acme Inc. She works at Widgets Ltd. and likes it there.",
        ["He works at Acme Inc.", "She works at Widgets Ltd. and likes it there."],
        ["He works at Acme Inc", "She works at Widgets Ltd. and likes it there."],
    ),
    (
        "A22",
        "The price is 3.14 dollars today. Version 2.0.1 is out now for all users.",
        ["The price is 3.14 dollars today.", "Version 2.0.1 is out now for all users."],
        ["The price is 3.14 dollars today.", "Version 2.0. 1 is out now for all users."],
    ),
    (
        "A25",
        "Visit example.com or docs.example.org for more info. It is free to use.",
        ["Visit example.com or docs.example.org for more info.", "It is free to use."],
        ["Visit example.com or docs.", "example.org for more info.", "It is free to use."],
    ),
    (
        "A26",
        "See https://example.dev/path?a=1&b=2 for details. Then call me back please.",
        ["See https://example.dev/path?a=1&b=2 for details.", "Then call me back please."],
        ["See https://example.", "dev/path? a=1&b=2 for details.", "Then call me back please."],
    ),
    (
        "A28",
        "www.google.com is a site. Check it out when you are free.",
        ["www.google.com is a site.", "Check it out when you are free."],
        ["www. google.com is a site.", "Check it out when you are free."],
    ),
    (
        "A29",
        "Hello,world.This has no spaces.But it has dots.",
        ["Hello,world.This has no spaces.", "But it has dots."],
        ["Hello,world. This has no spaces.", "But it has dots."],
    ),
    (
        "A31",
        "Really?! That is amazing news!! I cannot believe it at all.",
        ["Really?! That is amazing news!!", "I cannot believe it at all."],
        ["Really? ! That is amazing news!", "! I cannot believe it at all."],
    ),
    (
        "A32",
        "Wow!!! That is really great. I love this very much.",
        ["Wow!!! That is really great.", "I love this very much."],
        ["Wow! ! ! That is really great.", "I love this very much."],
    ),
    (
        "A33",
        'He said "Hello there my friend." Then he left the room quietly.',
        ['He said "Hello there my friend."', "Then he left the room quietly."],
        ['He said "Hello there my friend".', "Then he left the room quietly."],
    ),
    (
        "A34",
        "He said “Good morning to you all.” Then he sat down again slowly.",
        ["He said “Good morning to you all.”", "Then he sat down again slowly."],
        ["He said “Good morning to you all”.", "Then he sat down again slowly."],
    ),
    (
        "A35",
        '"Are you coming with us today?" she asked. "Yes!" he replied to her.',
        ['"Are you coming with us today?"', 'she asked. "Yes!" he replied to her.'],
        ['"Are you coming with us today"?', 'she asked. "Yes"! he replied to her.'],
    ),
    (
        "A36",
        "He said: 'I am done.' Then he left the house.",
        ["He said: 'I am done.'", "Then he left the house."],
        ["He said: 'I am done.", "' Then he left the house."],
    ),
    (
        "A37",
        "-- dash -- test. (Parenthetical sentence here.) Next sentence here.",
        ["-- dash -- test. (Parenthetical sentence here.)", "Next sentence here."],
        ["-- dash -- test. (Parenthetical sentence here.", ") Next sentence here."],
    ),
    (
        "A46",
        "Hello <prd> world. Another <stop> marker in the text here.",
        ["Hello <prd> world. Another <stop> marker in the text here."],
        ["Hello . world. Another", "marker in the text here."],
    ),
]
"""What differs, because the text is kept as it is: name, text, sentences, and those of 0.12."""

ALL = [*AS_BEFORE, *((name, text, sentences) for name, text, sentences, _ in CHANGED)]


def ids(rows: list[tuple[str, str, list[str]]]) -> list[str]:
    return [row[0] for row in rows]


async def streamed(text: str, chars: int) -> list[str]:
    stream = basic.SentenceTokenizer().stream()
    for begin in range(0, len(text), chars):
        stream.push_text(text[begin : begin + chars])
    stream.end_input()
    return [data.token async for data in stream]


@pytest.mark.parametrize(("name", "text", "sentences"), ALL, ids=ids(ALL))
def test_a_whole_text_has_these_sentences(name: str, text: str, sentences: list[str]) -> None:
    assert basic.SentenceTokenizer().tokenize(text) == sentences


@pytest.mark.parametrize(("name", "text", "sentences"), ALL, ids=ids(ALL))
async def test_a_text_in_pieces_has_the_same_sentences(name: str, text: str, sentences: list[str]) -> None:
    for chars in (1, 2, 4):
        assert await streamed(text, chars) == sentences


@pytest.mark.parametrize(("name", "text", "sentences", "before"), CHANGED, ids=[row[0] for row in CHANGED])
def test_what_differs_from_before_keeps_the_text(name: str, text: str, sentences: list[str], before: list[str]) -> None:
    assert sentences != before
    assert "".join("".join(sentences).split()) == "".join(text.split())
