"""The records of a stream of segments: one for each, whatever becomes of it."""

from __future__ import annotations

import asyncio

import pytest
from tests.tts.speakers import (
    ONCE,
    Ears,
    Fault,
    Speaker,
    about,
    frame_of,
    read,
    read_until_error,
    stall,
)

from lk_agents.foundation.types import APIConnectOptions
from lk_agents.testing import VirtualClock
from lk_agents.tts import SynthesizedAudio, SynthesizeStream


async def test_each_segment_has_its_own_record_and_clock(lk_clock: VirtualClock) -> None:
    tts = Speaker(frame_seconds=0.5)
    ears = Ears.on(tts)
    stream = tts.stream()
    reader = asyncio.create_task(read(stream))
    stream.push_text("hello there")
    stream.flush()
    await asyncio.sleep(10)
    stream.push_text("bye")
    stream.end_input()
    await reader

    assert [(record.ttfb, record.duration, record.audio_duration) for record in ears.metrics] == [
        pytest.approx((0.5, 1.5, 0.11)),
        pytest.approx((0.5, 0.5, 0.03)),
    ]
    assert [record.characters_count for record in ears.metrics] == [11, 3]
    assert [record.request_id for record in ears.metrics] == ["request-1", "request-2"]
    assert [record.segment_id for record in ears.metrics] == ["segment-1", "segment-2"]
    assert all(record.streamed and record.label == tts.label and not record.cancelled for record in ears.metrics)


class Greedy(Speaker):
    """Takes all there is before it says anything.

    :param marks: whether it tells when it begins.
    """

    def __init__(self, *, marks: bool) -> None:
        super().__init__()
        self.marks = marks

    def stream(self, *, conn_options: APIConnectOptions | None = None) -> SynthesizeStream:
        return _GreedyStream(tts=self, conn_options=conn_options)


class _GreedyStream(SynthesizeStream):
    _tts: Greedy

    async def _run(self) -> None:
        texts = []
        async for item in self._input_ch:
            if isinstance(item, str):
                texts.append(item)
                if self._tts.marks:
                    self._mark_started()
        for text in texts:
            await asyncio.sleep(1)
            self._event_ch.send_nowait(SynthesizedAudio(frame_of(text), "request", is_final=True, segment_id=text))


@pytest.mark.parametrize("marks", [False, True])
async def test_a_second_segment_that_was_taken_early_is_not_silent(lk_clock: VirtualClock, marks: bool) -> None:
    tts = Greedy(marks=marks)
    ears = Ears.on(tts)
    stream = tts.stream()
    for text in ("one", "two"):
        stream.push_text(text)
        stream.flush()
    stream.end_input()
    await read(stream)

    assert [(record.segment_id, record.ttfb) for record in ears.metrics] == [
        ("one", about(1)),
        ("two", about(2)),
    ]


class Late(Speaker):
    """Connects for a second before it says that it begins, and says so again when audio is there.

    :param forgets: it says so only then.
    """

    def __init__(self, *, forgets: bool = False) -> None:
        super().__init__()
        self.forgets = forgets

    def stream(self, *, conn_options: APIConnectOptions | None = None) -> SynthesizeStream:
        return _LateStream(tts=self, conn_options=conn_options)


class _LateStream(SynthesizeStream):
    _tts: Late

    async def _run(self) -> None:
        text = await self._input_ch.recv()
        await self._input_ch.recv()
        assert isinstance(text, str)
        await asyncio.sleep(1)
        if not self._tts.forgets:
            self._mark_started()
        await asyncio.sleep(0.25)
        self._event_ch.send_nowait(SynthesizedAudio(frame_of(text), ""))
        self._mark_started()
        await asyncio.sleep(0.25)
        self._event_ch.send_nowait(SynthesizedAudio(frame_of(text), "", is_final=True))


@pytest.mark.parametrize(("forgets", "ttfb"), [(False, 0.25), (True, 1.25)])
async def test_the_clock_starts_where_the_provider_says_so_before_there_is_audio(
    lk_clock: VirtualClock, forgets: bool, ttfb: float
) -> None:
    tts = Late(forgets=forgets)
    ears = Ears.on(tts)
    stream = tts.stream()
    stream.push_text("hello")
    stream.end_input()
    await read(stream)

    (record,) = ears.metrics
    assert (record.ttfb, record.duration) == pytest.approx((ttfb, ttfb + 0.25))


async def test_a_segment_that_failed_has_one_record(lk_clock: VirtualClock) -> None:
    tts = Speaker(Fault())
    ears = Ears.on(tts)
    stream = tts.stream(conn_options=APIConnectOptions(max_retry=2))
    stream.push_text("hello")
    stream.end_input()
    await read_until_error(stream)

    (record,) = ears.metrics
    assert (record.ttfb, record.audio_duration, record.characters_count, record.cancelled) == (-1, 0, 5, False)
    assert record.error is not None
    assert record.error.attempts == 3


async def test_a_segment_whose_provider_could_not_be_reached_has_one_record() -> None:
    class Unreachable(_LateStream):
        async def _run(self) -> None:
            await Fault().strike()

    tts = Late()
    ears = Ears.on(tts)
    stream = Unreachable(tts=tts, conn_options=ONCE)
    stream.push_text("hello")
    stream.end_input()
    await read_until_error(stream)

    assert [(record.ttfb, record.characters_count) for record in ears.metrics] == [(-1, 5)]


async def test_a_segment_that_breaks_has_one_record_of_what_was_heard() -> None:
    tts = Speaker(None, Fault())
    tts.faults = [Fault(at=2)]
    ears = Ears.on(tts)
    stream = tts.stream()
    for text in ("hello", "and bye"):
        stream.push_text(text)
        stream.flush()
    stream.end_input()
    await read_until_error(stream)

    assert [(record.audio_duration, record.error is None) for record in ears.metrics] == [
        (about(0.05), True),
        (about(0.05), False),
    ]


@pytest.mark.parametrize(("at", "ttfb", "seconds"), [(0, -1, 0), (1, 0, 0.05)])
async def test_a_segment_that_is_closed_midway_counts_as_cancelled(
    lk_clock: VirtualClock, at: int, ttfb: float, seconds: float
) -> None:
    tts = Speaker(stall(at))
    ears = Ears.on(tts)
    stream = tts.stream()
    stream.push_text("hello there")
    stream.flush()
    await asyncio.sleep(1)
    await stream.aclose()

    (record,) = ears.metrics
    assert (record.ttfb, record.audio_duration, record.cancelled) == (ttfb, about(seconds), True)
    assert record.error is None


async def test_without_text_there_is_no_record() -> None:
    tts = Speaker()
    ears = Ears.on(tts)
    stream = tts.stream()
    stream.end_input()
    await read(stream)
    await tts.stream().aclose()

    assert ears.metrics == []


async def test_a_listener_that_fails_does_not_end_the_stream() -> None:
    tts = Speaker()

    @tts.on("metrics_collected")
    def listen(one: object, two: object) -> None: ...

    stream = tts.stream()
    stream.push_text("hello")
    stream.end_input()

    assert len(await read(stream)) == 1


async def test_a_record_of_a_segment_names_provider_and_model(lk_clock: VirtualClock) -> None:
    tts = Speaker()
    tts.provider, tts.model = "acme", "acme-speaks-2"
    ears = Ears.on(tts)
    stream = tts.stream()
    stream.push_text("hello")
    stream.end_input()
    await read(stream)

    assert [(record.provider, record.model) for record in ears.metrics] == [("acme", "acme-speaks-2")]


async def test_a_record_of_a_text_names_provider_and_model(lk_clock: VirtualClock) -> None:
    tts = Speaker()
    tts.provider, tts.model = "acme", "acme-speaks-2"
    ears = Ears.on(tts)
    await tts.synthesize("hello").collect()

    assert [(record.provider, record.model) for record in ears.metrics] == [("acme", "acme-speaks-2")]
