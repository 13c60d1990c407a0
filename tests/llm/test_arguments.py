"""What a model writes as arguments, and what a function gets."""

from __future__ import annotations

import json
from enum import Enum
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_agents.llm import (
    FunctionArgInfo,
    FunctionCallError,
    FunctionContext,
    FunctionInfo,
    TypeInfo,
    _create_ai_function_info,
    ai_callable,
)


class Room(Enum):
    KITCHEN = "kitchen"
    HALL = "hall"


class House(FunctionContext):
    @ai_callable(description="")
    def required(self, value: int) -> None: ...

    @ai_callable(description="")
    def typed(
        self,
        s: str = "",
        i: int = 0,
        f: float = 0.0,
        b: bool = False,
        ls: list[str] = [],  # noqa: B006
        lf: list[float] = [],  # noqa: B006
        rooms: list[Room] = [],  # noqa: B006
        room: Room | None = None,
        maybe: int | None = 5,
        level: Annotated[int, TypeInfo("", choices=[1, 2])] = 1,
    ) -> None: ...

    @ai_callable(description="")
    def must_say(self, value: str | None) -> None: ...


def read(name: str, raw: str) -> dict[str, Any]:
    return _create_ai_function_info(House(), "call_1", name, raw).arguments


def typed(**given: Any) -> dict[str, Any]:
    return read("typed", json.dumps(given))


def test_a_call_keeps_its_id_its_function_and_what_the_model_wrote() -> None:
    house = House()
    call = _create_ai_function_info(house, "call_7", "required", '{"value": 3}')

    assert (call.tool_call_id, call.raw_arguments, call.arguments) == ("call_7", '{"value": 3}', {"value": 3})
    assert call.function_info is house.ai_functions["required"]


def test_an_unknown_function_is_an_error_that_names_it_and_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"'fly'.*must_say, required, typed"):
        read("fly", "{}")


@pytest.mark.parametrize("raw", ["", "  ", "{}"])
def test_no_arguments_are_an_empty_object(raw: str) -> None:
    assert read("typed", raw) == {}


def test_json_that_is_broken_is_an_error_that_names_the_function_and_keeps_the_text() -> None:
    with pytest.raises(ValueError, match="'typed' are no JSON") as caught:
        read("typed", '{"s": "my number is 0')

    assert isinstance(caught.value, FunctionCallError)
    assert caught.value.raw_arguments == '{"s": "my number is 0'
    assert "number is" not in str(caught.value)


@pytest.mark.parametrize("raw", ["null", "[]", '["a"]', '"a"', "1", "true", "1.5"])
def test_json_that_is_no_object_is_an_error(raw: str) -> None:
    with pytest.raises(ValueError, match="must be a JSON object"):
        read("typed", raw)


def test_arguments_of_more_than_a_megabyte_are_an_error_that_names_their_size() -> None:
    raw = json.dumps({"s": "ä" * 500_000}, ensure_ascii=False)

    with pytest.raises(ValueError, match=f"are {len(raw.encode())} bytes long"):
        read("typed", raw)
    assert len(typed(s="a" * 999_000)["s"]) == 999_000


def test_a_missing_argument_is_an_error_that_names_function_and_argument() -> None:
    with pytest.raises(ValueError, match="'value' of 'required' is missing"):
        read("required", "{}")


def test_an_argument_with_a_default_that_is_left_out_is_left_to_the_callee() -> None:
    assert typed(s="a") == {"s": "a"}


def test_what_the_function_does_not_declare_is_dropped() -> None:
    assert typed(s="a", more=1) == {"s": "a"}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("s", "text", "text"),
        ("i", 3, 3),
        ("i", 3.0, 3),
        ("f", 3, 3.0),
        ("f", 1.5, 1.5),
        ("b", True, True),
        ("ls", ["a", "b"], ["a", "b"]),
        ("ls", [], []),
        ("lf", [1, 2.5], [1.0, 2.5]),
        ("room", "hall", "hall"),
        ("rooms", ["hall", "kitchen"], ["hall", "kitchen"]),
        ("level", 2.0, 2),
    ],
)
def test_values_that_fit_are_converted(name: str, value: Any, expected: Any) -> None:
    read_value = typed(**{name: value})[name]

    assert read_value == expected
    assert type(read_value) is type(expected)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("s", 1),
        ("s", ["a"]),
        ("i", "1"),
        ("i", 1.5),
        ("i", float("nan")),
        ("i", float("inf")),
        ("f", "1"),
        ("f", 10**400),
        ("b", 1),
        ("b", "true"),
        ("ls", "a"),
        ("ls", [1]),
        ("ls", {"0": "a"}),
        ("room", "attic"),
        ("rooms", ["hall", "attic"]),
        ("level", 3),
    ],
)
def test_values_that_do_not_fit_are_an_error_that_names_the_argument(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"'{name}' of 'typed' (should|is a number too large)"):
        typed(**{name: value})


@pytest.mark.parametrize("name", ["i", "f", "lf"])
def test_a_boolean_is_no_number(name: str) -> None:
    with pytest.raises(ValueError, match="is a boolean"):
        typed(**{name: [True] if name == "lf" else True})


def test_null_is_none_where_the_parameter_is_optional() -> None:
    assert typed(maybe=None, room=None) == {"maybe": None, "room": None}
    assert read("must_say", '{"value": null}') == {"value": None}


def test_null_is_as_good_as_left_out_where_there_is_a_default() -> None:
    assert typed(s=None, i=None, ls=None, level=None) == {}


def test_null_is_an_error_where_a_value_is_needed() -> None:
    with pytest.raises(ValueError, match="'value' of 'required' should be an integer and is null"):
        read("required", '{"value": null}')


def test_an_argument_of_another_type_that_somebody_described_by_hand_is_passed_as_it_is() -> None:
    context = FunctionContext()
    by_hand = FunctionArgInfo("value", "", dict, ..., None)
    context.ai_functions["tool"] = FunctionInfo("tool", "", False, print, {"value": by_hand})

    call = _create_ai_function_info(context, "call_1", "tool", '{"value": {"a": [1]}}')

    assert call.arguments == {"value": {"a": [1]}}


def test_half_a_character_is_passed_as_it_is() -> None:
    assert read("typed", '{"s": "\ud83d"}') == {"s": "\ud83d"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)
ARGUMENTS = ("s", "i", "f", "b", "ls", "lf", "rooms", "room", "maybe", "level", "value")
RAW = st.one_of(
    st.text(),
    JSON.map(json.dumps),
    st.dictionaries(st.sampled_from(ARGUMENTS), JSON).map(json.dumps),
    st.dictionaries(st.sampled_from(ARGUMENTS), JSON)
    .map(json.dumps)
    .flatmap(lambda raw: st.integers(0, len(raw)).map(lambda end: raw[:end])),
    st.sampled_from(
        ["[" * 100_000, '{"s":' * 50_000, '{"i": ' + "9" * 5000 + "}", '{"s": "\ud800"}', "\ud800", "\x00"]
    ),
)


@given(raw=RAW, name=st.sampled_from(["typed", "required", "must_say", "gone", ""]))
def test_whatever_a_model_writes_gives_a_call_or_one_kind_of_error(raw: str, name: str) -> None:
    try:
        call = _create_ai_function_info(House(), "call_1", name, raw)
    except FunctionCallError:
        return
    assert set(call.arguments) <= set(call.function_info.arguments)
