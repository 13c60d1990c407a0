"""What all streams share: retries, one end, a reader that loses nothing, an input that is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from lk_agents.foundation.errors import APIConnectionError, APIError, APIStatusError, StreamInputError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.streams.base import EventStream, InputStream
from lk_agents.streams.inputs import FlushSentinel, TextInput
from lk_agents.testing import VirtualClock

Attempt = Callable[["Numbers"], Awaitable[None]]


class Numbers(EventStream[int]):
    """Runs one function after the other, the last one again and again."""

    def __init__(self, *attempts: Attempt, options: APIConnectOptions | None = None) -> None:
        super().__init__(conn_options=options or APIConnectOptions(), label="tests.Numbers")
        self.attempts = list(attempts)
        self.began: list[float] = []
        self.ends: list[tuple[bool, str]] = []

    async def _run(self) -> None:
        self.began.append(asyncio.get_running_loop().time())
        attempt = self.attempts[0] if len(self.attempts) == 1 else self.attempts.pop(0)
        await attempt(self)

    def _finished(self, *, cancelled: bool, error: BaseException | None) -> None:
        self.ends.append((cancelled, type(error).__name__))

    def say(self, *numbers: int) -> None:
        for number in numbers:
            self._event_ch.send_nowait(number)


def failing(error: Exception) -> Attempt:
    async def attempt(stream: Numbers) -> None:
        raise error

    return attempt


def saying(*numbers: int) -> Attempt:
    async def attempt(stream: Numbers) -> None:
        stream.say(*numbers)

    return attempt


async def hanging(stream: Numbers) -> None:
    await asyncio.Event().wait()


async def test_events_come_in_order_and_then_the_end() -> None:
    stream = Numbers(saying(1, 2, 3))

    assert [number async for number in stream] == [1, 2, 3]
    assert stream.ends == [(False, "NoneType")]


@pytest.mark.usefixtures("lk_clock")
async def test_max_retry_3_makes_4_attempts_with_the_waits_of_the_options() -> None:
    stream = Numbers(failing(APIConnectionError()), options=APIConnectOptions(max_retry=3, retry_interval=2))

    with pytest.raises(APIConnectionError, match=r"tests\.Numbers failed 4 times") as caught:
        await anext(stream)

    assert stream.began == pytest.approx([0.0, 0.1, 2.1, 4.1])
    assert caught.value.attempts == 4
    assert caught.value.provider == "tests.Numbers"


@pytest.mark.usefixtures("lk_clock")
async def test_the_cause_of_the_last_failure_is_kept_also_for_whoever_asks_again() -> None:
    cause = APIStatusError("overloaded", status_code=503)
    stream = Numbers(failing(cause), options=APIConnectOptions(max_retry=1))

    for _ in range(2):
        with pytest.raises(APIConnectionError) as caught:
            await anext(stream)
        assert caught.value.__cause__ is cause


@pytest.mark.parametrize(
    ("error", "options"),
    [
        (APIStatusError("no", status_code=400), APIConnectOptions()),
        (APIStatusError("gone", status_code=499), APIConnectOptions()),
        (APIConnectionError(retryable=False), APIConnectOptions()),
        (APIConnectionError(), APIConnectOptions(max_retry=0)),
        (ValueError("a defect"), APIConnectOptions()),
        (TimeoutError(), APIConnectOptions()),
    ],
    ids=["400", "499", "not retryable", "no retries", "no API error", "a raw timeout"],
)
async def test_what_cannot_help_is_not_tried_again(error: Exception, options: APIConnectOptions) -> None:
    stream = Numbers(failing(error), options=options)

    with pytest.raises(type(error)) as caught:
        await anext(stream)

    assert caught.value is error
    assert len(stream.began) == 1


@pytest.mark.usefixtures("lk_clock")
async def test_the_wait_that_the_provider_asks_for_is_kept_if_it_is_not_too_long() -> None:
    def limited(seconds: float) -> APIError:
        return APIStatusError("slow down", status_code=429).located(retry_after_seconds=seconds)

    patient = Numbers(failing(limited(5)), saying(1), options=APIConnectOptions(timeout=10))
    assert [number async for number in patient] == [1]
    assert patient.began == pytest.approx([0.0, 5.0])

    impatient = Numbers(failing(limited(11)), options=APIConnectOptions(timeout=10))
    with pytest.raises(APIStatusError):
        await anext(impatient)
    assert len(impatient.began) == 1


async def test_what_was_said_before_a_failure_can_be_read() -> None:
    async def attempt(stream: Numbers) -> None:
        stream.say(1, 2)
        raise APIStatusError("no", status_code=401)

    stream = Numbers(attempt)

    assert [await anext(stream), await anext(stream)] == [1, 2]
    with pytest.raises(APIStatusError):
        await anext(stream)


async def test_a_cancelled_reader_loses_nothing() -> None:
    go = asyncio.Event()

    async def attempt(stream: Numbers) -> None:
        await go.wait()
        stream.say(1, 2)

    stream = Numbers(attempt)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.001)
    reader = asyncio.create_task(anext(stream), name="reader")
    await asyncio.sleep(0)
    go.set()
    await asyncio.sleep(0)
    reader.cancel()  # in the very moment in which its event is there
    await asyncio.wait({reader})

    rest = [number async for number in stream]

    assert rest == ([1, 2] if reader.cancelled() else [2])


async def test_a_second_reader_at_the_same_time_is_refused() -> None:
    stream = Numbers(hanging)
    first = asyncio.create_task(anext(stream), name="first")
    await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="one reader"):
        await anext(stream)

    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await first


async def test_closing_three_times_at_once_ends_it_once_and_leaves_what_was_said() -> None:
    async def attempt(stream: Numbers) -> None:
        stream.say(1)
        await asyncio.Event().wait()

    stream = Numbers(attempt)
    await asyncio.sleep(0)

    await asyncio.gather(stream.aclose(), stream.aclose(), stream.aclose())
    await stream.aclose()

    assert [number async for number in stream] == [1]
    assert stream.ends == [(True, "NoneType")]


async def test_closing_before_it_has_begun_is_fine() -> None:
    stream = Numbers(saying(1))

    await stream.aclose()

    assert [number async for number in stream] == []
    assert stream.ends == [(True, "NoneType")]


async def test_tasks_of_a_providers_constructor_end_with_the_stream() -> None:
    class Old(Numbers):
        def __init__(self) -> None:
            super().__init__(hanging)
            self._pump = asyncio.create_task(asyncio.Event().wait(), name="pump")

    stream = Old()
    await stream.aclose()

    assert stream._pump.cancelled()


async def test_a_provider_that_swallows_its_cancellation_is_waited_for_5_seconds_only(
    lk_clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    release = asyncio.Event()

    async def stubborn(stream: Numbers) -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    stream = Numbers(stubborn)
    await asyncio.sleep(1)
    await stream.aclose()

    assert lk_clock.monotonic() == pytest.approx(6)
    assert "a stream did not end when it was closed" in caplog.messages
    release.set()
    await asyncio.wait({stream._task})


async def test_the_producer_waits_while_a_thousand_events_are_unread() -> None:
    async def attempt(stream: Numbers) -> None:
        for number in range(1500):
            await stream._event_ch.send(number)

    stream = Numbers(attempt)
    for _ in range(5):
        await asyncio.sleep(0)
    assert stream._event_ch.qsize() == 1000

    assert [number async for number in stream] == list(range(1500))


async def test_a_producer_that_never_waits_fails_before_it_fills_the_memory() -> None:
    stream = Numbers(saying(*range(20_001)))

    with pytest.raises(StreamInputError, match="20000 events of this stream are unread"):
        async for _ in stream:
            pass


class Echo(InputStream[TextInput, str]):
    """Says what it is given; fails once when it is told ``fail``."""

    def __init__(self, options: APIConnectOptions | None = None) -> None:
        super().__init__(conn_options=options or APIConnectOptions(), label="tests.Echo")
        self.failed = False

    def _make_input(self) -> TextInput:
        return TextInput(self._event_ch)

    def _flush(self) -> None:
        self._input_ch.flush()

    def push(self, text: str) -> None:
        self._check_open()
        self._input_ch.push(text)

    async def _run(self) -> None:
        async for item in self._input_ch:
            if isinstance(item, FlushSentinel):
                self._event_ch.send_nowait("|")
            elif item == "fail" and not self.failed:
                self.failed = True
                raise APIConnectionError
            else:
                self._event_ch.send_nowait(item)


@pytest.mark.usefixtures("lk_clock")
async def test_input_that_is_not_settled_comes_again_in_the_next_attempt() -> None:
    stream = Echo()
    for text in ("a", "fail", "b"):
        stream.push(text)
    stream.end_input()

    assert [text async for text in stream] == ["a", "a", "fail", "b", "|"]


async def test_feeding_after_the_end_is_an_error_and_flushing_nothing_is_not() -> None:
    stream = Echo()
    stream.flush()
    stream.end_input()

    feeds: list[Callable[[], None]] = [lambda: stream.push("x"), stream.flush, stream.end_input]
    for feed in feeds:
        with pytest.raises(RuntimeError, match="the input of this stream has ended"):
            feed()
    assert [text async for text in stream] == ["|", "|"]


async def test_feeding_a_stream_that_has_failed_is_an_error() -> None:
    stream = Echo(APIConnectOptions(max_retry=0))
    stream.push("fail")
    with pytest.raises(APIConnectionError):
        await anext(stream)

    with pytest.raises(StreamInputError, match="this stream has ended"):
        stream.push("x")


async def test_input_is_held_back_while_nobody_reads_the_events() -> None:
    stream = Echo()
    for _ in range(1200):
        stream.push("x")
    for _ in range(5):
        await asyncio.sleep(0)

    assert stream._event_ch.qsize() == 1000
    assert stream._input_ch.qsize() == 200
    await stream.aclose()
