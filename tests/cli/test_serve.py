from __future__ import annotations

import asyncio
import logging

import pytest

from lk_agents.cli.serve import FAILED, FINE, Ended, serve
from lk_agents.cli.signals import StopSignals
from lk_agents.foundation.errors import RegistrationError

SOON = 10.0


class ToyWorker:
    """A worker with nothing behind it: notes what is asked of it, and takes as long as it is told."""

    def __init__(
        self, *, fails: BaseException | None = None, drain_seconds: float = 0.0, close_seconds: float = 0.0
    ) -> None:
        self.calls: list[str] = []
        self.started = asyncio.Event()
        self._fails = fails
        self._drain_seconds = drain_seconds
        self._close_seconds = close_seconds
        self._closed = asyncio.Event()

    async def run(self) -> None:
        self.started.set()
        if self._fails is not None:
            raise self._fails
        await self._closed.wait()

    async def drain(self, timeout: int | None = None) -> None:
        self.calls.append(f"drain {timeout}")
        async with asyncio.timeout(None if timeout is None else timeout / 100):
            await asyncio.sleep(self._drain_seconds)

    async def aclose(self) -> None:
        self.calls.append("aclose")
        await asyncio.sleep(self._close_seconds)
        self._closed.set()

    async def kill(self) -> None:
        self.calls.append("kill")
        self._closed.set()


async def served(worker: ToyWorker, *, drain_seconds: int, force: bool = False) -> Ended:
    """Serve, ask to stop at once and, where told, force the end while that goes on."""
    with StopSignals() as signals:
        signals.attach()
        serving = asyncio.create_task(serve(worker, signals, drain_seconds=drain_seconds))
        await asyncio.wait_for(worker.started.wait(), SOON)
        signals.ask()
        if force:
            await asyncio.sleep(0.05)
            signals.force()
        return await asyncio.wait_for(serving, SOON)


async def test_a_stop_drains_and_closes() -> None:
    worker = ToyWorker()

    assert await served(worker, drain_seconds=60) == Ended(FINE)
    assert worker.calls == ["drain 60", "aclose"]


async def test_a_drain_time_of_nothing_waits_for_nobody() -> None:
    worker = ToyWorker(drain_seconds=1000)

    assert await served(worker, drain_seconds=0) == Ended(FINE)
    assert worker.calls == ["aclose"]


async def test_x02_a_drain_that_takes_too_long_is_followed_by_the_close() -> None:
    worker = ToyWorker(drain_seconds=1000)

    assert await served(worker, drain_seconds=5) == Ended(FINE)
    assert worker.calls == ["drain 5", "aclose"]


async def test_x25_a_worker_that_fails_is_closed_and_the_exit_code_says_so(caplog: pytest.LogCaptureFixture) -> None:
    worker = ToyWorker(fails=RegistrationError("the server refused the key 'devkey'"))

    with caplog.at_level(logging.ERROR), StopSignals() as signals:
        signals.attach()
        ended = await asyncio.wait_for(serve(worker, signals, drain_seconds=60), SOON)

    assert ended == Ended(FAILED)
    assert worker.calls == ["aclose"]
    assert caplog.records[0].__dict__["error"] == "the server refused the key 'devkey'"


@pytest.mark.parametrize("worker", [ToyWorker(drain_seconds=1000), ToyWorker(close_seconds=1000)])
async def test_a_second_signal_ends_at_once(worker: ToyWorker) -> None:

    assert await served(worker, drain_seconds=60_000, force=True) == Ended(FAILED, forced=True)
    assert worker.calls[-1] == "kill"
