"""What each record counts for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.metrics import made

from lk_agents.metrics import (
    AgentMetrics,
    DeadAirMetrics,
    Error,
    LLMMetrics,
    PipelineTurnMetrics,
    STTMetrics,
    TTSMetrics,
)
from lk_agents.metrics.measures import measure
from lk_agents.metrics.totals import Totals

TURN = PipelineTurnMetrics(
    sequence_id="SP_1",
    timestamp=100.0,
    turn=3,
    outcome="spoken",
    decision=0.5,
    llm_requested=-0.25,
    first_played=1.125,
    tool_seconds=2.0,
    heard_seconds=4.5,
)
ALARM = DeadAirMetrics(sequence_id="SP_1", timestamp=1.0, turn=1, stage="llm_first_token", seconds=4.0, count=1)


def counted(record: AgentMetrics) -> tuple[dict[str, float], dict[str, float]]:
    """Return counters, and the sums of histograms; names without what is the same in all."""
    totals = Totals()
    measure(record, totals)
    counts, spreads = totals.copy()
    assert all(sum(spread[1:]) == 1 for spread in spreads.values())
    sums = {key: spread[0] for key, spread in spreads.items()}
    return _short(counts), _short(sums)


def _short(figures: dict[str, float]) -> dict[str, float]:
    return {key.removeprefix("lk_agents_").replace("\t", " "): value for key, value in figures.items()}


def test_an_answer_of_a_language_model() -> None:
    record = replace(made.PIPELINE_LLM, provider="openai", model="gpt", cached_prompt_tokens=5)

    assert counted(record) == (
        {
            "llm_requests_total openai gpt ok": 1,
            "llm_tokens_total openai gpt prompt": 11,
            "llm_tokens_total openai gpt cached_prompt": 5,
            "llm_tokens_total openai gpt completion": 7,
        },
        {"llm_ttft_seconds openai gpt": 0.2345, "llm_duration_seconds openai gpt": 1.0},
    )


def test_a_request_without_any_output_has_no_time_to_it() -> None:
    _, spreads = counted(replace(made.LLM, ttft=-1.0, cancelled=True))

    assert list(spreads) == ["llm_duration_seconds acme "]


def test_a_synthesis() -> None:
    assert counted(made.TTS) == (
        {
            "tts_requests_total acme  ok": 1,
            "tts_characters_total acme ": 17,
            "tts_audio_seconds_total acme ": 1.234,
        },
        {"tts_ttfb_seconds acme ": 0.1234},
    )


def test_a_recognition_of_a_recording() -> None:
    assert counted(made.STT) == (
        {"stt_requests_total acme  ok": 1, "stt_audio_seconds_total acme ": 2.345},
        {"stt_duration_seconds acme ": 0.456},
    )


def test_a_report_of_a_live_recognition_is_no_request() -> None:
    assert counted(replace(made.STT, streamed=True)) == ({"stt_audio_seconds_total acme ": 2.345}, {})


def test_voice_activity_detection() -> None:
    counts = {"vad_inferences_total acme": 32, "vad_inference_seconds_total acme": 0.01}

    assert counted(made.VAD) == (counts, {})


def test_a_turn_with_the_stages_that_were_reached() -> None:
    assert counted(TURN) == (
        {"turns_total spoken": 1, "turn_heard_seconds_total": 4.5},
        {
            "turn_decision_seconds": 0.5,
            "turn_llm_requested_seconds": 0.0,
            "turn_first_played_seconds": 1.125,
            "turn_tool_seconds": 2.0,
        },
    )


def test_the_end_of_an_utterance() -> None:
    delays = {"end_of_utterance_delay_seconds": 0.5061, "transcription_delay_seconds": 0.1}

    assert counted(made.EOU) == ({}, delays)


def test_dead_air_by_stage() -> None:
    assert counted(ALARM) == ({"dead_air_alarms_total llm_first_token": 1}, {})


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Error(message="no", code=429), "429"),
        (Error(message="no", phase="connect"), "connect"),
        (Error(message="ValueError"), "unknown"),
    ],
)
def test_errors_by_code(error: Error, code: str) -> None:
    counts, _ = counted(replace(made.LLM, error=error))

    assert counts["llm_requests_total acme  error"] == 1
    assert counts[f"provider_errors_total llm acme  {code}"] == 1


@pytest.mark.parametrize("record", [made.LLM, made.TTS, made.STT], ids=["llm", "tts", "stt"])
def test_a_request_that_lost_to_another_one_is_counted_apart_with_what_it_used(
    record: LLMMetrics | TTSMetrics | STTMetrics,
) -> None:
    plain, _ = counted(record)
    lost, _ = counted(replace(record, hedged=True))

    assert lost == {name.replace(" ok", " hedged"): value for name, value in plain.items()}
    assert lost != plain


def test_a_provider_that_has_no_short_name_is_called_after_its_package() -> None:
    counts, _ = counted(replace(made.TTS, label="lk_agents_elevenlabs.tts.TTS"))

    assert "tts_characters_total elevenlabs " in counts


@pytest.mark.parametrize("record", [made.LLM, made.TTS, made.STT, made.MULTIMODAL, TURN, ALARM, made.EOU])
def test_no_label_is_an_id(record: AgentMetrics) -> None:
    counts, spreads = counted(record)

    told = " ".join([*counts, *spreads])
    assert not [word for word in ("r1", "r2", "r3", "r4", "SP_1", "turn-1") if f" {word}" in told]
