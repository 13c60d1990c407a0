"""Words are replaced whole, in a text and in one that arrives in pieces."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_agents.tokenize.utils import replace_words

CASES: dict[str, tuple[str, dict[str, str], str]] = {
    "F1": (
        "Hi earth, we're oiling these robots..     engine. Once more engine.  X.Y.Z",
        {"earth": "moon", "engine": "motor", "x.y.z": "W.X.Y.Z", "once": "twice", "robots": "drones"},
        "Hi moon, we're oiling these drones..     motor. twice more motor.  W.X.Y.Z",
    ),
    "F2": ("World!", {"world": "Globe"}, "Globe!"),
    "F3": ("WORLD", {"World": "globe"}, "globe"),
    "F4": ("hello-world world", {"world": "X"}, "hello-world X"),
    "F5": ("(world)", {"world": "X"}, "(world)"),
    "F6": ("world", {"world": ""}, ""),  # was: an empty replacement was ignored
    "F7": ("New York", {"new york": "NYC"}, "New York"),
    "F8": ("it's Bob's", {"bob": "Al", "bob's": "Al's"}, "it's Al's"),
    "an empty replacement leaves what surrounds the word": ("a big, world", {"big": ""}, "a , world"),
    "a key that ends in punctuation": ("the U.S., and us", {"u.s.": "States"}, "the States, and us"),
    "the longest ending counts": ("So so. so.. so!", {"so": "1", "so.": "2", "so..": "3"}, "1 2 3 1!"),
    "a key of punctuation alone": ("a -- b --- c", {"--": "to"}, "a to b --- c"),
    "an empty key": ("a ... b", {"": "x"}, "a ... b"),
    "no replacements": (" a  b ", {}, " a  b "),
    "other letters": ("STRASSE und Straße", {"straße": "Weg"}, "Weg und Weg"),
}


async def arriving(text: str, *lengths: int) -> AsyncIterator[str]:
    begin, turn = 0, 0
    while begin < len(text):
        end = begin + lengths[turn % len(lengths)]
        yield text[begin:end]
        begin, turn = end, turn + 1


@pytest.mark.parametrize(("text", "replacements", "expected"), CASES.values(), ids=CASES)
def test_words_of_a_text_are_replaced(text: str, replacements: dict[str, str], expected: str) -> None:
    assert replace_words(text=text, replacements=replacements) == expected


@pytest.mark.parametrize(("text", "replacements", "expected"), CASES.values(), ids=CASES)
async def test_words_of_a_text_in_pieces_are_replaced(text: str, replacements: dict[str, str], expected: str) -> None:
    for chars in (1, 2, 3, 4, 7):
        replaced = [piece async for piece in replace_words(text=arriving(text, chars), replacements=replacements)]

        assert "".join(replaced) == expected
        assert all(replaced)


@given(
    st.lists(st.sampled_from(["a", "A", " ", "\n", ".", "bc", "x."])).map("".join),
    st.lists(st.integers(1, 5), min_size=1),
)
async def test_pieces_make_no_difference(text: str, lengths: list[int]) -> None:
    table = {"a": "1", "bc": "", "x.": "2", "abc": "3"}

    replaced = [piece async for piece in replace_words(text=arriving(text, *lengths), replacements=table)]

    assert "".join(replaced) == replace_words(text=text, replacements=table)


async def test_a_word_is_passed_on_when_the_next_begins() -> None:
    passed: list[str] = []

    async def pieces() -> AsyncIterator[str]:
        for piece, before in [
            ("On", []),
            ("ly wor", []),
            ("ld", ["Only "]),
            (" ", ["Only "]),
            ("and", ["Only "]),
            (" on", ["Only ", "earth "]),
        ]:
            assert passed == before
            yield piece
        assert passed == ["Only ", "earth ", "and "]

    async for piece in replace_words(text=pieces(), replacements={"world": "earth", "only": "Only"}):
        passed.append(piece)  # noqa: PERF401  it is looked at meanwhile

    assert passed == ["Only ", "earth ", "and ", "on"]


async def test_empty_pieces_and_words_that_go_leave_nothing() -> None:
    async def pieces() -> AsyncIterator[str]:
        for piece in ("", "wor", "", "ld", ""):
            yield piece

    assert [piece async for piece in replace_words(text=pieces(), replacements={"world": ""})] == []


async def test_an_error_of_the_text_reaches_the_reader() -> None:
    async def broken() -> AsyncIterator[str]:
        yield "one two"
        raise ConnectionResetError("gone")

    replaced = replace_words(text=broken(), replacements={})

    assert await anext(replaced) == "one "
    with pytest.raises(ConnectionResetError, match="gone"):
        await anext(replaced)


@pytest.mark.parametrize("unit", ["a.", ".", " ", "x", "a "])
async def test_a_hostile_text_takes_time_in_proportion(unit: str) -> None:
    text = unit * (200_000 // len(unit))

    assert replace_words(text=text, replacements={"a": "a"}) == text
    assert "".join([piece async for piece in replace_words(text=arriving(text, 4), replacements={"a": "a"})]) == text
