"""Installed is not used: what puts a plugin in use, and how the decision reaches other processes."""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import pytest

from lk_agents.foundation.errors import PluginError
from lk_agents.foundation.settings import Settings
from lk_agents.hooks import hookimpl
from lk_agents.hooks.info import PluginInfo
from lk_agents.hooks.invoke import collect
from lk_agents.hooks.registry import PluginRegistry
from lk_agents.plugin import Plugin

Install = Callable[..., None]

HOOK = "lk_agents_preload_modules"
PLUGIN = """
    from lk_agents import hookimpl
    from acme_pkg.version import VERSION

    @hookimpl
    def lk_agents_preload_modules():
        return [VERSION]

    @hookimpl
    def lk_agents_register_commands():
        return []
"""
FILES = {
    "acme_pkg/__init__.py": "",
    "acme_pkg/plugin.py": PLUGIN,
    "acme_pkg/version.py": "VERSION = 'json'",
    "acme_pkg/stt.py": "",
}
ONLY_ACME = Settings(plugins=frozenset({"acme", "broken"}))


@pytest.fixture
def acme(install: Install) -> Install:
    install("acme-dist", {"acme": "acme_pkg.plugin"}, FILES)
    return install


def _names(registry: PluginRegistry, hook: str = HOOK) -> list[str]:
    return [each.plugin for each in registry.implementations(hook)]


def _info(registry: PluginRegistry, name: str) -> PluginInfo:
    return next(info for info in registry.plugins() if info.name == name)


@pytest.mark.usefixtures("acme")
def test_a_plugin_that_is_neither_named_nor_imported_is_not_in_use() -> None:
    registry = PluginRegistry.load(ONLY_ACME)

    assert registry.decide_in_use() == frozenset()
    assert _names(registry) == []
    assert _names(registry, "lk_agents_register_commands") == ["acme"]
    assert list(_info(registry, "acme").brings) == ["acme_pkg.version"]


@pytest.mark.usefixtures("acme")
def test_importing_a_module_of_the_plugin_puts_it_in_use() -> None:
    registry = PluginRegistry.load(ONLY_ACME)
    importlib.import_module("acme_pkg")
    assert registry.decide_in_use() == frozenset()

    importlib.import_module("acme_pkg.stt")

    assert registry.decide_in_use() == {"acme"}
    assert _info(registry, "acme").used_through == "acme_pkg.stt"
    assert _names(registry) == ["acme"]


@pytest.mark.usefixtures("acme")
def test_the_users_import_counts_also_before_the_plugins_are_loaded() -> None:
    importlib.import_module("acme_pkg.stt")

    assert PluginRegistry.load(ONLY_ACME).decide_in_use() == {"acme"}


@pytest.mark.usefixtures("acme")
def test_loading_the_plugins_twice_does_not_put_them_in_use() -> None:
    PluginRegistry.load(ONLY_ACME)

    assert PluginRegistry.load(ONLY_ACME).decide_in_use() == frozenset()


def test_what_a_plugin_imports_when_asked_what_it_offers_is_no_use(install: Install) -> None:
    source = """
        from lk_agents import hookimpl

        @hookimpl
        def lk_agents_register_plugin():
            from late_pkg.record import RECORD
            return RECORD

        @hookimpl
        def lk_agents_register_commands():
            from late_pkg import commands
            return ()
    """
    record = "from lk_agents import Plugin\nRECORD = Plugin('Late', '1.0', 'late_pkg')"
    files = {"late_pkg/__init__.py": "", "late_pkg/plugin.py": source, "late_pkg/commands.py": ""}
    install("late-dist", {"late": "late_pkg.plugin"}, {**files, "late_pkg/record.py": record, "late_pkg/stt.py": ""})
    registry = PluginRegistry.load(Settings(plugins=frozenset({"late"})))
    before = list(Plugin.registered_plugins)
    try:
        registry.register_plugins()
    finally:
        Plugin.registered_plugins[:] = before
    collect(registry, "lk_agents_register_commands")

    assert {"late_pkg.record", "late_pkg.commands"} <= set(sys.modules)
    decided_before = registry.decided
    assert registry.decide_in_use() == frozenset()
    assert (decided_before, registry.decided) == (False, True)
    importlib.import_module("late_pkg.stt")
    assert registry.decide_in_use() == {"late"}


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("name", ["acme", "acme-dist", "acme_dist", "acme_pkg"])
def test_a_plugin_is_named_by_entry_point_distribution_or_package(name: str) -> None:
    registry = PluginRegistry.load(ONLY_ACME)

    assert registry.decide_in_use([name]) == {"acme"}
    assert registry.decide_in_use(name) == {"acme"}
    assert _info(registry, "acme").used_through == "WorkerOptions.plugins"


@pytest.mark.usefixtures("acme")
def test_a_plugin_may_be_named_by_its_module() -> None:
    registry = PluginRegistry.load(ONLY_ACME)

    assert registry.decide_in_use([importlib.import_module("acme_pkg")]) == {"acme"}
    assert registry.decide_in_use([importlib.import_module("acme_pkg.plugin")]) == {"acme"}


@pytest.mark.usefixtures("acme")
def test_an_unknown_name_is_refused_with_what_exists() -> None:
    with pytest.raises(PluginError, match=r"names 'acne', but there is no such plugin; installed are: .*'acme'"):
        PluginRegistry.load(ONLY_ACME).decide_in_use(["acne"])


def test_a_broken_plugin_stops_the_start_only_if_it_is_named(acme: Install) -> None:
    acme("broken-dist", {"broken": "broken_pkg.plugin"}, {"broken_pkg/plugin.py": "1 / 0", "broken_pkg/stt.py": ""})
    registry = PluginRegistry.load(ONLY_ACME)
    importlib.import_module("broken_pkg.stt")

    assert registry.decide_in_use(["acme"]) == {"acme"}
    for name in ("broken", "broken_pkg", "broken-dist"):
        with pytest.raises(PluginError, match=r"broken-dist 1\.0.*ZeroDivisionError"):
            registry.decide_in_use([name])


@pytest.mark.usefixtures("acme")
def test_a_disabled_plugin_that_is_named_stops_the_start() -> None:
    registry = PluginRegistry.load(Settings(disabled_plugins=frozenset({"acme"})))

    with pytest.raises(PluginError, match="LK_AGENTS_DISABLED_PLUGINS keeps it out"):
        registry.decide_in_use(["acme"])


def _module(name: str, source: str) -> ModuleType:
    module = ModuleType(name)
    exec(source, vars(module))
    return module


def test_objects_that_the_user_names_become_plugins() -> None:
    hooks = SimpleNamespace(lk_agents_preload_modules=hookimpl(lambda: ["json"]))
    registry = PluginRegistry(Settings())

    first = registry.decide_in_use([hooks, {HOOK: lambda: ["math"]}])

    assert first == {"types.SimpleNamespace", "functions"}
    assert registry.decide_in_use([hooks]) >= {"types.SimpleNamespace"}


def test_two_objects_of_one_class_get_names_of_their_own() -> None:
    first = SimpleNamespace(lk_agents_preload_modules=hookimpl(lambda: ["json"]))
    second = SimpleNamespace(lk_agents_preload_modules=hookimpl(lambda: ["math"]))
    registry = PluginRegistry(Settings())

    assert registry.decide_in_use([first, second]) == {"types.SimpleNamespace", "types.SimpleNamespace#2"}


def test_an_object_without_hooks_is_refused() -> None:
    registry = PluginRegistry(Settings())

    with pytest.raises(PluginError, match="no function marked"):
        registry.decide_in_use([_module("empty", "x = 1")])
    assert registry.plugins() == ()


def test_a_misspelt_hook_of_a_named_object_stops_the_start() -> None:
    wrong = _module("wrong", "import lk_agents\n@lk_agents.hookimpl\ndef lk_agents_preload_module(): ...")

    with pytest.raises(PluginError, match="did you mean 'lk_agents_preload_modules'"):
        PluginRegistry(Settings()).decide_in_use([wrong])


@pytest.mark.usefixtures("acme")
def test_a_child_takes_over_the_decision() -> None:
    registry = PluginRegistry.load(ONLY_ACME)

    registry.restrict_in_use({"acme"})

    assert registry.in_use == {"acme"}
    with pytest.raises(PluginError, match="'gone' is in use, but is not installed"):
        registry.restrict_in_use({"gone"})


def own_prewarm(proc: object) -> None:
    """Found by its name in another process."""


@pytest.mark.usefixtures("acme")
def test_another_process_gets_the_same_plugins_in_use() -> None:
    registry = PluginRegistry.load(Settings(plugins=frozenset({"acme"}), trace_hooks=True, api_secret="top-secret"))
    registry.add_own({"lk_agents_prewarm": own_prewarm}, name="options")
    registry.add_own(pickle, name="a module without hooks")
    registry.decide_in_use(["acme"])

    data = pickle.dumps(registry.handoff())
    other = PluginRegistry.from_handoff(pickle.loads(data))

    assert b"top-secret" not in data
    assert other.in_use == registry.in_use == {"acme", "options", "a module without hooks"}
    assert _names(other) == ["acme"]
    assert [each.function for each in other.implementations("lk_agents_prewarm")] == [own_prewarm]
    assert other.settings.trace_hooks
    assert [info.used_through for info in other.plugins()] == [info.used_through for info in registry.plugins()]


@pytest.mark.usefixtures("acme")
def test_given_entry_points_are_handed_over_too() -> None:
    import importlib_metadata

    points = [importlib_metadata.EntryPoint("mine", "acme_pkg.plugin", "lk_agents")]
    registry = PluginRegistry.load(Settings(), entry_points=points)
    registry.decide_in_use(["mine"])

    other = PluginRegistry.from_handoff(pickle.loads(pickle.dumps(registry.handoff())))

    assert [info.name for info in other.plugins()] == ["mine"]
    assert other.in_use == {"mine"}


def test_a_registry_that_loaded_nothing_hands_over_nothing() -> None:
    assert PluginRegistry.from_handoff(PluginRegistry(Settings()).handoff()).plugins() == ()


@pytest.mark.usefixtures("acme")
def test_a_branch_decides_for_itself() -> None:
    registry = PluginRegistry.load(ONLY_ACME)
    registry.add_own({"lk_agents_prewarm": own_prewarm}, name="options")

    branch = registry.branch()
    branch.decide_in_use(["acme"])
    branch.add_own({HOOK: lambda: ["math"]}, name="more")

    assert branch.in_use == {"acme", "options", "more"}
    assert _names(branch) == ["acme", "more"]
    assert registry.in_use == {"options"}
    assert _names(registry) == []
