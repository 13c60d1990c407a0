"""What a conversation has used is added up."""

from __future__ import annotations

from typing import Any

import pytest
from tests.metrics import made

from lk_agents.metrics import UsageCollector, UsageSummary
from lk_agents.utils.events import EventEmitter


def test_nothing_is_used_at_first() -> None:
    assert UsageCollector().get_summary() == UsageSummary(0, 0, 0, 0.0)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (made.STT, UsageSummary(0, 0, 0, 2.345)),
        (made.PIPELINE_STT, UsageSummary(0, 0, 0, 2.345)),
        (made.TTS, UsageSummary(0, 0, 17, 0.0)),
        (made.PIPELINE_TTS, UsageSummary(0, 0, 17, 0.0)),
        (made.LLM, UsageSummary(11, 7, 0, 0.0, llm_cached_prompt_tokens=5)),
        (made.PIPELINE_LLM, UsageSummary(11, 7, 0, 0.0)),
        (made.MULTIMODAL, UsageSummary(11, 7, 0, 0.0)),
        (made.VAD, UsageSummary(0, 0, 0, 0.0)),
        (made.PIPELINE_VAD, UsageSummary(0, 0, 0, 0.0)),
        (made.EOU, UsageSummary(0, 0, 0, 0.0)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_kind_of_record_counts_as_what_it_is_derived_from(record: Any, expected: UsageSummary) -> None:
    collector = UsageCollector()

    collector.collect(record)

    assert collector.get_summary() == expected


def test_records_are_added_up_when_it_is_called_as_well() -> None:
    collector = UsageCollector()

    for record in (made.LLM, made.STT, made.TTS):
        collector.collect(record)
        collector(record)

    assert collector.get_summary() == UsageSummary(22, 14, 34, 4.69, llm_cached_prompt_tokens=10)


def test_a_summary_is_not_changed_by_later_records_nor_changes_them() -> None:
    collector = UsageCollector()
    first = collector.get_summary()

    collector.collect(made.LLM)
    collector.get_summary().llm_prompt_tokens = 1_000

    assert first == UsageSummary(0, 0, 0, 0.0)
    assert collector.get_summary().llm_prompt_tokens == 11


def test_it_can_be_the_callback_of_an_engine() -> None:
    engine: EventEmitter[str] = EventEmitter()
    collector = UsageCollector()
    engine.on("metrics_collected", collector)

    engine.emit("metrics_collected", made.STT)

    assert collector.get_summary().stt_audio_duration == 2.345
