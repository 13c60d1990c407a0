"""The parameters of a function as JSON schema."""

from __future__ import annotations

import inspect
import json
from enum import Enum
from typing import Annotated, Any, Literal

import pytest

from lk_agents.llm import FunctionArgInfo, FunctionContext, FunctionInfo, TypeInfo, function_schema


class Room(Enum):
    KITCHEN = "kitchen"
    HALL = "hall"


def schema_of(function: Any) -> dict[str, Any]:
    context = FunctionContext()
    context.ai_callable(name="tool", description="")(function)
    return function_schema(context.ai_functions["tool"])


def property_of(annotation: Any) -> dict[str, Any]:
    def tool(value: Any) -> None: ...

    tool.__annotations__["value"] = annotation
    described: dict[str, Any] = schema_of(tool)["properties"]["value"]
    return described


def test_a_function_without_parameters_takes_an_empty_object() -> None:
    def tool() -> None: ...

    assert schema_of(tool) == {"type": "object", "properties": {}, "required": [], "additionalProperties": False}


def test_parameters_without_a_default_are_required_in_their_order() -> None:
    def tool(b: str, a: int | None, c: str = "x", *, d: float) -> None: ...

    schema = schema_of(tool)

    assert schema["required"] == ["b", "a", "d"]
    assert list(schema["properties"]) == ["b", "a", "c", "d"]


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (str, {"type": "string"}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (Annotated[str, TypeInfo("which city")], {"description": "which city", "type": "string"}),
        (Room, {"type": "string", "enum": ["kitchen", "hall"]}),
        (Literal[1, 2], {"type": "integer", "enum": [1, 2]}),
        (list[str], {"type": "array", "items": {"type": "string"}}),
        (list[Room], {"type": "array", "items": {"type": "string", "enum": ["kitchen", "hall"]}}),
        (str | None, {"type": ["string", "null"]}),
        (Room | None, {"type": ["string", "null"], "enum": ["kitchen", "hall", None]}),
        (list[int] | None, {"type": ["array", "null"], "items": {"type": "integer"}}),
        (
            Annotated[list[str] | None, TypeInfo("which", choices=["a"])],
            {"description": "which", "type": ["array", "null"], "items": {"type": "string", "enum": ["a"]}},
        ),
    ],
)
def test_each_type_has_its_schema(annotation: Any, expected: dict[str, Any]) -> None:
    assert property_of(annotation) == expected


def test_choices_are_a_list_as_json_has_it() -> None:
    described = property_of(Room)

    assert type(described["enum"]) is list
    assert json.loads(json.dumps(described)) == described


def test_a_type_that_json_schema_has_no_name_for_is_an_error_that_names_function_and_argument() -> None:
    by_hand = FunctionArgInfo("value", "", dict, inspect.Parameter.empty, None)
    info = FunctionInfo("tool", "", False, print, {"value": by_hand})

    with pytest.raises(ValueError, match=r"'tool' cannot be described .* 'value'"):
        function_schema(info)
