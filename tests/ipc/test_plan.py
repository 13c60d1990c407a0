"""How many executors are wanted, and what failed starts change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_agents.ipc.plan import Census, StartRecord, starts_wanted, surplus_idle

COUNT = st.integers(0, 30)
CENSUSES = st.builds(Census, idle_target=COUNT, waiting=COUNT, starting=COUNT, idle=COUNT, at_once=st.integers(1, 8))


@given(CENSUSES)
def test_never_more_are_started_than_are_wanted(census: Census) -> None:
    wanted = starts_wanted(census)

    assert wanted >= 0
    if wanted:
        assert census.idle + census.starting + wanted <= census.idle_target + census.waiting
        assert census.starting + wanted <= census.at_once


@given(CENSUSES)
def test_nobody_is_both_started_and_called_surplus(census: Census) -> None:
    assert not (starts_wanted(census) and surplus_idle(census))


@given(CENSUSES)
def test_surplus_leaves_enough_for_target_and_waiting_jobs(census: Census) -> None:
    surplus = surplus_idle(census)

    assert 0 <= surplus <= census.idle
    if surplus:
        assert census.idle - surplus == census.idle_target + census.waiting


@given(CENSUSES)
def test_what_is_wanted_is_reached_in_rounds(census: Census) -> None:
    idle, starting = census.idle, census.starting
    for _ in range(300):
        now = Census(
            idle_target=census.idle_target,
            waiting=census.waiting,
            starting=starting,
            idle=idle,
            at_once=census.at_once,
        )
        idle += starting - surplus_idle(now)
        starting = starts_wanted(now)
    assert idle == census.idle_target + census.waiting
    assert starting == 0


def test_three_failures_in_a_row_break_it_and_the_delay_grows_to_thirty_seconds() -> None:
    record, delays, broken = StartRecord(), [], []
    for _ in range(10):
        record = record.failed("no memory", now=100.0)
        delays.append(max(0.0, record.resume_at - 100.0))
        broken.append(record.broken)

    assert delays == [0, 0, 1, 2, 4, 8, 16, 30, 30, 30]
    assert broken == [False, False, *[True] * 8]
    assert record.last_failure == "no memory"


def test_one_success_forgets_all_failures() -> None:
    record = StartRecord()
    for _ in range(5):
        record = record.failed("x", now=1.0)

    assert record.broken
    assert record.warm() == StartRecord()


def test_one_that_fails_after_it_was_warm_is_forgotten_only_when_another_proves_lighter() -> None:
    record = StartRecord()
    for _ in range(3):
        record = record.warm().failed("uses 400 MB", now=1.0, late=True)

    assert record.warm().broken
    assert record.weighed() == StartRecord()


@pytest.mark.parametrize("count", [3, 60, 2000])
def test_however_many_failures_there_were_the_delay_is_a_number(count: int) -> None:
    record = StartRecord()
    for _ in range(count):
        record = record.failed("x", now=0.0)

    assert 1.0 <= record.resume_at <= 30.0
