"""What the registry finds, refuses, and keeps apart."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import pytest

from lk_agents.foundation.errors import PluginError
from lk_agents.foundation.settings import Settings
from lk_agents.hooks import hookimpl
from lk_agents.hooks.info import PluginInfo
from lk_agents.hooks.registry import PluginRegistry
from lk_agents.plugin import Plugin

Install = Callable[..., None]

PLUGIN = """
    import lk_agents

    @lk_agents.hookimpl
    def lk_agents_preload_modules():
        return ["json"]
"""


def _load(**settings: object) -> PluginRegistry:
    return PluginRegistry.load(Settings(**settings))  # type: ignore[arg-type]


def _info(registry: PluginRegistry, name: str) -> PluginInfo:
    return next(info for info in registry.plugins() if info.name == name)


def test_an_installed_plugin_is_found_by_its_entry_point(install: Install) -> None:
    install("acme-dist", {"acme": "acme_pkg.plugin"}, {"acme_pkg/__init__.py": "", "acme_pkg/plugin.py": PLUGIN})

    info = _info(_load(), "acme")

    assert (info.distribution, info.version, info.module) == ("acme-dist", "1.0", "acme_pkg.plugin")
    assert (info.package, list(info.hooks), info.error) == ("acme_pkg", ["lk_agents_preload_modules"], None)
    assert not info.in_use


def test_a_plugin_that_cannot_be_imported_stops_no_other(install: Install) -> None:
    install("broken-dist", {"broken": "broken_mod"}, {"broken_mod.py": "import no_such_module"}, version="2.1")
    install("exits-dist", {"exits": "exits_mod"}, {"exits_mod.py": "raise SystemExit(3)"})
    install("fine-dist", {"fine": "fine_mod"}, {"fine_mod.py": PLUGIN})

    registry = _load()

    error = _info(registry, "broken").error
    assert error is not None
    assert "broken-dist 2.1" in error
    assert "no_such_module" in error
    assert _info(registry, "exits").error is not None
    assert _info(registry, "fine").error is None


def test_an_entry_point_of_the_wrong_form_is_a_broken_plugin(install: Install) -> None:
    install("odd-dist", {"odd": "not-a-module!", "gone": "json:no_such_name"}, {})

    registry = _load()

    assert _info(registry, "odd").error is not None
    assert "no_such_name" in str(_info(registry, "gone").error)


def test_a_distribution_with_unreadable_metadata_hides_no_other(install: Install) -> None:
    install("bad-dist", {}, {"bad_dist-3.dist-info/entry_points.txt": "[lk_agents]\nno equals sign here\n"})
    install("fine-dist", {"fine": "fine_mod"}, {"fine_mod.py": PLUGIN})

    assert _info(_load(), "fine").error is None


def test_two_plugins_of_one_name_are_told_apart(install: Install) -> None:
    install("one-dist", {"acme": "one_mod"}, {"one_mod.py": PLUGIN})
    install("two-dist", {"acme": "two_mod"}, {"two_mod.py": PLUGIN})

    registry = _load()

    assert _info(registry, "acme").error is None
    clash = str(
        _info(registry, f"acme of {'two' if _info(registry, 'acme').distribution == 'one-dist' else 'one'}-dist")
    )
    assert "one-dist" in clash
    assert "two-dist" in clash


@pytest.mark.parametrize("name", ["acme", "acme-dist", "Acme_Dist"])
def test_deny_and_allow_lists_take_names_and_distributions(install: Install, name: str) -> None:
    install("acme-dist", {"acme": "acme_mod"}, {"acme_mod.py": "raise RuntimeError('must not be imported')"})

    assert _info(_load(disabled_plugins=frozenset({name})), "acme").disabled == "LK_AGENTS_DISABLED_PLUGINS"
    assert _info(_load(plugins=frozenset({"other"})), "acme").disabled == "LK_AGENTS_PLUGINS"
    assert _info(_load(plugins=frozenset({name})), "acme").disabled == ""


BAD_PLUGINS = {
    "did you mean 'lk_agents_prewarm'": "@hookimpl\ndef lk_agents_prewam(proc): ...",
    "is a wrapper": "@hookimpl(wrapper=True)\ndef lk_agents_prewarm(proc):\n    return (yield)",
    "is a wrapper ": "@hookimpl(hookwrapper=True)\ndef lk_agents_prewarm(proc):\n    yield",
    "plain function": "@hookimpl\nasync def lk_agents_prewarm(proc): ...",
    "process": "@hookimpl\ndef lk_agents_prewarm(process): ...",
    "is not marked": "def lk_agents_prewarm(proc): ...",
}


@pytest.mark.parametrize("message", BAD_PLUGINS)
def test_a_plugin_with_a_wrong_hook_is_left_out_with_all_its_hooks(install: Install, message: str) -> None:
    good = "@hookimpl\ndef lk_agents_preload_modules():\n    return ['json']\n"
    source = f"from lk_agents import hookimpl\n{good}{BAD_PLUGINS[message]}\n"
    install("acme-dist", {"acme": "acme_mod"}, {"acme_mod.py": source})

    registry = _load()

    error = _info(registry, "acme").error
    assert error is not None
    assert message.strip() in error
    left = registry.implementations("lk_agents_preload_modules", in_use_only=False)
    assert "acme" not in {each.plugin for each in left}


def test_a_hook_of_a_newer_version_may_be_optional(install: Install) -> None:
    source = "import lk_agents\n@lk_agents.hookimpl(optionalhook=True)\ndef lk_agents_hook_of_tomorrow(x): ...\n"
    install("new-dist", {"new": "new_mod"}, {"new_mod.py": source})

    info = _info(_load(), "new")

    assert info.error is None
    assert list(info.hooks) == []


def test_loading_asks_a_module_for_nothing_that_it_does_not_define(install: Install) -> None:
    lazy = """
        def __getattr__(name):
            raise RuntimeError(f"asked for {name}")
        def __dir__():
            return ["lk_agents_prewarm", "heavy"]
    """
    install("lazy-dist", {"lazy": "lazy_mod"}, {"lazy_mod.py": lazy})

    assert _info(_load(), "lazy").error is None


def test_own_functions_are_called_with_as_many_arguments_as_they_take() -> None:
    registry = PluginRegistry(Settings())
    seen: list[object] = []

    registry.add_own({"lk_agents_prewarm": lambda anything: seen.append(anything)}, name="options")
    registry.add_own({"lk_agents_compute_load": lambda: 0.5}, name="old load")

    for hook, arguments in (("lk_agents_prewarm", {"proc": "P"}), ("lk_agents_compute_load", {"worker": "W"})):
        for implementation in registry.implementations(hook):
            implementation.call(arguments)
    assert seen == ["P"]
    assert registry.in_use == {"options", "old load"}


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"lk_agents_prewam": print}, "did you mean 'lk_agents_prewarm'"),
        ({"lk_agents_prewarm": 3}, "cannot be called"),
        (SimpleNamespace(lk_agents_prewarn=hookimpl(lambda proc: None)), "did you mean 'lk_agents_prewarm'"),
        (SimpleNamespace, "give an instance"),
    ],
)
def test_a_misspelt_hook_of_the_users_own_is_refused_with_the_nearest_name(target: object, message: str) -> None:
    registry = PluginRegistry(Settings())

    with pytest.raises(PluginError, match=message):
        registry.add_own(target, name="mine")
    assert registry.plugins() == ()


def test_an_object_with_marked_methods_is_a_plugin() -> None:
    class Mine:
        @hookimpl
        def lk_agents_preload_modules(self) -> list[str]:
            return ["json"]

        @property
        def costly(self) -> str:
            raise RuntimeError("properties are not read")

    registry = PluginRegistry(Settings())
    registry.add_own(Mine(), name="mine")

    assert [each.call({}) for each in registry.implementations("lk_agents_preload_modules")] == [["json"]]
    with pytest.raises(PluginError, match="already a plugin 'mine'"):
        registry.add_own(Mine(), name="mine")


def test_order_is_by_name_with_tryfirst_and_trylast(install: Install) -> None:
    def source(options: str) -> str:
        return f"from lk_agents import hookimpl\n@hookimpl({options})\ndef lk_agents_preload_modules(): return ()\n"

    install("b-dist", {"b": "b_mod"}, {"b_mod.py": source("")})
    install("a-dist", {"a": "a_mod"}, {"a_mod.py": source("trylast=True")})
    install("c-dist", {"c": "c_mod"}, {"c_mod.py": source("")})
    install("d-dist", {"d": "d_mod"}, {"d_mod.py": source("tryfirst=True")})
    registry = _load(plugins=frozenset("abcd"))
    registry.add_own({"lk_agents_preload_modules": tuple}, name="own")

    found = registry.implementations("lk_agents_preload_modules", in_use_only=False)

    assert [each.plugin for each in found] == ["d", "b", "c", "own", "a"]


def test_an_unknown_hook_is_an_error() -> None:
    registry = PluginRegistry(Settings())
    for ask in (registry.implementations, registry.parameters, registry.rules):
        with pytest.raises(PluginError, match="no hook 'lk_agents_nothing'"):
            ask("lk_agents_nothing")


REGISTERING = """
    import lk_agents

    @lk_agents.hookimpl
    def lk_agents_register_plugin():
        return lk_agents.Plugin("Acme", "1.0", "acme_mod")
"""


def test_plugins_introduce_themselves_once(install: Install) -> None:
    install("acme-dist", {"acme": "acme_mod"}, {"acme_mod.py": REGISTERING})
    registry = _load(plugins=frozenset({"acme"}))
    try:
        (first,) = registry.register_plugins()
        (second,) = registry.register_plugins()

        assert first is second
        assert _info(registry, "acme").record is first
        assert [plugin for plugin in Plugin.registered_plugins if plugin.package == "acme_mod"] == [first]
    finally:
        Plugin.registered_plugins[:] = [each for each in Plugin.registered_plugins if each.package != "acme_mod"]


def test_a_plugin_that_cannot_be_registered_is_left_out(install: Install) -> None:
    failing = (
        PLUGIN + "\n    @lk_agents.hookimpl\n    def lk_agents_register_plugin():\n        raise OSError('no disk')\n"
    )
    install("acme-dist", {"acme": "acme_mod"}, {"acme_mod.py": failing})
    registry = _load(plugins=frozenset({"acme"}))

    assert registry.register_plugins() == ()

    assert "cannot be registered: OSError: no disk" in str(_info(registry, "acme").error)
    assert registry.implementations("lk_agents_preload_modules", in_use_only=False) == []


def test_registering_off_the_main_thread_is_refused_unless_it_was_done_before(install: Install) -> None:
    install("acme-dist", {"acme": "acme_mod"}, {"acme_mod.py": REGISTERING})
    registry = _load(plugins=frozenset({"acme"}))
    raised: list[BaseException | None] = []

    def register() -> None:
        try:
            registry.register_plugins()
        except RuntimeError as error:
            raised.append(error)
        else:
            raised.append(None)

    def in_thread() -> None:
        thread = threading.Thread(target=register)
        thread.start()
        thread.join()

    try:
        in_thread()
        registry.register_plugins()
        in_thread()
    finally:
        Plugin.registered_plugins[:] = [each for each in Plugin.registered_plugins if each.package != "acme_mod"]

    assert "main thread: acme" in str(raised[0])
    assert raised[1] is None


def test_a_module_of_the_users_own_may_be_added() -> None:
    module = ModuleType("my_hooks")
    exec(  # a module as the user writes it
        "import lk_agents\n@lk_agents.hookimpl\ndef lk_agents_preload_modules(): return ['json']\n", vars(module)
    )
    registry = PluginRegistry(Settings())
    registry.add_own(module, name="my_hooks")

    assert _info(registry, "my_hooks").own
