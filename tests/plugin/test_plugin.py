"""The record of a plugin and its registration."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lk_agents import Plugin


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    before = list(Plugin.registered_plugins)
    Plugin.registered_plugins.clear()
    yield
    Plugin.registered_plugins[:] = before


def test_a_plugin_has_four_properties_that_cannot_be_set() -> None:
    logger = logging.getLogger("acme")
    plugin = Plugin("Acme", "1.2", "lk_agents_acme", logger)

    assert (plugin.title, plugin.version, plugin.package, plugin.logger) == ("Acme", "1.2", "lk_agents_acme", logger)
    assert Plugin("Acme", "1.2", "lk_agents_acme").logger is None
    for name in ("title", "version", "package", "logger"):
        with pytest.raises(AttributeError):
            setattr(plugin, name, "other")


def test_registering_keeps_the_order_and_tells_the_emitter() -> None:
    told: list[Plugin] = []
    first, second = Plugin("A", "1", "a"), Plugin("B", "1", "b")
    Plugin.emitter.on("plugin_registered", told.append)
    try:
        Plugin.register_plugin(first)
        Plugin.register_plugin(second)
    finally:
        Plugin.emitter.off("plugin_registered", told.append)

    assert Plugin.registered_plugins == [first, second]
    assert told == [first, second]


def test_a_second_record_of_one_package_is_ignored() -> None:
    first = Plugin("A", "1", "a")

    Plugin.register_plugin(first)
    Plugin.register_plugin(Plugin("A again", "2", "a"))

    assert Plugin.registered_plugins == [first]


def test_a_derived_class_shares_the_one_list() -> None:
    class Acme(Plugin):
        pass

    plugin = Acme("A", "1", "a")
    Acme.register_plugin(plugin)

    assert Plugin.registered_plugins == [plugin]


def test_registering_off_the_main_thread_is_refused() -> None:
    raised: list[str] = []

    def register() -> None:
        try:
            Plugin.register_plugin(Plugin("A", "1", "lk_agents_acme"))
        except RuntimeError as error:
            raised.append(str(error))

    thread = threading.Thread(target=register)
    thread.start()
    thread.join()

    assert "main thread" in raised[0]
    assert "lk_agents_acme" in raised[0]
    assert Plugin.registered_plugins == []


def test_a_plugin_without_files_has_nothing_to_do() -> None:
    plugin = Plugin("A", "1", "a")

    plugin.download_files()

    assert plugin.missing_files() == ()


def test_the_cache_folder_is_below_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LK_AGENTS_CACHE", str(tmp_path))
    assert Plugin("A", "1", "lk_agents_acme").cache_folder == tmp_path / "lk_agents_acme"

    monkeypatch.delenv("LK_AGENTS_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    expected = Path.home() / ".cache" / "lk-agents" / "lk_agents_acme"
    assert Plugin("A", "1", "lk_agents_acme").cache_folder == expected
