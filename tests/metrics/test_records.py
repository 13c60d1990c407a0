"""The records have the fields that are known from the older frameworks, in their order; the rest comes by keyword."""

from __future__ import annotations

import dataclasses
import inspect
from typing import get_args

import pytest

from lk_agents import metrics
from lk_agents.foundation.errors import APIConnectionError, APIError, APIStatusError
from lk_agents.metrics import AgentMetrics, Error, LLMMetrics, MultimodalLLMError, MultimodalLLMMetrics, TTSMetrics

STT = ["request_id", "timestamp", "duration", "label", "audio_duration", "streamed", "error"]
TTS = [
    "request_id",
    "timestamp",
    "ttfb",
    "duration",
    "audio_duration",
    "cancelled",
    "characters_count",
    "label",
    "streamed",
    "error",
]
VAD = ["timestamp", "idle_time", "inference_duration_total", "inference_count", "label"]
LLM = [
    "request_id",
    "timestamp",
    "ttft",
    "duration",
    "label",
    "cancelled",
    "completion_tokens",
    "prompt_tokens",
    "total_tokens",
    "tokens_per_second",
    "error",
]
FIELDS: dict[str, list[str]] = {
    "STTMetrics": STT,
    "TTSMetrics": TTS,
    "VADMetrics": VAD,
    "LLMMetrics": LLM,
    "PipelineSTTMetrics": STT,
    "PipelineVADMetrics": VAD,
    "PipelineTTSMetrics": [*TTS, "sequence_id"],
    "PipelineLLMMetrics": [*LLM, "sequence_id"],
    "PipelineEOUMetrics": ["sequence_id", "timestamp", "end_of_utterance_delay", "transcription_delay"],
    "MultimodalLLMMetrics": [*LLM, "input_token_details", "output_token_details"],
}
LATER = {"provider", "model", "segment_id", "cached_prompt_tokens", "hedged"}


@pytest.mark.parametrize("name", FIELDS)
def test_the_known_fields_are_required_and_can_be_given_by_position(name: str) -> None:
    parameters = inspect.signature(getattr(metrics, name)).parameters.values()

    by_position = [each for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
    assert [each.name for each in by_position] == FIELDS[name]
    assert all(each.default is each.empty for each in by_position)


@pytest.mark.parametrize("name", FIELDS)
def test_what_came_later_is_given_by_keyword_and_may_be_left_out(name: str) -> None:
    parameters = inspect.signature(getattr(metrics, name)).parameters.values()

    later = [each for each in parameters if each.name not in FIELDS[name]]
    assert {each.name for each in later} <= LATER
    assert all(each.kind is each.KEYWORD_ONLY and each.default is not each.empty for each in later)


@pytest.mark.parametrize("name", FIELDS)
def test_every_record_belongs_to_what_is_handed_out(name: str) -> None:
    assert getattr(metrics, name) in get_args(AgentMetrics)


@pytest.mark.parametrize("name", ["PipelineTurnMetrics", "DeadAirMetrics"])
def test_new_records_are_given_by_keyword_and_handed_out_as_well(name: str) -> None:
    record = getattr(metrics, name)

    assert record in get_args(AgentMetrics)
    assert all(each.kind is each.KEYWORD_ONLY for each in inspect.signature(record).parameters.values())


def test_records_of_a_pipeline_are_records_of_their_engines() -> None:
    for kind in ("STT", "TTS", "LLM", "VAD"):
        assert issubclass(getattr(metrics, f"Pipeline{kind}Metrics"), getattr(metrics, f"{kind}Metrics"))
    assert issubclass(MultimodalLLMMetrics, LLMMetrics)


def test_a_record_is_plain_data_that_can_be_changed() -> None:
    record = TTSMetrics("r", 1.0, 0.2, 1.5, 2.0, False, 10, "acme.TTS", True, None, segment_id="s1")

    record.characters_count = 11

    assert dataclasses.asdict(record)["characters_count"] == 11
    assert dataclasses.asdict(record)["segment_id"] == "s1"


def test_token_details_are_nested_in_the_record_of_a_response() -> None:
    details = MultimodalLLMMetrics.InputTokenDetails(
        cached_tokens=3,
        text_tokens=10,
        audio_tokens=20,
        cached_tokens_details=MultimodalLLMMetrics.CachedTokenDetails(text_tokens=1, audio_tokens=2),
    )
    output = MultimodalLLMMetrics.OutputTokenDetails(text_tokens=4, audio_tokens=5)

    record = MultimodalLLMMetrics("r", 1.0, 0.3, 1.0, "x.Y", False, 9, 30, 39, 9.0, None, details, output)

    assert record.input_token_details.cached_tokens_details.audio_tokens == 2
    assert record.output_token_details.text_tokens == 4


def test_an_error_of_a_response_takes_its_known_fields_first() -> None:
    error = MultimodalLLMError("incomplete", "max_output_tokens", "c1", "too long")

    assert isinstance(error, Error)
    assert (error.type, error.reason, error.code, error.message) == (
        "incomplete",
        "max_output_tokens",
        "c1",
        "too long",
    )
    assert [field.name for field in dataclasses.fields(error)][:4] == ["type", "reason", "code", "message"]
    assert MultimodalLLMError(type=None).message is None


def test_an_error_tells_what_the_exception_knows() -> None:
    failure = APIStatusError("no credit left", status_code=402, request_id="req-1")
    failure.located(provider="acme.STT", phase="connect")
    failure.attempts = 3

    assert Error.of(failure, provider="adapter.STT") == Error(
        message="no credit left",
        provider="acme.STT",
        phase="connect",
        code=402,
        request_id="req-1",
        retryable=False,
        attempts=3,
    )


def test_the_providers_own_code_goes_before_the_status() -> None:
    failure = APIStatusError("slow down", status_code=429).located(code="rate_limited")

    assert Error.of(failure).code == "rate_limited"
    assert Error.of(failure).retryable


@pytest.mark.parametrize("failure", [APIConnectionError(), APIError("what", body=None), APIStatusError("no status")])
def test_an_unknown_code_is_none(failure: APIError) -> None:
    assert Error.of(failure, provider="acme.STT") == Error(
        message=failure.message, provider="acme.STT", code=None, retryable=True
    )


def test_of_a_foreign_exception_only_the_class_is_told() -> None:
    error = Error.of(ValueError("https://api.acme.com/?key=hush"), provider="acme.STT")

    assert error == Error(message="ValueError", provider="acme.STT")
