"""The parameters of a function as JSON schema, from which each provider makes its own form."""

from __future__ import annotations

from inspect import Parameter
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

from lk_agents.foundation.errors import ConfigError
from lk_agents.llm.annotations import unwrap_optional

if TYPE_CHECKING:
    from lk_agents.llm.annotations import FunctionArgInfo
    from lk_agents.llm.function_call import FunctionInfo

__all__ = ["function_schema"]

_NAMES: Final = {str: "string", int: "integer", float: "number", bool: "boolean"}


def function_schema(fnc_info: FunctionInfo) -> dict[str, Any]:
    """Return the JSON schema of a function's parameters: an object that has these properties and no others.

    Arguments without a default are ``required``, in the order of their declaration. One that is ``Optional`` may be
    null, whether it is required or not. Choices are an ``enum``, of a list that of its items.

    :raises ConfigError: an argument that was not read by a ``FunctionContext`` has a type that JSON schema has no name
        for; the text names function and argument.
    """
    try:
        properties = {name: _property(argument) for name, argument in fnc_info.arguments.items()}
    except ConfigError as error:
        raise ConfigError(f"function {fnc_info.name!r} cannot be described to a model: {error}") from error
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name, argument in fnc_info.arguments.items() if argument.default is Parameter.empty],
        "additionalProperties": False,
    }


def _property(argument: FunctionArgInfo) -> dict[str, Any]:
    optional, inner = unwrap_optional(argument.type)
    is_list = get_origin(inner) is list
    scalar = get_args(inner)[0] if is_list else inner
    if scalar not in _NAMES:
        raise ConfigError(f"argument {argument.name!r} has the type {argument.type!r}")
    described = _scalar(scalar, argument, nullable=optional and not is_list)
    if is_list:
        described = {"type": _nullable("array", nullable=optional), "items": described}
    return {"description": argument.description, **described} if argument.description else described


def _scalar(kind: type, argument: FunctionArgInfo, *, nullable: bool) -> dict[str, Any]:
    described: dict[str, Any] = {"type": _nullable(_NAMES[kind], nullable=nullable)}
    if argument.choices:
        described["enum"] = [*argument.choices, *([None] if nullable else [])]
    return described


def _nullable(name: str, *, nullable: bool) -> str | list[str]:
    return [name, "null"] if nullable else name
