from __future__ import annotations

import asyncio
import os
import signal
import threading

from lk_agents.cli.signals import StopSignals

SOON = 10.0


async def test_the_first_signal_asks_and_the_second_forces() -> None:
    with StopSignals() as signals:
        signals.attach()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(signals.asked.wait(), SOON)
        assert not signals.forced.is_set()

        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait_for(signals.forced.wait(), SOON)


async def test_a_signal_is_not_raised_inside_the_code_that_runs() -> None:
    with StopSignals() as signals:
        signals.attach()
        try:
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(100_000):
                pass
        except BaseException as error:  # what an application's broad except would swallow
            raise AssertionError(f"{error!r} came out of the handler") from error
        await asyncio.wait_for(signals.asked.wait(), SOON)


def test_a_signal_before_the_loop_exists_is_told_later() -> None:
    async def main(signals: StopSignals) -> bool:
        signals.attach()
        await asyncio.wait_for(signals.asked.wait(), SOON)
        return signals.asked.is_set()

    with StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        with asyncio.Runner() as runner:
            assert runner.run(main(signals))


async def test_a_forced_end_that_does_not_come_is_made() -> None:
    made = threading.Event()
    with StopSignals(forced_end_seconds=0.05, last_resort=made.set) as signals:
        signals.attach()
        os.kill(os.getpid(), signal.SIGTERM)
        await signals.asked.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        assert made.wait(SOON), "with the loop blocked by this very wait"


async def test_a_forced_end_that_comes_in_time_is_left_alone() -> None:
    made = threading.Event()
    with StopSignals(forced_end_seconds=0.5, last_resort=made.set) as signals:
        signals.attach()
        signals.force()
        await asyncio.wait_for(signals.forced.wait(), SOON)
    assert not made.wait(0.7)


async def test_a_stop_that_the_watcher_asked_for_does_not_make_the_next_signal_a_second_one() -> None:
    with StopSignals() as signals:
        signals.attach()
        signals.ask()
        os.kill(os.getpid(), signal.SIGINT)  # Ctrl-C reaches watcher and worker alike
        await asyncio.sleep(0.1)
        assert not signals.forced.is_set()


def test_the_handlers_from_before_are_back_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopSignals():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
