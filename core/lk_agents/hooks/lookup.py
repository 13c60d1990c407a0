"""Builds what plugins offer from the name that the user writes; behind ``stt.create()`` and its likes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from lk_agents.foundation.errors import ConfigError, PluginError
from lk_agents.foundation.log import logger
from lk_agents.foundation.settings import missing_variables
from lk_agents.hooks.checks import closest
from lk_agents.hooks.current import current_registry
from lk_agents.hooks.invoke import outcome_of
from lk_agents.hooks.provider_records import Provider

if TYPE_CHECKING:
    from lk_agents.hooks.info import Implementation
    from lk_agents.hooks.registry import PluginRegistry

__all__ = ["Offer", "create_by_name", "offers"]


@dataclass(frozen=True)
class Offer:
    """A provider, and who offers it.

    :param plugin: the plugin's name; empty for the framework's own.
    :param label: its name with distribution and version, for messages.
    """

    plugin: str
    label: str
    provider: Provider

    @property
    def title(self) -> str:
        """What is offered, for messages."""
        return f"the {self.provider.noun} {self.provider.name!r}"

    @property
    def origin(self) -> str:
        """Who offers it, for messages."""
        return f"the plugin {self.label}" if self.plugin else self.label


@dataclass(frozen=True)
class _Parameters:
    """The options that a ``build`` takes; ``anything`` if it does not say which."""

    names: Sequence[str]
    required: Sequence[str]
    anything: bool


_answers: Final[WeakKeyDictionary[PluginRegistry, dict[Implementation, Sequence[Provider] | None]]] = (
    WeakKeyDictionary()
)
"""What each implementation of a hook answered to a registry; None if it failed."""


def create_by_name(
    kind: type[Provider],
    spec: str,
    *,
    registry: PluginRegistry | None = None,
    options: Mapping[str, Any],
    own: Sequence[Provider] = (),
) -> Any:
    """Build the provider that ``spec`` names.

    Of the plugins that offer something of this kind only the one that is meant is imported. Values of options and of
    environment variables are in no message.

    :param kind: the record class of what is wanted, such as ``STTProvider``.
    :param spec: ``"provider"`` or ``"provider/model"``; everything behind the first slash is the model.
    :param registry: where to look; by default the current one.
    :param options: handed to the provider's ``build`` as keywords.
    :param own: what the framework itself has of this kind; a plugin cannot offer anything of the same name.
    :returns: what ``build`` returns.
    :raises PluginError: no plugin offers it, or two do, or the one that does cannot be imported.
    :raises ConfigError: an option is unknown, given twice or lacking, or an environment variable lacks.
    """
    registry = current_registry() if registry is None else registry
    name, model = _split(kind, spec)
    offer = _the_one(kind, name, registry, own)
    given = dict(options)
    if model:
        if "model" in given:
            raise ConfigError(f"the model of {offer.title} is given twice, in {spec!r} and as model=; leave one out")
        given["model"] = model
    build = _loaded(offer)
    parameters = _parameters_of(offer.provider, build)
    if model and not parameters.anything and "model" not in parameters.names:
        raise ConfigError(f"{offer.title} has no models to choose from; write {name!r} instead of {spec!r}")
    _check_options(offer, parameters, given)
    _check_environment(offer, parameters, given)
    built = build(**given)
    if built is None:
        raise PluginError(f"{offer.title} of the plugin {offer.label} was built as None; its build returns nothing")
    return built


def offers(kind: type[Provider], registry: PluginRegistry) -> list[Offer]:
    """Return what the installed plugins offer of this kind, in the plugins' order; each plugin is asked once.

    A plugin that fails, and what is no record of this kind, is logged and left out.
    """
    labels = _labels(registry)
    return [
        Offer(implementation.plugin, labels[implementation.plugin], provider)
        for implementation, answer in _answers_of(kind, registry)
        for provider in answer or ()
    ]


def _answers_of(
    kind: type[Provider], registry: PluginRegistry
) -> list[tuple[Implementation, Sequence[Provider] | None]]:
    known = _answers.setdefault(registry, {})
    found = []
    for implementation in registry.implementations(f"lk_agents_register_{kind.kind}"):
        if implementation not in known:
            known[implementation] = _ask(kind, registry, implementation)
        found.append((implementation, known[implementation]))
    return found


def _ask(kind: type[Provider], registry: PluginRegistry, implementation: Implementation) -> Sequence[Provider] | None:
    outcome = outcome_of(registry, implementation)
    told = {"hook": implementation.hook, "plugin": implementation.plugin}
    if outcome.error is not None:
        logger.error("a hook implementation failed", extra=told, exc_info=outcome.error)
        return None
    for value in outcome.values:
        if not isinstance(value, kind):
            logger.error(
                "a plugin offers something of another kind than asked for, which is left out",
                extra={**told, "wanted": kind.__name__, "given": type(value).__name__},
            )
    return [value for value in outcome.values if isinstance(value, kind)]


def _labels(registry: PluginRegistry) -> dict[str, str]:
    return {info.name: info.label for info in registry.plugins()}


def _split(kind: type[Provider], spec: str) -> tuple[str, str]:
    if not isinstance(spec, str):
        raise ConfigError(f"{spec!r} names no {kind.noun}; give a text such as 'provider' or 'provider/model'")
    name, slash, model = spec.partition("/")
    if not name or (slash and not model):
        raise ConfigError(f"{spec!r} names no {kind.noun}; write 'provider' or 'provider/model'")
    return name, model


def _the_one(kind: type[Provider], name: str, registry: PluginRegistry, own: Sequence[Provider]) -> Offer:
    everything = [*(Offer("", "lk-agents itself", each) for each in own), *offers(kind, registry)]
    found = [offer for offer in everything if offer.provider.name == name]
    if not found:
        names = sorted({offer.provider.name for offer in everything})
        listed = ", ".join(map(repr, names)) or (
            "none; install one that does: their names begin with 'lk-agents-', and 'lk-agents plugins' shows what is "
            "there"
        )
        there = "there are" if own else "installed plugins offer"
        raise PluginError(
            f"there is no {kind.noun} {name!r}; {there}: {listed}{closest(name.lower(), names)}"
            f"{_left_out(kind, name, registry)}"
        )
    if len(found) > 1:
        who = " and by ".join(offer.origin for offer in found)
        raise PluginError(
            f"{found[0].title} is offered {'twice' if len(found) == 2 else f'{len(found)} times'}, by {who}; "
            f"disable all but one with LK_AGENTS_DISABLED_PLUGINS"
        )
    return found[0]


def _left_out(kind: type[Provider], name: str, registry: PluginRegistry) -> str:
    """Return which plugins might have offered it and could not."""
    reasons = []
    labels = _labels(registry)
    for implementation, answer in _answers_of(kind, registry):
        if answer is None:
            reasons.append(f"the plugin {labels[implementation.plugin]} failed in {implementation.hook}, see the log")
    for info in registry.plugins():
        if info.name == name and info.error is not None:
            reasons.append(info.error)
        elif info.name == name and info.disabled:
            reasons.append(f"{info.disabled} keeps the plugin {info.label} out")
    return "".join(f"; {reason}" for reason in reasons)


def _loaded(offer: Offer) -> Callable[..., Any]:
    place = offer.provider.build
    if not isinstance(place, str):
        return place
    module, _, path = place.partition(":")
    try:
        target: Any = import_module(module)
        for part in path.split("."):
            target = getattr(target, part)
    except Exception as error:
        raise PluginError(
            f"the plugin {offer.label} cannot load {offer.title} from {place!r}: {type(error).__name__}: {error}"
        ) from error
    if not callable(target):
        raise PluginError(f"{place!r}, where the plugin {offer.label} has {offer.title}, is no function or class")
    build: Callable[..., Any] = target
    return build


def _parameters_of(provider: Provider, build: Callable[..., Any]) -> _Parameters:
    try:
        parameters = list(inspect.signature(build).parameters.values())
    except (ValueError, TypeError):  # some built-in functions do not tell
        return _Parameters((), (), anything=True)
    by_keyword = [
        each
        for each in parameters
        if each.kind in {each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY} and not each.name.startswith("_")
    ]
    names = [*(each.name for each in by_keyword), *provider.options]
    takes_more = any(each.kind is each.VAR_KEYWORD for each in parameters)
    return _Parameters(
        names,
        [each.name for each in by_keyword if each.default is each.empty],
        anything=takes_more and not provider.options,
    )


def _check_options(offer: Offer, parameters: _Parameters, given: Mapping[str, Any]) -> None:
    for option in given:
        if not parameters.anything and option not in parameters.names:
            listed = ", ".join(sorted(parameters.names)) or "none"
            raise ConfigError(
                f"{offer.title} has no option {option!r}; its options are: {listed}{closest(option, parameters.names)}"
            )
    if lacking := [option for option in parameters.required if option not in given]:
        raise ConfigError(f"{offer.title} cannot do without these options: {', '.join(lacking)}")


def _check_environment(offer: Offer, parameters: _Parameters, given: Mapping[str, Any]) -> None:
    lacking = []
    for variable in missing_variables(offer.provider.requires_env):
        instead = _in_place_of(variable, offer.provider, dict.fromkeys([*parameters.names, *given]))
        if not any(given.get(option) for option in instead):
            lacking.append(" or ".join([f"the environment variable {variable}", *(f"{each}=" for each in instead)]))
    if lacking:
        raise ConfigError(f"{offer.title} needs {' and '.join(lacking)}; none is set")


def _in_place_of(variable: str, provider: Provider, options: Iterable[str]) -> Sequence[str]:
    """Return the options of which one makes up for a variable that is not set."""
    if isinstance(provider.requires_env, Mapping):
        return provider.requires_env[variable]
    return [option for option in options if f"_{variable}".lower().endswith(f"_{option}".lower())]
