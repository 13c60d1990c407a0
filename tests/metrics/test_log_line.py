"""One line of log for one record."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from tests.metrics import made

from lk_agents.metrics import log_metrics

TOKENS = "ttft=0.23, input_tokens=11, output_tokens=7, tokens_per_second=7.12"
LINES: list[tuple[Any, str]] = [
    (made.PIPELINE_LLM, f"Pipeline LLM metrics: sequence_id=turn-1, {TOKENS}"),
    (made.LLM, f"LLM metrics: {TOKENS}"),
    (made.MULTIMODAL, f"LLM metrics: {TOKENS}"),
    (made.PIPELINE_TTS, "Pipeline TTS metrics: sequence_id=turn-1, ttfb=0.1234, audio_duration=1.23"),
    (made.TTS, "TTS metrics: ttfb=0.1234, audio_duration=1.23"),
    (
        made.EOU,
        "Pipeline EOU metrics: sequence_id=turn-1, end_of_utterance_delay=0.51, transcription_delay=0.10",
    ),
    (made.PIPELINE_STT, "Pipeline STT metrics: duration=0.46, audio_duration=2.35"),
    (made.STT, "STT metrics: audio_duration=2.35"),
]


@pytest.mark.parametrize(("record", "line"), LINES, ids=lambda value: type(value).__name__)
def test_a_record_is_one_line_of_the_frameworks_log(record: Any, line: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "lk_agents"):
        log_metrics(record)

    assert [(each.name, each.levelno, each.getMessage()) for each in caplog.records] == [
        ("lk_agents", logging.INFO, line)
    ]


@pytest.mark.parametrize("record", [made.VAD, made.PIPELINE_VAD], ids=lambda value: type(value).__name__)
def test_voice_activity_detection_is_not_logged(record: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        log_metrics(record)

    assert caplog.records == []


def test_the_line_goes_to_the_logger_that_is_given(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "my.agent"):
        log_metrics(made.STT, logger=logging.getLogger("my.agent"))

    assert [each.name for each in caplog.records] == ["my.agent"]
