"""Reads what a model wrote as the arguments of a call; whatever that is, it gives a call or one kind of error."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from inspect import Parameter
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

from lk_agents.foundation.errors import LkAgentsError
from lk_agents.llm.annotations import unwrap_optional
from lk_agents.llm.function_call import FunctionCallInfo

if TYPE_CHECKING:
    from lk_agents.llm.annotations import FunctionArgInfo
    from lk_agents.llm.function_context import FunctionContext

__all__ = ["MAX_ARGUMENTS_BYTES", "FunctionCallError", "_create_ai_function_info", "parse_object"]

MAX_ARGUMENTS_BYTES: Final = 1_000_000
"""How much a model may write as the arguments of one call, in UTF-8."""


class FunctionCallError(LkAgentsError, ValueError):
    """A model asked for a call that cannot be made; the text names the function and what is wrong.

    The text holds nothing that the model wrote, which may repeat what a user said; the attribute does.

    :param raw_arguments: what the model wrote as arguments.
    """

    raw_arguments: str

    def __init__(self, message: str, *, raw_arguments: str = "") -> None:
        super().__init__(message)
        self.raw_arguments = raw_arguments


class _Wrong(Exception):  # noqa: N818  never leaves this module
    """What is wrong with a value, in words that go on from "argument 'x' …"."""


def _create_ai_function_info(
    fnc_ctx: FunctionContext, tool_call_id: str, fnc_name: str, raw_arguments: str
) -> FunctionCallInfo:
    """Return the call that a model has asked for, its arguments read and checked.

    Arguments that the function does not declare are dropped. ``null`` is None where the parameter is ``Optional``, and
    as good as left out where it has a default.

    :param tool_call_id: the provider's id of the call.
    :param raw_arguments: a JSON object; empty for no arguments.
    :raises FunctionCallError: no such function, no JSON object, too long, an argument is missing or of a wrong type or
        value.
    """
    info = fnc_ctx.ai_functions.get(fnc_name)
    if info is None:
        known = ", ".join(fnc_ctx.ai_functions) or "none"
        raise FunctionCallError(
            f"the model called {fnc_name!r}, which is not in the function context (there: {known})",
            raw_arguments=raw_arguments,
        )
    try:
        given = parse_object(raw_arguments)
    except FunctionCallError as error:
        raise FunctionCallError(f"the arguments of {fnc_name!r} {error}", raw_arguments=raw_arguments) from error
    arguments = {}
    for argument in info.arguments.values():
        try:
            if _is_given(argument, given):
                arguments[argument.name] = _read(argument, given[argument.name])
        except _Wrong as wrong:
            raise FunctionCallError(
                f"argument {argument.name!r} of {fnc_name!r} {wrong}", raw_arguments=raw_arguments
            ) from wrong
    return FunctionCallInfo(tool_call_id, info, raw_arguments, arguments)


def parse_object(raw: str) -> dict[str, Any]:
    """Return the JSON object in ``raw``; an empty text is an empty object.

    :raises FunctionCallError: it is none, or longer than :data:`MAX_ARGUMENTS_BYTES`.
    """
    if not raw.strip():
        return {}
    size = len(raw.encode(errors="surrogatepass"))
    if size > MAX_ARGUMENTS_BYTES:
        raise FunctionCallError(f"are {size} bytes long; at most {MAX_ARGUMENTS_BYTES} are read")
    try:
        value = json.loads(raw)
    except json.JSONDecodeError as error:
        raise FunctionCallError(f"are no JSON: {error.msg} at character {error.pos} of {len(raw)}") from error
    except (ValueError, RecursionError) as error:  # a number with thousands of digits; thousands of brackets
        raise FunctionCallError(f"are no JSON that can be read: {type(error).__name__}") from error
    if not isinstance(value, dict):
        raise FunctionCallError(f"are {_kind(value)}; they must be a JSON object")
    return value


def _is_given(argument: FunctionArgInfo, given: Mapping[str, Any]) -> bool:
    required = argument.default is Parameter.empty
    if argument.name not in given:
        if required:
            raise _Wrong("is missing, and has no default")
        return False
    if given[argument.name] is None and not required:
        return _allows_none(argument)
    return True


def _allows_none(argument: FunctionArgInfo) -> bool:
    return unwrap_optional(argument.type)[0]


def _read(argument: FunctionArgInfo, value: Any) -> Any:
    optional, expected = unwrap_optional(argument.type)
    if value is None and optional:
        return None
    choices = tuple(argument.choices or ())
    if expected is not list and get_origin(expected) is not list:
        return _chosen(_converted(expected, value), choices)
    if not isinstance(value, list):
        raise _Wrong(f"should be a list and is {_kind(value)}")
    element = next(iter(get_args(expected)), None)
    return [_chosen(_converted(element, each), choices) for each in value]


def _chosen(value: Any, choices: tuple[Any, ...]) -> Any:
    if choices and value not in choices:
        raise _Wrong(f"should be one of {', '.join(map(repr, choices))} and is another value")
    return value


def _converted(expected: Any, value: Any) -> Any:
    convert = _CONVERT.get(expected)
    return value if convert is None else convert(value)


def _str(value: Any) -> str:
    if not isinstance(value, str):
        raise _Wrong(f"should be a string and is {_kind(value)}")
    return value


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Wrong(f"should be true or false and is {_kind(value)}")
    return value


def _int(value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _Wrong(f"should be an integer and is {_kind(value)}")
    return value


def _float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Wrong(f"should be a number and is {_kind(value)}")
    try:
        return float(value)
    except OverflowError:
        raise _Wrong("is a number too large to be read") from None


_CONVERT: Final[dict[Any, Callable[[Any], Any]]] = {str: _str, bool: _bool, int: _int, float: _float}


def _kind(value: Any) -> str:
    """Say in words what a JSON value is."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "a number"
        case float():
            return "a number with a fraction"
        case str():
            return "a string"
        case list():
            return "an array"
    return "an object"
