# ruff: noqa: UP006, UP007, UP035, UP045, PYI061  all spellings of a type are tested
"""Which functions a model may call: how they are marked, found and registered."""

from __future__ import annotations

import inspect
import logging
from enum import Enum, IntEnum, StrEnum
from typing import TYPE_CHECKING, Annotated, Any, List, Literal, Optional, Union

import pytest

from lk_agents.llm import USE_DOCSTRING, FunctionArgInfo, FunctionContext, FunctionInfo, TypeInfo, ai_callable

if TYPE_CHECKING:
    from pathlib import Path


class Room(Enum):
    KITCHEN = "kitchen"
    HALL = "hall"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Mixed(Enum):
    A = "a"
    B = 1


class Nothing(Enum):
    pass


class House(FunctionContext):
    @ai_callable()
    def set_light(
        self, room: Annotated[str, TypeInfo("which room", choices=["kitchen", "hall"])], on: bool = True
    ) -> Path:
        """Switch the light.

        In one room.
        """
        raise NotImplementedError

    @ai_callable(name="doorbell", description="", auto_retry=True)
    async def ring(self) -> None: ...

    @ai_callable(description="about the class")
    @classmethod
    def about(cls) -> str:
        return cls.__name__

    @classmethod
    @ai_callable(description="also about the class")
    def also(cls) -> str:
        return cls.__name__

    def private(self) -> None: ...

    @property
    def danger(self) -> None:
        raise AssertionError("a property was run by looking for functions")


def registered(function: Any, name: str | None = None) -> FunctionInfo:
    context = FunctionContext()
    context.ai_callable(name=name, description="")(function)
    return next(iter(context.ai_functions.values()))


def argument(annotation: Any) -> FunctionArgInfo:
    def tool(value: Any) -> None: ...

    tool.__annotations__["value"] = annotation
    return registered(tool).arguments["value"]


def test_marked_methods_are_found_in_alphabetical_order_class_methods_as_well() -> None:
    assert list(House().ai_functions) == ["about", "also", "doorbell", "set_light"]


def test_what_was_found_can_be_called() -> None:
    house = House()

    assert house.ai_functions["about"].callable() == "House"
    assert house.ai_functions["doorbell"].callable == house.ring


def test_the_description_is_the_cleaned_docstring_unless_one_is_given() -> None:
    functions = House().ai_functions

    assert functions["set_light"].description == "Switch the light.\n\nIn one room."
    assert functions["doorbell"].description == ""
    assert repr(USE_DOCSTRING) == "USE_DOCSTRING"


def test_parameters_are_told_by_type_description_default_and_choices() -> None:
    room, on = House().ai_functions["set_light"].arguments.values()

    assert room == FunctionArgInfo("room", "which room", str, inspect.Parameter.empty, ("kitchen", "hall"))
    assert on == FunctionArgInfo("on", "", bool, True, ())


def test_auto_retry_differs_between_the_two_decorators_and_is_only_kept() -> None:
    house = House()

    @house.ai_callable(description="")
    def late() -> None: ...

    functions = house.ai_functions
    assert (functions["set_light"].auto_retry, functions["doorbell"].auto_retry) == (False, True)
    assert functions["late"].auto_retry is True


def test_marking_a_function_leaves_it_as_it_is() -> None:
    def tool() -> int:
        return 1

    assert ai_callable(description="")(tool) is tool


def test_a_function_registered_at_run_time_keeps_its_name_and_goes_last() -> None:
    house = House()

    @house.ai_callable(description="")
    def alarm() -> str:
        return "rings"

    assert alarm() == "rings"
    assert list(house.ai_functions)[-1] == "alarm"


def test_one_function_can_be_registered_with_two_contexts_under_two_names() -> None:
    def tool() -> None: ...

    assert registered(tool, "one").name == "one"
    assert registered(tool, "two").name == "two"


def test_a_method_of_another_object_can_be_registered() -> None:
    assert registered(House().about).callable() == "House"


def test_a_static_method_is_not_offered_and_a_warning_says_so(caplog: pytest.LogCaptureFixture) -> None:
    class Static(FunctionContext):
        @staticmethod
        @ai_callable(description="")
        def lost() -> None: ...

    with caplog.at_level(logging.WARNING):
        assert Static().ai_functions == {}

    assert "static" in caplog.text


def test_an_unmarked_function_is_ignored_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    context = House()
    with caplog.at_level(logging.WARNING):
        context._register_ai_function(context.private)

    assert "private" not in context.ai_functions
    assert "not marked" in caplog.text


def test_a_function_without_docstring_or_description_is_refused_by_name() -> None:
    def silent() -> None: ...

    with pytest.raises(ValueError, match="'silent' has no docstring"):
        ai_callable()(silent)


def test_two_functions_of_one_name_are_refused_by_name() -> None:
    house = House()
    with pytest.raises(ValueError, match="'doorbell'"):
        house.ai_callable(name="doorbell", description="")(print)


@pytest.mark.parametrize("name", ["set light", "größe", "a" * 65, "set.light", "name\n"])
def test_a_name_that_providers_refuse_is_refused_at_registration(name: str) -> None:
    with pytest.raises(ValueError, match="letters, digits"):
        FunctionContext().ai_callable(name=name, description="")(print)


def test_a_name_may_be_as_long_as_providers_allow() -> None:
    def tool() -> None: ...

    assert registered(tool, "a-_9" * 16).name == "a-_9" * 16


def test_a_parameter_without_annotation_is_refused_by_function_and_name() -> None:
    def tool(city) -> None: ...  # type: ignore[no-untyped-def]

    with pytest.raises(ValueError, match="'city' of 'tool' has no annotation"):
        registered(tool)


def positional_only(x: str, /) -> None: ...
def many(*xs: str) -> None: ...
def named(**xs: str) -> None: ...


@pytest.mark.parametrize(
    ("function", "kind"),
    [(positional_only, "positional-only"), (many, "variadic positional"), (named, "variadic keyword")],
)
def test_a_parameter_that_cannot_be_given_by_name_is_refused_by_function_and_kind(function: Any, kind: str) -> None:
    with pytest.raises(ValueError, match=f"of '{function.__name__}' is {kind}"):
        registered(function)


def test_keyword_only_parameters_are_taken() -> None:
    def tool(*, city: str) -> None: ...

    assert list(registered(tool).arguments) == ["city"]


@pytest.mark.parametrize(
    ("annotation", "type_", "choices", "description"),
    [
        (str, str, (), ""),
        (int, int, (), ""),
        (float, float, (), ""),
        (bool, bool, (), ""),
        (Room, str, ("kitchen", "hall"), ""),
        (Level, int, (1, 2), ""),
        (Annotated[Room, TypeInfo("where")], str, ("kitchen", "hall"), "where"),
        (Annotated[Room, TypeInfo("where", choices=["hall"])], str, ("hall",), "where"),
        (list[int], list[int], (), ""),
        (List[str], list[str], (), ""),
        (list[Room], list[str], ("kitchen", "hall"), ""),
        (Annotated[list[str], TypeInfo("which", choices=["a", "b"])], list[str], ("a", "b"), "which"),
        (list[Annotated[str, TypeInfo("which", choices=["a"])]], list[str], ("a",), "which"),
        (Optional[str], Optional[str], (), ""),
        (int | None, Optional[int], (), ""),
        (Optional[Room], Optional[str], ("kitchen", "hall"), ""),
        (Optional[list[int]], Optional[list[int]], (), ""),
        (Optional[Annotated[str, TypeInfo("maybe", choices=["a"])]], Optional[str], ("a",), "maybe"),
        (Annotated[Optional[str], TypeInfo("maybe")], Optional[str], (), "maybe"),
        (Annotated[int, "no description"], int, (), ""),
        (Annotated[int, "other", TypeInfo("first"), TypeInfo("second")], int, (), "first"),
        (Literal["a", "b"], str, ("a", "b"), ""),
        (Literal[1, 2], int, (1, 2), ""),
        (Literal[True], bool, (True,), ""),
        (Literal["a", None], Optional[str], ("a",), ""),
        (Literal[Room.HALL], str, ("hall",), ""),
        (list[Literal["a", "b"]], list[str], ("a", "b"), ""),
    ],
)
def test_the_types_that_a_model_can_be_told(
    annotation: Any, type_: Any, choices: tuple[Any, ...], description: str
) -> None:
    read = argument(annotation)

    assert (read.type, read.choices, read.description) == (type_, choices, description)


@pytest.mark.parametrize(
    "annotation",
    [
        list,
        List,
        dict,
        dict[str, int],
        Any,
        bytes,
        None,
        Mixed,
        Nothing,
        Union[str, int],
        Optional[Union[str, int]],
        Literal["a", 1],
        Literal[1, True],
        Literal[None],
        list[Optional[str]],
        list[list[str]],
        tuple[str],
        list[dict],  # type: ignore[type-arg]
        StrEnum,
    ],
)
def test_a_type_that_no_model_can_be_told_is_refused_at_registration_by_function_and_name(annotation: Any) -> None:
    with pytest.raises(ValueError, match="'value' of 'tool'"):
        argument(annotation)


def test_a_type_that_cannot_be_found_at_run_time_is_refused_by_function() -> None:
    def tool(value: Path) -> None: ...

    with pytest.raises(ValueError, match=r"'tool' cannot be resolved .*Path"):
        registered(tool)


def test_type_info_can_be_compared_and_hashed() -> None:
    assert TypeInfo("x", choices=["a"]) == TypeInfo("x", choices=("a",))
    assert len({TypeInfo("x", choices=["a"]), TypeInfo("x", choices=["a"])}) == 1


def test_a_subclass_that_overrides_a_marked_method_without_a_mark_takes_it_away() -> None:
    class Quiet(House):
        async def ring(self) -> None: ...

    assert "doorbell" not in Quiet().ai_functions
