"""Interruption strategies by name: the framework's own need no plugin, and no plugin can take their names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lk_agents.foundation.errors import ConfigError, PluginError
from lk_agents.foundation.settings import Settings
from lk_agents.hooks import InterruptionProvider
from lk_agents.hooks.registry import PluginRegistry
from lk_agents.turns import Decision, Evidence, InstantInterruption, MinWords, SpeechLength, create_interruption

HOOK = "lk_agents_register_interruption"


def registry(*names: str, build: Callable[..., Any] = MinWords) -> PluginRegistry:
    made = PluginRegistry(Settings())
    made.add_own({HOOK: lambda: [InterruptionProvider(name, build=build) for name in names]}, name="acme")
    return made


@pytest.mark.parametrize("name", ["min-words", "min_words"])
def test_words_are_counted_by_name(name: str) -> None:
    strategy = create_interruption(name, registry=registry(), words=3)

    assert isinstance(strategy, MinWords)
    assert strategy.words == 3


def test_length_is_judged_by_name() -> None:
    strategy = create_interruption("speech_length", registry=registry(), seconds=0.8)

    assert isinstance(strategy, SpeechLength)
    assert strategy.seconds == 0.8


def test_backchannels_by_name_need_no_words_from_those_who_go_on_speaking() -> None:
    strategy = create_interruption("backchannels", registry=registry(), languages=["de"], speech_seconds=1.0)

    assert isinstance(strategy, InstantInterruption)
    assert strategy.judge_now(Evidence(turn=1, speech_seconds=2.0, text="ja, genau")) is Decision.IGNORE
    assert strategy.judge_now(Evidence(turn=1, speech_seconds=2.0)) is Decision.ACT


def test_plugins_offer_others_beside_them() -> None:
    assert isinstance(create_interruption("acme", registry=registry("acme")), MinWords)


def test_an_unknown_name_is_an_error_that_names_what_there_is() -> None:
    with pytest.raises(PluginError, match="there are: 'acme', 'backchannels', 'min-words', 'speech-length'"):
        create_interruption("minwords", registry=registry("acme"))


def test_an_unknown_option_is_an_error_that_names_the_options() -> None:
    with pytest.raises(ConfigError, match=r"has no option 'word'; its options are: words"):
        create_interruption("min-words", registry=registry(), word=3)


def test_a_plugin_with_a_name_of_ours_is_an_error_that_names_both() -> None:
    with pytest.raises(PluginError, match="by lk-agents itself and by the plugin acme"):
        create_interruption("backchannels", registry=registry("backchannels"))
