"""When the server is tried again, and when that ends."""

from __future__ import annotations

import pytest

from lk_agents.foundation.ids import use_chance
from lk_agents.worker.backoff import Backoff


def _delays(backoff: Backoff, count: int, *, now: float = 0.0, jobs_running: bool = False) -> list[float | None]:
    return [backoff.failed(now, jobs_running=jobs_running) for _ in range(count)]


def test_delays_grow_to_ten_seconds_and_stay_there() -> None:
    with use_chance(1):
        delays = _delays(Backoff(16, now=0.0), 10, now=60.0)

    for delay, middle in zip(delays, [0.5, 2, 4, 6, 8, 10, 10, 10, 10, 10], strict=True):
        assert delay is not None
        assert middle * 0.75 <= delay <= min(middle * 1.25, 10)


@pytest.mark.parametrize("outage", [1.0, 3.0, 6.0, 20.0])
@pytest.mark.parametrize("seed", range(20))
def test_a_server_that_was_away_for_a_short_time_is_found_soon_after_its_return(outage: float, seed: int) -> None:
    backoff, now = Backoff(16, now=0.0), 0.0
    with use_chance(seed):
        while now < outage:
            delay = backoff.failed(now, jobs_running=False)
            assert delay is not None
            now += delay

    assert now - outage <= max(2.0, 0.45 * outage)


def test_two_workers_do_not_come_back_at_the_same_moment() -> None:
    first, second = _delays(Backoff(16, now=0.0), 5), _delays(Backoff(16, now=0.0), 5)

    assert first != second


def test_an_idle_worker_gives_up_after_max_retry_and_a_minute() -> None:
    backoff = Backoff(3, now=0.0)

    assert None not in _delays(backoff, 20, now=59.0)
    assert backoff.failed(60.0, jobs_running=False) is None


def test_after_a_minute_max_retry_still_counts() -> None:
    backoff = Backoff(3, now=0.0)

    assert None not in _delays(backoff, 3, now=300.0)
    assert backoff.failed(300.0, jobs_running=False) is None


def test_with_a_job_running_a_worker_tries_for_ever() -> None:
    delays = _delays(Backoff(0, now=0.0), 1000, now=9_999.0, jobs_running=True)

    assert all(delay is not None and delay <= 10 for delay in delays)


def test_failures_while_a_job_ran_do_not_count_afterwards() -> None:
    backoff = Backoff(2, now=0.0)
    _delays(backoff, 50, now=500.0, jobs_running=True)

    assert None not in _delays(backoff, 2, now=600.0)
    assert backoff.failed(600.0, jobs_running=False) is None


@pytest.mark.parametrize("seconds_registered", [0.0, 5.0, 9.9])
def test_x03_a_short_registration_resets_nothing(seconds_registered: float) -> None:
    backoff = Backoff(16, now=0.0)
    for number in range(6):
        backoff.registered(number * 20.0)
        backoff.failed(number * 20.0 + seconds_registered, jobs_running=False)

    assert backoff.failures == 6


def test_a_healthy_connection_starts_the_count_anew() -> None:
    backoff = Backoff(1, now=0.0)
    _delays(backoff, 5, now=30.0)
    backoff.registered(40.0)

    delay = backoff.failed(1000.0, jobs_running=False)

    assert backoff.failures == 1
    assert delay is not None
    assert delay < 1
    assert None not in _delays(backoff, 10, now=1059.0)
    assert backoff.failed(1060.0, jobs_running=False) is None
