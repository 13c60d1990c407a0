"""The installed plugins as rows."""

from __future__ import annotations

from lk_agents.cli.plugin_rows import offered_by, rows_of
from lk_agents.foundation.settings import Settings
from lk_agents.hooks import LLMProvider, STTProvider
from lk_agents.hooks.info import PluginInfo
from lk_agents.hooks.registry import PluginRegistry


def test_what_plugins_offer_is_told_by_kind_and_name() -> None:
    registry = PluginRegistry(Settings())
    hooks = {
        "lk_agents_register_llm": lambda: [LLMProvider("small", build="a:B"), LLMProvider("large", build="a:C")],
        "lk_agents_register_stt": lambda: [STTProvider("small", build="a:D")],
    }
    registry.add_own(hooks, name="mine")

    assert offered_by(registry) == {"mine": ["stt small", "llm small", "llm large"]}


def test_a_row_has_what_its_plugin_offers() -> None:
    infos = [PluginInfo(name="acme"), PluginInfo(name="bare")]

    rows = rows_of(infos, decided=False, offered={"acme": ["stt acme"]})

    assert [list(row.offers) for row in rows] == [["stt acme"], []]
    assert [row.as_dict()["offers"] for row in rows] == [["stt acme"], []]
