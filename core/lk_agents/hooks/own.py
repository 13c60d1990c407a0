"""Makes the user's own functions look like a plugin: one mechanism for both."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

from lk_agents.foundation.errors import PluginError
from lk_agents.hooks.checks import Declared, closest, find_problem
from lk_agents.hooks.info import Implementation, ModuleReference
from lk_agents.hooks.markers import HookRules

__all__ = ["as_reference", "from_reference", "implementations_of", "name_of"]


def implementations_of(
    plugin: str,
    functions: Mapping[str, Callable[..., Any]],
    parameters: Mapping[str, Sequence[str]],
    rules: Mapping[str, HookRules],
) -> list[Implementation]:
    """Return an implementation of each hook of ``functions``.

    The functions are called with positional arguments in the order of the hook's parameters, and only with as many
    as they take, so their own parameters may have any names.

    :param parameters: the parameters of every hook, by the hook's name.
    :param rules: the rules of every hook, by its name.
    :raises PluginError: there is no such hook (the text names the nearest one), or a function does not fit.
    """
    found = []
    for hook, function in functions.items():
        if hook not in parameters:
            raise PluginError(f"{plugin}: there is no hook {hook!r}{closest(hook, parameters)}")
        if not callable(function):
            raise PluginError(f"{plugin}: the implementation of {hook} is {function!r}, which cannot be called")
        if problem := find_problem([Declared(hook, function, wrapper=False, optional=False)], rules):
            raise PluginError(f"{plugin}: {problem}")
        taken = parameters[hook][: _positional_count(function, len(parameters[hook]))]
        found.append(Implementation(plugin, hook, function, tuple(taken)))
    return found


def _positional_count(function: Callable[..., Any], most: int) -> int:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):  # some built-in functions do not tell
        return most
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return most
    kinds = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    return min(most, sum(parameter.kind in kinds for parameter in parameters))


def name_of(target: object) -> str:
    """Return the name under which an object of the user's is registered."""
    if isinstance(target, ModuleType):
        return target.__name__
    if isinstance(target, Mapping):
        return "functions"
    if isinstance(target, type):
        return f"{target.__module__}.{target.__qualname__}"
    return f"{type(target).__module__}.{type(target).__qualname__}"


def as_reference(target: object) -> object:
    """Return what stands for the user's plugin where it is pickled: modules go by their names."""
    return ModuleReference(target.__name__) if isinstance(target, ModuleType) else target


def from_reference(reference: object) -> object:
    """Return the user's plugin again, in another process.

    :raises ImportError: its module is not there.
    """
    return import_module(reference.name) if isinstance(reference, ModuleReference) else reference
