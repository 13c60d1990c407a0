"""How often a provider is asked again, after which wait, and what is raised in the end."""

from __future__ import annotations

import asyncio

import pytest

from lk_agents.foundation.errors import APIConnectionError, APIError, APIStatusError, APITimeoutError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.streams.retry import Retries, with_retries
from lk_agents.testing import VirtualClock


class Provider:
    """Fails with each of ``errors`` in turn, then answers."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.asked_at: list[float] = []

    async def ask(self) -> str:
        self.asked_at.append(asyncio.get_running_loop().time())
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def status(code: int, *, after: float | None = None) -> APIError:
    return APIStatusError("no", status_code=code).located(retry_after_seconds=after)


async def test_an_answer_at_once_is_asked_for_once() -> None:
    provider = Provider()

    assert await with_retries(provider.ask, APIConnectOptions(), label="p") == "answer"
    assert len(provider.asked_at) == 1


async def test_waits_are_short_first_and_then_as_long_as_wanted(lk_clock: VirtualClock) -> None:
    provider = Provider(*[APIConnectionError()] * 3)

    assert await with_retries(provider.ask, APIConnectOptions(max_retry=3, retry_interval=2), label="p") == "answer"
    assert provider.asked_at == pytest.approx([0.0, 0.1, 2.1, 4.1])


@pytest.mark.parametrize(
    ("asked", "expected"),
    [(0.05, 0.1), (0.0, 0.1), (3.0, 3.0), (10.0, 10.0)],
    ids=["shorter", "zero", "longer", "limit"],
)
async def test_the_wait_that_the_provider_asks_for_is_kept_if_it_is_the_longer_one(
    lk_clock: VirtualClock, asked: float, expected: float
) -> None:
    provider = Provider(status(429, after=asked))

    await with_retries(provider.ask, APIConnectOptions(timeout=10), label="p")

    assert provider.asked_at == pytest.approx([0.0, expected])


async def test_a_provider_that_wants_to_rest_longer_than_the_time_out_is_not_asked_again(
    lk_clock: VirtualClock,
) -> None:
    error = status(429, after=10.1)
    provider = Provider(error)

    with pytest.raises(APIStatusError) as caught:
        await with_retries(provider.ask, APIConnectOptions(timeout=10), label="p")

    assert caught.value is error
    assert lk_clock.monotonic() == 0


@pytest.mark.parametrize(
    ("code", "attempts"),
    [
        (400, 1),
        (401, 1),
        (403, 1),
        (404, 1),
        (408, 3),
        (409, 3),
        (422, 1),
        (429, 3),
        (499, 1),
        (500, 3),
        (503, 3),
        (-1, 3),
    ],
)
@pytest.mark.usefixtures("lk_clock")
async def test_the_status_decides_whether_it_is_tried_again(code: int, attempts: int) -> None:
    provider = Provider(*[status(code) for _ in range(3)])

    with pytest.raises(APIError):
        await with_retries(provider.ask, APIConnectOptions(max_retry=2), label="p")

    assert len(provider.asked_at) == attempts


@pytest.mark.parametrize(("retryable", "attempts"), [(True, 2), (False, 1)])
@pytest.mark.usefixtures("lk_clock")
async def test_whoever_raises_may_decide_otherwise(retryable: bool, attempts: int) -> None:
    provider = Provider(APIStatusError("no", status_code=400 if retryable else 500, retryable=retryable))

    answer: object = None
    try:
        answer = await with_retries(provider.ask, APIConnectOptions(max_retry=2), label="p")
    except APIStatusError as error:
        answer = error.retryable

    assert answer == ("answer" if retryable else False)
    assert len(provider.asked_at) == attempts


@pytest.mark.usefixtures("lk_clock")
async def test_in_the_end_the_error_says_how_often_and_has_the_last_failure_as_its_cause() -> None:
    last = APITimeoutError("silent").located(phase="idle", code="E7", request_id="r-9", retry_after_seconds=0.5)
    last.body = {"error": "E7"}
    provider = Provider(APIConnectionError("first"), last)

    with pytest.raises(APIConnectionError, match="p failed 2 times; the last time: silent") as caught:
        await with_retries(provider.ask, APIConnectOptions(max_retry=1), label="p")

    final = caught.value
    assert final.__cause__ is last
    assert (final.provider, final.phase, final.code, final.request_id) == ("p", "idle", "E7", "r-9")
    assert (final.attempts, final.retryable, final.body) == (2, True, {"error": "E7"})
    assert final.retry_after_seconds == 0.5


async def test_without_retries_the_error_is_the_providers_own() -> None:
    error = APIConnectionError("once")

    with pytest.raises(APIConnectionError) as caught:
        await with_retries(Provider(error).ask, APIConnectOptions(max_retry=0), label="p")

    assert caught.value is error
    assert (error.attempts, error.provider) == (1, "p")


async def test_what_is_no_error_of_a_provider_is_not_tried_again() -> None:
    provider = Provider(ValueError("a defect"))

    with pytest.raises(ValueError, match="a defect"):
        await with_retries(provider.ask, APIConnectOptions(), label="p")

    assert len(provider.asked_at) == 1


async def test_cancelled_in_a_wait_it_does_not_ask_again(lk_clock: VirtualClock) -> None:
    provider = Provider(*[APIConnectionError()] * 9)
    asking = asyncio.ensure_future(with_retries(provider.ask, APIConnectOptions(), label="p"))
    await asyncio.sleep(1)

    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.sleep(100)

    assert len(provider.asked_at) == 2


async def test_a_good_attempt_gives_all_retries_back_and_the_count_goes_on(lk_clock: VirtualClock) -> None:
    retries = Retries(APIConnectOptions(max_retry=1, retry_interval=5), label="p")
    await retries.wait_after(APIConnectionError())
    retries.renew()
    await retries.wait_after(APIConnectionError())

    with pytest.raises(APIConnectionError, match="p failed 3 times"):
        await retries.wait_after(APIConnectionError())
    assert lk_clock.monotonic() == pytest.approx(0.2), "the first wait after a good attempt is the short one"


async def test_attempts_that_a_member_has_made_are_not_forgotten() -> None:
    error = APIConnectionError()
    error.attempts = 4

    with pytest.raises(APIConnectionError):
        await Retries(APIConnectOptions(max_retry=0), label="adapter").wait_after(error)

    assert error.attempts == 4


@pytest.mark.usefixtures("lk_clock")
async def test_each_retry_is_logged_with_what_is_known_and_without_any_text(caplog: pytest.LogCaptureFixture) -> None:
    error = APIStatusError("a text of the provider's", status_code=503, body="with a body").located(
        code="E1", phase="send"
    )

    await with_retries(Provider(error).ask, APIConnectOptions(), label="p")

    (record,) = caplog.records
    shown = {name: getattr(record, name) for name in ("provider", "attempt", "error", "phase", "code", "wait_seconds")}
    assert record.getMessage() == "a provider failed and is tried again"
    assert shown == {
        "provider": "p", "attempt": 1, "error": "APIStatusError", "phase": "send", "code": "E1", "wait_seconds": 0.1
    }  # fmt: skip
    assert "text of the provider" not in str(record.__dict__)
