"""Logging what a function raises."""

import asyncio
import logging

import pytest

from lk_agents.utils import log_exceptions

logger = logging.getLogger("test.log_exceptions")


async def test_what_a_coroutine_function_raises_is_logged_with_its_name_and_raised(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @log_exceptions(msg="it went wrong", logger=logger)
    async def fail(value: int) -> int:
        raise KeyError(value)

    with pytest.raises(KeyError):
        await fail(3)

    (record,) = caplog.records
    assert (record.name, record.message, record.levelno) == (logger.name, "it went wrong", logging.ERROR)
    assert record.__dict__["function"].endswith("fail")
    assert record.exc_info is not None


def test_what_a_plain_function_raises_is_logged_and_raised(caplog: pytest.LogCaptureFixture) -> None:
    @log_exceptions()
    def fail() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        fail()

    assert [(record.name, record.message) for record in caplog.records] == [("root", "a function failed")]


async def test_results_names_and_arguments_pass_through(caplog: pytest.LogCaptureFixture) -> None:
    @log_exceptions()
    def add(left: int, *, right: int) -> int:
        return left + right

    @log_exceptions()
    async def add_later(left: int, *, right: int) -> int:
        return left + right

    assert (add(1, right=2), await add_later(1, right=2)) == (3, 3)
    assert (add.__name__, add_later.__name__) == ("add", "add_later")
    assert asyncio.iscoroutinefunction(add_later)
    assert caplog.records == []


async def test_a_cancellation_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    @log_exceptions()
    async def wait() -> None:
        await asyncio.sleep(60)

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert caplog.records == []
