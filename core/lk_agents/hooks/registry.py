"""Finds plugins, checks them, and knows which of them are in use and what each implements."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy

from lk_agents.foundation.errors import PluginError
from lk_agents.foundation.log import logger
from lk_agents.foundation.settings import Settings
from lk_agents.hooks import discovery
from lk_agents.hooks.checks import Declared, closest, find_problem, unmarked_hook
from lk_agents.hooks.info import NAMED, Handover, Implementation, PluginInfo
from lk_agents.hooks.markers import HOOK_PREFIX, HookRules, Scope, rules_of
from lk_agents.hooks.own import as_reference, from_reference, implementations_of, name_of
from lk_agents.hooks.specs import SPEC_MODULES

if TYPE_CHECKING:
    from importlib_metadata import EntryPoint

    from lk_agents.plugin import Plugin

__all__ = ["PluginRegistry"]


class _Engine(pluggy.PluginManager):
    """The hook engine with our hooks and our checks; whatever does not pass leaves nothing behind."""

    def __init__(self) -> None:
        super().__init__("lk_agents")
        self.rules: dict[str, HookRules] = {}
        self.parameters: dict[str, tuple[str, ...]] = {}
        for name in SPEC_MODULES:
            module = import_module(f"lk_agents.hooks.specs.{name}")
            self.add_hookspecs(module)
            for hook, function in vars(module).items():
                if hook.startswith(HOOK_PREFIX):
                    self.rules[hook] = rules_of(function)
                    self.parameters[hook] = tuple(inspect.signature(function).parameters)

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        """Look only at what a module itself defines: asking it for more may import more."""
        if isinstance(plugin, ModuleType) and name not in vars(plugin):
            return None
        return super().parse_hookimpl_opts(plugin, name)

    def add(self, target: object, name: str) -> Sequence[str]:
        """Register and check a plugin; returns the hooks that it implements.

        :raises PluginError: something of it is wrong.
        """
        if isinstance(target, type):
            raise PluginError(f"{name}: {target.__qualname__} is a class; give an instance of it")
        try:
            self.register(target, name)
        except (pluggy.PluginValidationError, ValueError) as error:
            self.unregister(name=name)
            raise PluginError(f"{name}: {error}") from error
        declared = self._declared(name)
        problem = find_problem(declared, self.rules) or unmarked_hook(target, self.rules)
        if problem is not None:
            self.unregister(name=name)
            raise PluginError(f"{name}: {problem}")
        return sorted({each.hook for each in declared if each.hook in self.rules})

    def ranked(self, hook: str) -> list[tuple[int, Implementation]]:
        """Return the hook's implementations with 0 for ``tryfirst``, 2 for ``trylast``, 1 for the others."""
        found = []
        for impl in getattr(self.hook, hook).get_hookimpls():
            rank = 0 if impl.tryfirst else 2 if impl.trylast else 1
            found.append((rank, Implementation(impl.plugin_name, hook, impl.function, tuple(impl.argnames))))
        return found

    def _declared(self, name: str) -> list[Declared]:
        found = []
        for hook, caller in sorted(vars(self.hook).items()):
            for impl in caller.get_hookimpls():
                if impl.plugin_name == name:
                    wrapper = impl.wrapper or impl.hookwrapper
                    found.append(Declared(hook, impl.function, wrapper=wrapper, optional=impl.optionalhook))
        return found


class PluginRegistry:
    """All plugins of a process: installed ones by their entry points, and the user's own.

    A new registry knows the hooks and no plugin; :meth:`load` gives one with all that are installed. What is read
    may be read from any thread; what changes it belongs to one thread, at the start of the program.

    :param settings: allow list, deny list and tracing; by default what the environment says.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = Settings.read() if settings is None else settings
        self._engine = _Engine()
        self._infos: dict[str, PluginInfo] = {}
        self._own: dict[str, object] = {}
        self._functions: dict[str, list[Implementation]] = {}
        self._asked: set[str] = set()
        self._decided = False
        self._given: tuple[tuple[str, str], ...] | None = ()

    @classmethod
    def load(
        cls, settings: Settings | None = None, *, entry_points: Iterable[EntryPoint] | None = None
    ) -> PluginRegistry:
        """Load every installed plugin; a broken one is logged, kept as a record, and stops no other.

        :param settings: allow list, deny list and tracing; by default what the environment says.
        :param entry_points: the plugins to load; by default those of the installed distributions.
        """
        registry = cls(settings)
        found = discovery.installed_entry_points() if entry_points is None else sorted(entry_points)
        registry._given = None if entry_points is None else tuple((point.name, point.value) for point in found)
        for entry_point in found:
            registry._load_one(entry_point)
        return registry

    def branch(self) -> PluginRegistry:
        """Return a registry with the same plugins, whose decision which are in use is its own.

        Two workers in one process need one each. Nothing is loaded or registered again.
        """
        other = PluginRegistry(self._settings)
        other._given = self._given
        for name, info in self._infos.items():
            if (target := self._engine.get_plugin(name)) is not None:
                other._engine.add(target, name)
            other._infos[name] = info if info.own else replace(info, in_use=False, used_through="")
        other._asked = set(self._asked)
        other._own = dict(self._own)
        other._functions = dict(self._functions)
        return other

    @property
    def settings(self) -> Settings:
        """What the registry was built with."""
        return self._settings

    @property
    def hooks(self) -> Sequence[str]:
        """The names of all hooks, by the part of the framework that calls them."""
        return tuple(self._engine.rules)

    def parameters(self, hook: str) -> Sequence[str]:
        """Return the names of the hook's parameters.

        :raises PluginError: there is no such hook.
        """
        self._require_hook(hook)
        return self._engine.parameters[hook]

    def rules(self, hook: str) -> HookRules:
        """Return how the hook is called.

        :raises PluginError: there is no such hook.
        """
        self._require_hook(hook)
        return self._engine.rules[hook]

    def plugins(self) -> Sequence[PluginInfo]:
        """Return every plugin that is installed or the user's own, broken and disabled ones included."""
        return tuple(self._infos.values())

    def add_own(self, target: object, *, name: str) -> None:
        """Add a module, an object, or functions by hook name, as a plugin that is in use.

        :param target: a module or object whose functions carry ``@lk_agents.hookimpl``, or a mapping from hook names
            to functions, which need no mark.
        :raises PluginError: the name is taken, a hook is misspelt (the text names the nearest one), or a function
            does not fit its hook.
        """
        if name in self._infos:
            raise PluginError(f"there is already a plugin {name!r}; give {target!r} another name")
        info = PluginInfo(name=name, in_use=True, used_through=NAMED, own=True)
        if isinstance(target, Mapping):
            self._functions[name] = implementations_of(name, target, self._engine.parameters, self._engine.rules)
            self._infos[name] = replace(info, hooks=sorted(target))
        else:
            self._infos[name] = replace(info, hooks=self._engine.add(target, name))
        self._own[name] = target

    def register_plugins(self) -> Sequence[Plugin]:
        """Ask every plugin to introduce itself, once; returns the records of all that did.

        A plugin that fails to is unregistered and kept as a broken one.

        :raises RuntimeError: not on the main thread, and not all have been asked there before.
        """
        waiting = [each for each in self.implementations("lk_agents_register_plugin") if each.plugin not in self._asked]
        if waiting:
            _require_main_thread(waiting)
        from lk_agents.hooks.invoke import outcome_of

        for implementation in waiting:
            self._asked.add(implementation.plugin)
            info = self._infos[implementation.plugin]
            outcome = outcome_of(self, implementation)
            try:
                if outcome.error is not None:
                    raise outcome.error
                for record in outcome.values:
                    record.register_plugin(record)
                    self._infos[info.name] = replace(info, record=record)
            except Exception as error:  # noqa: BLE001  a plugin may raise and return anything
                self._break(info, "cannot be registered", error)
        return tuple(info.record for info in self._infos.values() if info.record is not None)

    @property
    def in_use(self) -> frozenset[str]:
        """The names of the plugins in use; before :meth:`decide_in_use`, the user's own only."""
        return frozenset(info.name for info in self._infos.values() if info.in_use)

    @property
    def decided(self) -> bool:
        """Whether it has been decided, here or by a process before, which plugins are in use."""
        return self._decided

    def decide_in_use(self, named: Sequence[str | object] | None = None) -> frozenset[str]:
        """Decide which plugins are in use, once the user's module has been loaded.

        In use is what ``named`` names, and every plugin of which a module is loaded that loading its entry point
        does not import by itself.

        :param named: names of installed plugins (of their entry points, distributions or packages), and objects with
            hook functions, which become plugins of the user's own.
        :returns: the names of the plugins in use.
        :raises PluginError: a name is unknown (the text lists what exists), a named plugin is broken or disabled, or
            an object has no hook or a misspelt one.
        """
        used: dict[str, str] = {}
        for item in (named,) if isinstance(named, str) else named or ():
            used.update(dict.fromkeys(self._named(item), NAMED))
        for info in self._infos.values():
            if info.own:
                used.setdefault(info.name, NAMED)
            elif info.error is None and not info.disabled and (module := discovery.module_in_use(info)):
                used.setdefault(info.name, module)
        return self._use(used)

    def restrict_in_use(self, names: Iterable[str] | Mapping[str, str]) -> None:
        """Take over a decision that was made in another process.

        :param names: the plugins in use, or a mapping from them to what put each in use.
        :raises PluginError: a plugin of that decision is not there or broken in this process.
        """
        used = dict(names) if isinstance(names, Mapping) else dict.fromkeys(names, NAMED)
        for name in used:
            info = self._infos.get(name)
            if info is None:
                raise PluginError(f"the plugin {name!r} is in use, but is not installed for this process")
            info.require_working()
        self._use(used)

    def handoff(self) -> Handover:
        """Return what :meth:`from_handoff` needs in a process that was not forked from this one."""
        return Handover(
            entry_points=self._given,
            plugins=self._settings.plugins,
            disabled_plugins=self._settings.disabled_plugins,
            trace_hooks=self._settings.trace_hooks,
            own=tuple((name, as_reference(target)) for name, target in self._own.items()),
            used={info.name: info.used_through for info in self._infos.values() if info.in_use},
        )

    @classmethod
    def from_handoff(cls, handover: Handover) -> PluginRegistry:
        """Load the same plugins as the process that made ``handover``, with its decision which are in use.

        :raises PluginError: a plugin of that decision is not there or broken in this process.
        """
        settings = replace(
            Settings.read(),
            plugins=handover.plugins,
            disabled_plugins=handover.disabled_plugins,
            trace_hooks=handover.trace_hooks,
        )
        points = None if handover.entry_points is None else discovery.rebuilt(handover.entry_points)
        registry = cls.load(settings, entry_points=points)
        for name, target in handover.own:
            registry.add_own(from_reference(target), name=name)
        registry.restrict_in_use(handover.used)
        return registry

    def noting_imports(self, implementation: Implementation) -> AbstractContextManager[None]:
        """Return a block in which the plugin's own imports do not put it in use, if the hook is for installed ones."""
        if self._engine.rules[implementation.hook].scope is Scope.IN_USE:
            return nullcontext()
        return discovery.noting_imports(self._infos[implementation.plugin].module)

    def implementations(self, hook: str, *, in_use_only: bool | None = None) -> list[Implementation]:
        """Return the hook's implementations: by name of the plugin, then the user's own.

        Those marked ``tryfirst`` come before all others, those marked ``trylast`` behind them.

        :param in_use_only: leave out plugins that are not in use; by default as the hook's rules say.
        :raises PluginError: there is no such hook.
        """
        self._require_hook(hook)
        if in_use_only is None:
            in_use_only = self._engine.rules[hook].scope is Scope.IN_USE
        found = self._engine.ranked(hook)
        for functions in self._functions.values():
            found += [(1, implementation) for implementation in functions if implementation.hook == hook]
        order = {name: place for place, name in enumerate(self._infos)}
        found.sort(key=lambda item: (item[0], order[item[1].plugin]))
        return [each for _, each in found if not in_use_only or self._infos[each.plugin].in_use]

    def _require_hook(self, hook: str) -> None:
        if hook not in self._engine.rules:
            raise PluginError(f"there is no hook {hook!r}")

    def _load_one(self, entry_point: EntryPoint) -> None:
        info = discovery.describe(entry_point)
        if (other := self._infos.get(info.name)) is not None:
            name = f"{info.name} of {info.distribution or entry_point.value}"
            clash = PluginError(f"its name is taken by {other.label}; uninstall one of them")
            self._infos[name] = info = replace(info, name=name)
            self._break(info, "cannot be loaded", clash)
            return
        self._infos[info.name] = info = replace(info, disabled=discovery.disabled_by(info, self._settings))
        if info.disabled:
            return
        try:
            target, brings = discovery.load_target(entry_point)
            info = replace(info, package=discovery.package_of(info.module), brings=brings)
            self._infos[info.name] = replace(info, hooks=self._engine.add(target, info.name))
        except (Exception, SystemExit) as error:  # noqa: BLE001  a plugin may raise anything when imported
            self._break(info, "cannot be loaded", error)

    def _break(self, info: PluginInfo, what: str, error: BaseException) -> None:
        """Keep a plugin as broken: none of its hooks is called any more."""
        self._engine.unregister(name=info.name)
        text = str(error) if (ours := isinstance(error, PluginError)) else f"{type(error).__name__}: {error}"
        text = f"the plugin {info.label} {what}: {text}"
        self._infos[info.name] = replace(info, hooks=(), error=text, in_use=False, used_through="")
        logger.error("a plugin is broken and left out", extra={"plugin": info.label, "cause": text})
        logger.debug("what the plugin raised", extra={"plugin": info.label}, exc_info=None if ours else error)

    def _named(self, item: str | object) -> list[str]:
        if not isinstance(item, str):
            return [self._named_object(item)]
        wanted = {item, discovery.normalised(item)}
        found = [info for info in self._infos.values() if info.name == item or info.name.startswith(f"{item} of ")] or [
            info
            for info in self._infos.values()
            if info.package == item or (info.distribution and discovery.normalised(info.distribution) in wanted)
        ]
        if not found:
            known = (", ".join(sorted(map(repr, self._infos))) or "none") + closest(item, self._infos)
            raise PluginError(f"{NAMED} names {item!r}, but there is no such plugin; installed are: {known}")
        for info in found:
            info.require_working()
        return [info.name for info in found]

    def _named_object(self, target: object) -> str:
        for name, known in self._own.items():
            if known is target:
                return name
        if isinstance(target, ModuleType):
            for info in self._infos.values():
                if not info.own and target.__name__ in {info.module, info.package}:
                    info.require_working()
                    return info.name
        name = name_of(target)
        count = sum(known == name or known.startswith(f"{name}#") for known in self._infos)
        name = f"{name}#{count + 1}" if count else name
        self.add_own(target, name=name)
        if not self._infos[name].hooks:
            self._forget_own(name)
            raise PluginError(f"{NAMED} holds {target!r}, which has no function marked with @lk_agents.hookimpl")
        return name

    def _forget_own(self, name: str) -> None:
        self._engine.unregister(name=name)
        self._functions.pop(name, None)
        del self._own[name], self._infos[name]

    def _use(self, used: Mapping[str, str]) -> frozenset[str]:
        self._decided = True
        for name, info in self._infos.items():
            self._infos[name] = replace(info, in_use=name in used, used_through=used.get(name, ""))
        return frozenset(used)


def _require_main_thread(waiting: Sequence[Implementation]) -> None:
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(
            f"plugins must be registered on the main thread: {', '.join(each.plugin for each in waiting)}; "
            f"call current_registry().register_plugins() there before"
        )
