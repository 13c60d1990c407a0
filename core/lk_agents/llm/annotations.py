"""Reads the parameters of a function that a model may call: types, descriptions, the values they are limited to."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Final, Literal, Optional, Union, get_args, get_origin

from lk_agents.foundation.errors import ConfigError

__all__ = ["FunctionArgInfo", "TypeInfo", "read_arguments", "unwrap_optional"]

SCALARS: Final = (str, int, float, bool)


@dataclass(frozen=True)
class TypeInfo:
    """Tells the model more of a parameter: ``city: Annotated[str, TypeInfo("where it is", choices=["Rome"])]``.

    :param description: what the parameter means.
    :param choices: the values it is limited to; none for no limit. Of a list, the values of its elements.
    """

    description: str
    choices: tuple[Any, ...] | list[Any] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "choices", tuple(self.choices))


@dataclass(frozen=True)
class FunctionArgInfo:
    """A parameter of a function that the model may call.

    :param description: for the model; may be empty.
    :param type: ``str``, ``int``, ``float``, ``bool``, a ``list`` of one of these, or any of these ``Optional``.
    :param default: the callee's own default, ``inspect.Parameter.empty`` where the argument must be given.
    :param choices: the values it is limited to, of a list those of its elements; empty for no limit.
    """

    name: str
    description: str
    type: Any
    default: Any
    choices: tuple[Any, ...] | list[Any] | None


@dataclass(frozen=True)
class _Type:
    """What an annotation says."""

    type: Any
    choices: tuple[Any, ...] = ()
    description: str = ""


def read_arguments(function: Callable[..., Any], name: str) -> dict[str, FunctionArgInfo]:
    """Return the parameters of ``function`` by name, in the order of their declaration.

    :param name: what errors call the function.
    :raises ConfigError: a parameter has no annotation, or one of a kind that no model can be told; the text names the
        function and the parameter.
    """
    parameters = inspect.signature(function).parameters
    hints = _hints(function, parameters, name)
    return {parameter.name: _read(parameter, hints, name) for parameter in parameters.values()}


def unwrap_optional(annotation: Any) -> tuple[bool, Any]:
    """Tell whether an annotation allows None, and return what else it allows.

    :raises ConfigError: it allows more than one other type.
    """
    if not _is_union(annotation):
        return False, annotation
    arms = get_args(annotation)
    others = [arm for arm in arms if arm is not type(None)]
    if len(others) != 1 or len(others) == len(arms):
        raise ConfigError(f"a union of {len(others)} types cannot be told to a model; use one type, or Optional of one")
    return True, others[0]


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in {Union, types.UnionType}


def _hints(function: Callable[..., Any], parameters: Mapping[str, inspect.Parameter], name: str) -> dict[str, Any]:
    """Resolve the annotations of the parameters alone: that of the result may name what only a type checker sees."""
    holder = types.SimpleNamespace(
        __annotations__={
            parameter.name: parameter.annotation
            for parameter in parameters.values()
            if parameter.annotation is not parameter.empty
        }
    )
    try:
        return typing.get_type_hints(
            holder, globalns=getattr(inspect.unwrap(function), "__globals__", {}), include_extras=True
        )
    except Exception as error:
        raise ConfigError(
            f"the annotations of {name!r} cannot be resolved ({type(error).__name__}: {error}); the types of its "
            f"parameters must be names of its module, imported at run time"
        ) from error


def _read(parameter: inspect.Parameter, hints: Mapping[str, Any], function: str) -> FunctionArgInfo:
    if parameter.kind not in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}:
        raise ConfigError(
            f"parameter {parameter.name!r} of {function!r} is {parameter.kind.description}; a model gives arguments "
            f"by name, so only parameters that can be given by keyword are allowed"
        )
    if parameter.name not in hints:
        raise ConfigError(f"parameter {parameter.name!r} of {function!r} has no annotation; a model needs its type")
    annotation = hints[parameter.name]
    try:
        read = _resolve(annotation)
    except ConfigError as error:
        raise ConfigError(
            f"parameter {parameter.name!r} of {function!r} has the type {annotation!r}: {error}"
        ) from error
    return FunctionArgInfo(parameter.name, read.description, read.type, parameter.default, read.choices)


def _resolve(annotation: Any) -> _Type:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _annotated(annotation)
    if _is_union(annotation):
        _, inner = unwrap_optional(annotation)
        read = _resolve(inner)
        return _Type(Optional[read.type], read.choices, read.description)  # noqa: UP045  its type is a value here
    if origin is Literal:
        return _literal(get_args(annotation))
    if origin is list:
        return _list(get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        values = tuple(member.value for member in annotation)
        return _Type(_common_type(values, (str, int), "the values of the enum"), values)
    if annotation in SCALARS:
        return _Type(annotation)
    raise ConfigError(
        "it cannot be told to a model; use str, int, float, bool, an Enum or Literal of these, "
        "a list with such elements, or Optional of any of them"
    )


def _annotated(annotation: Any) -> _Type:
    inner, *extras = get_args(annotation)
    read = _resolve(inner)
    info = next((extra for extra in extras if isinstance(extra, TypeInfo)), None)
    if info is None:
        return read
    return _Type(read.type, tuple(info.choices) or read.choices, info.description)


def _literal(values: tuple[Any, ...]) -> _Type:
    given = (value.value if isinstance(value, Enum) else value for value in values)
    choices = tuple(value for value in given if value is not None)
    kind: Any = _common_type(choices, (str, int, bool), "the values of the Literal")
    return _Type(kind if len(choices) == len(values) else Optional[kind], choices)  # noqa: UP045  its type is a value


def _list(arguments: tuple[Any, ...]) -> _Type:
    if len(arguments) != 1:
        raise ConfigError("a list needs the type of its elements, such as list[str]")
    read = _resolve(arguments[0])
    if read.type not in SCALARS:
        raise ConfigError("the elements of a list must be str, int, float, bool, or an Enum or Literal of these")
    return _Type(types.GenericAlias(list, (read.type,)), read.choices, read.description)


def _common_type(values: tuple[Any, ...], allowed: tuple[type, ...], what: str) -> type:
    """Return the one type of all values.

    :raises ConfigError: there is no value, or not one type, or none of those allowed.
    """
    kinds = {_json_kind(value) for value in values}
    kind = kinds.pop() if len(kinds) == 1 else None
    if kind is None or kind not in allowed:
        raise ConfigError(f"{what} must be at least one, and all of one type out of {_names(allowed)}")
    return kind


def _json_kind(value: Any) -> type | None:
    """Return what a value is in JSON, where a bool is no number."""
    return next((kind for kind in (bool, int, str) if isinstance(value, kind)), None)


def _names(kinds: tuple[type, ...]) -> str:
    return ", ".join(kind.__name__ for kind in kinds)
