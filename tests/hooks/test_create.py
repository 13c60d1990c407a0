"""``create()`` of every kind: the thin front of the look-up by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lk_agents import llm, realtime, stt, tokenize, tts, turns, vad
from lk_agents.foundation.errors import PluginError
from lk_agents.foundation.settings import Settings
from lk_agents.hooks import provider_records as records
from lk_agents.hooks.registry import PluginRegistry

KINDS: dict[str, tuple[Callable[..., Any], type[records.Provider]]] = {
    "stt": (stt.create, records.STTProvider),
    "tts": (tts.create, records.TTSProvider),
    "llm": (llm.create, records.LLMProvider),
    "vad": (vad.create, records.VADProvider),
    "realtime": (realtime.create, records.RealtimeProvider),
    "tokenizer": (tokenize.create, records.TokenizerProvider),
    "turn_detector": (turns.create_turn_detector, records.TurnDetectorProvider),
    "interruption": (turns.create_interruption, records.InterruptionProvider),
}


def build(*, model: str = "base", speed: float = 1.0) -> tuple[str, float]:
    return (model, speed)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_built_by_name_from_its_own_hook(kind: str) -> None:
    create, record = KINDS[kind]
    registry = PluginRegistry(Settings())
    registry.add_own({f"lk_agents_register_{kind}": lambda: [record("acme", build=build)]}, name="mine")

    assert create("acme/large", registry=registry, speed=2.0) == ("large", 2.0)
    for other, (create_other, _) in KINDS.items():
        if other != kind:
            with pytest.raises(PluginError, match="acme"):
                create_other("acme", registry=registry)


def test_no_kind_is_left_out() -> None:
    assert {record.kind for _, record in KINDS.values()} == {record.kind for record in records.PROVIDER_KINDS}
