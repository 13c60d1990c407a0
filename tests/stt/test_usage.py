"""How much audio was recognised, whoever tells it."""

from __future__ import annotations

import asyncio

import pytest
from tests.stt.hearing import ONCE, USAGE, HearingSTT, broken, frame, metrics_of

from lk_agents.foundation.errors import APIConnectionError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.metrics import STTMetrics
from lk_agents.metrics.counting import counted_by
from lk_agents.stt import RecognitionUsage, RecognizeStream, SpeechEvent
from lk_agents.stt.usage import AudioUsage
from lk_agents.testing import VirtualClock


def usage(seconds: float) -> SpeechEvent:
    return SpeechEvent(USAGE, request_id="u1", recognition_usage=RecognitionUsage(seconds))


class Accountant(RecognizeStream):
    """Tells how much it has recognised after so many frames of its input."""

    def __init__(self, engine: HearingSTT, after: dict[int, float]) -> None:
        self.after = after
        super().__init__(stt=engine, conn_options=ONCE)

    async def _run(self) -> None:
        taken = 0
        async for item in self._input_ch:
            if not isinstance(item, self._FlushSentinel):
                taken += 1
                if taken in self.after:
                    self._event_ch.send_nowait(usage(self.after[taken]))


async def read(stream: RecognizeStream, frames: int) -> list[SpeechEvent]:
    for _ in range(frames):
        stream.push_frame(frame(0))
    stream.end_input()
    return [event async for event in stream]


async def test_what_the_provider_tells_becomes_metrics_and_reaches_the_reader(lk_clock: VirtualClock) -> None:
    engine = HearingSTT()
    metrics = metrics_of(engine)

    events = await read(Accountant(engine, {10: 1.0, 30: 2.0}), frames=40)

    assert [event.type for event in events] == [USAGE, USAGE]
    assert [(one.audio_duration, one.request_id, one.streamed) for one in metrics] == [
        (1.0, "u1", True),
        (2.0, "u1", True),
    ]
    assert metrics[0].label == "tests.stt.hearing.HearingSTT"
    assert metrics[0].timestamp == lk_clock.wall_seconds()


@pytest.mark.usefixtures("lk_clock")
async def test_the_duration_of_streamed_metrics_counts_from_the_beginning_of_the_stream() -> None:
    engine = HearingSTT()
    metrics = metrics_of(engine)
    stream = Accountant(engine, {1: 0.1})
    await asyncio.sleep(3)

    await read(stream, frames=1)

    assert metrics[0].duration == pytest.approx(3)


async def test_a_provider_that_tells_nothing_is_counted_by_what_it_was_given() -> None:
    engine = HearingSTT()
    metrics = metrics_of(engine)

    await read(engine.stream(), frames=42)

    assert [one.audio_duration for one in metrics] == pytest.approx([4.2])
    assert metrics[0].streamed


@pytest.mark.usefixtures("lk_clock")
async def test_audio_that_a_broken_session_gets_again_is_counted_again() -> None:
    engine = HearingSTT({20: broken()})
    metrics = metrics_of(engine)

    await read(engine.stream(), frames=30)

    assert sum(one.audio_duration for one in metrics) == pytest.approx(2.0 + 3.0)


async def test_a_stream_that_is_closed_early_is_counted_too() -> None:
    engine = HearingSTT()
    metrics = metrics_of(engine)
    stream = engine.stream()
    for _ in range(5):
        stream.push_frame(frame(1))
    await anext(stream)

    await stream.aclose()

    assert [one.audio_duration for one in metrics] == pytest.approx([0.5])


async def test_a_stream_without_audio_has_no_metrics() -> None:
    engine = HearingSTT()
    metrics = metrics_of(engine)

    await read(engine.stream(), frames=0)

    assert metrics == []


async def test_a_usage_event_that_tells_nothing_reaches_the_reader_and_counts_for_nothing() -> None:
    class Sloppy(RecognizeStream):
        async def _run(self) -> None:
            async for _ in self._input_ch:
                pass
            self._event_ch.send_nowait(SpeechEvent(USAGE))

    engine = HearingSTT()
    metrics = metrics_of(engine)

    events = await read(Sloppy(stt=engine, conn_options=APIConnectOptions()), frames=1)

    assert events == [SpeechEvent(USAGE)]
    assert [one.audio_duration for one in metrics] == pytest.approx([0.1])  # what it was given


async def test_a_listener_that_fails_does_not_reach_the_stream() -> None:
    def fail(metrics: object, one_too_many: object) -> None:
        raise AssertionError

    engine = HearingSTT()
    engine.on("metrics_collected", fail)

    assert len(await read(Accountant(engine, {1: 0.1}), frames=2)) == 1


def reports(*steps: tuple[str, float]) -> list[tuple[str, float]]:
    """Return what is reported when a provider is given (or tells of) so many seconds."""
    found: list[tuple[str, float]] = []
    account = AudioUsage(lambda request_id, seconds: found.append((request_id, round(seconds, 3))))
    for what, seconds in steps:
        if what == "given":
            account.given(seconds)
        else:
            account.told(what, seconds)
    account.end()
    return found


def test_a_silent_provider_is_reported_for_after_every_5_seconds_of_audio_from_10_seconds_on() -> None:
    assert reports(*[("given", 1.0)] * 23) == [("", 10.0), ("", 5.0), ("", 5.0), ("", 3.0)]


def test_what_was_reported_for_a_provider_is_taken_off_what_it_tells_later() -> None:
    found = reports(("given", 12.0), ("given", 8.0), ("r1", 15.0), ("given", 9.0), ("r2", 14.0))

    assert found == [("", 12.0), ("", 8.0), ("r2", 9.0)]
    assert sum(seconds for _, seconds in found) == 29.0


def test_a_provider_that_tells_is_left_to_tell_all_of_it() -> None:
    assert reports(("given", 4.0), ("r1", 4.0), ("given", 30.0)) == [("r1", 4.0)]


def test_every_usage_of_a_provider_that_always_tells_is_reported_also_an_empty_one() -> None:
    assert reports(("given", 5.0), ("r1", 5.0), ("r1", 0.0)) == [("r1", 5.0), ("r1", 0.0)]


async def test_a_stream_that_fails_is_counted_though_no_record_tells_of_it(lk_clock: VirtualClock) -> None:
    counted: list[STTMetrics] = []
    engine = HearingSTT({"open": broken()})
    metrics = metrics_of(engine)

    with counted_by(counted.append):  # type: ignore[arg-type]
        stream = engine.stream(conn_options=ONCE)
        stream.push_frame(frame(1))
        with pytest.raises(APIConnectionError):
            await anext(stream)

    assert metrics == []
    (failure,) = counted
    assert failure.error is not None
    assert (failure.error.message, failure.audio_duration, failure.streamed) == ("the line broke", 0.0, True)
