"""Recognising what was recorded: one loop of retries, one measurement, and nothing asked for nothing."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest
from tests.stt.hearing import FINAL, ONCE, RecordingSTT, broken, frame, metrics_of

from lk_agents import stt
from lk_agents.foundation.errors import APIConnectionError, APIStatusError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.metrics import STTMetrics
from lk_agents.metrics.counting import counted_by
from lk_agents.stt import SpeechEvent
from lk_agents.testing import VirtualClock
from lk_agents.utils.audio import AudioBuffer


async def test_it_gives_what_the_plugin_gives_with_the_callers_language_and_options() -> None:
    engine = RecordingSTT()
    options = APIConnectOptions(max_retry=1)

    event = await engine.recognize([frame(1), frame(2)], language="de", conn_options=options)

    assert event.type == FINAL
    assert event.alternatives[0].text == "w1 w2"
    assert engine.calls[0][1:] == ("de", options)


async def test_a_recognition_is_measured_once_with_the_time_of_the_attempt_that_succeeded(
    lk_clock: VirtualClock,
) -> None:
    engine = RecordingSTT(broken(), 0.25)
    metrics = metrics_of(engine)
    await asyncio.sleep(1)

    await engine.recognize([frame(1), frame(2)])

    (one,) = metrics
    assert (one.streamed, one.label, one.request_id, one.error) == (False, "tests.stt.hearing.RecordingSTT", "r1", None)
    assert one.audio_duration == pytest.approx(0.2)
    assert one.duration == pytest.approx(0.25)
    assert one.timestamp == lk_clock.wall_seconds()


async def test_the_metrics_tell_provider_and_model_where_the_plugin_says_them() -> None:
    engine = RecordingSTT()
    engine.provider, engine.model = "acme", "fast-2"
    metrics = metrics_of(engine)

    await engine.recognize(frame(1))

    assert (metrics[0].provider, metrics[0].model) == ("acme", "fast-2")


@pytest.mark.usefixtures("lk_clock")
async def test_a_failure_is_the_last_one_after_all_attempts_and_is_not_measured() -> None:
    engine = RecordingSTT(broken())
    metrics = metrics_of(engine)

    with pytest.raises(APIConnectionError, match="failed 3 times") as caught:
        await engine.recognize(frame(1), conn_options=APIConnectOptions(max_retry=2))

    assert len(engine.calls) == 3
    assert isinstance(caught.value.__cause__, APIConnectionError)
    assert caught.value.attempts == 3
    assert not metrics


async def test_a_failure_that_cannot_be_helped_is_raised_at_once() -> None:
    error = APIStatusError("what is this", status_code=400)
    engine = RecordingSTT(error)

    with pytest.raises(APIStatusError) as caught:
        await engine.recognize(frame(1))

    assert caught.value is error
    assert len(engine.calls) == 1


async def test_without_retries_the_original_error_is_raised() -> None:
    error = broken()

    with pytest.raises(APIConnectionError) as caught:
        await RecordingSTT(error).recognize(frame(1), conn_options=ONCE)

    assert caught.value is error


@pytest.mark.parametrize("buffer", [[], [frame()], frame()], ids=["no frame", "an empty one in a list", "an empty one"])
async def test_empty_input_asks_nobody_and_is_an_empty_final(buffer: AudioBuffer) -> None:
    engine = RecordingSTT(broken())
    metrics = metrics_of(engine)

    event = await engine.recognize(buffer)

    assert event == SpeechEvent(FINAL)
    assert not engine.calls
    assert not metrics


@pytest.mark.usefixtures("lk_clock")
async def test_a_cancelled_recognition_is_not_measured() -> None:
    engine = RecordingSTT(5.0)
    metrics = metrics_of(engine)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(engine.recognize(frame(1)), 1)

    assert not metrics


async def test_a_recogniser_of_recordings_does_not_listen_and_says_how_it_can() -> None:
    with pytest.raises(NotImplementedError, match="StreamAdapter"):
        RecordingSTT().stream()


async def test_leaving_the_context_closes_the_recogniser() -> None:
    class Closing(RecordingSTT):
        closed = False

        async def aclose(self) -> None:
            self.closed = True

    async with Closing() as engine:
        engine.prewarm()
        assert not engine.closed

    assert engine.closed


def test_a_plugin_may_add_events_and_gets_the_label_of_its_class() -> None:
    class Own(RecordingSTT, stt.STT[Literal["model_loaded"]]):
        pass

    engine, loaded = Own(), list[str]()
    engine.on("model_loaded", loaded.append)
    engine.emit("model_loaded", "small")

    assert loaded == ["small"]
    assert engine.label.endswith(".Own")
    assert engine.capabilities.streaming is False


async def test_a_failure_is_counted_though_no_record_tells_of_it() -> None:
    counted: list[STTMetrics] = []
    engine = RecordingSTT(APIStatusError("no", status_code=401))
    metrics = metrics_of(engine)

    with counted_by(counted.append), pytest.raises(APIStatusError):  # type: ignore[arg-type]
        await engine.recognize(frame(1))

    assert metrics == []
    (failure,) = counted
    assert failure.error is not None
    assert (failure.error.code, failure.audio_duration, failure.streamed) == (401, 0.0, False)
