"""Slots, and every reason to say no."""

from __future__ import annotations

import pytest

from lk_agents.worker.admission import Admission, Slot


def test_two_questions_at_a_time_share_one_slot() -> None:
    admission = Admission(1)

    assert admission.reserve("AJ_1") is None
    assert admission.reserve("AJ_2") == "all 1 slots are taken"


def test_a_released_slot_can_be_taken_again() -> None:
    admission = Admission(1)
    admission.reserve("AJ_1")

    admission.release("AJ_1")

    assert admission.reserve("AJ_2") is None


def test_a_job_is_not_taken_twice() -> None:
    admission = Admission(None)
    admission.reserve("AJ_1")

    assert admission.reserve("AJ_1") == "this worker has that job already"


def test_without_a_cap_a_hundred_jobs_fit() -> None:
    admission = Admission(None)

    assert [admission.reserve(f"AJ_{number}") for number in range(100)] == [None] * 100


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda admission: admission.drain(), "the worker is draining"),
        (lambda admission: admission.set_load_full(True), "the load has reached the threshold"),
        (lambda admission: admission.set_broken("no memory"), "no process can be started: no memory"),
    ],
)
def test_each_obstacle_is_named(change: object, reason: str) -> None:
    admission = Admission(None)

    assert callable(change)
    change(admission)

    assert admission.reserve("AJ_1") == reason
    assert admission.occupied == 0


def test_obstacles_that_go_away_let_jobs_in_again() -> None:
    admission = Admission(None)
    admission.set_load_full(True)
    admission.set_broken("no memory")

    admission.set_load_full(False)
    admission.set_broken(None)

    assert admission.reserve("AJ_1") is None


def test_a_slot_can_be_held_beyond_the_cap_for_a_job_that_is_there_already() -> None:
    admission = Admission(1)

    admission.hold("AJ_1", Slot.RUNNING)
    admission.hold("AJ_2", Slot.ACCEPTED)

    assert admission.occupied == 2
    assert admission.count(Slot.RUNNING) == 1


def test_every_change_is_told_once() -> None:
    told: list[int] = []
    admission = Admission(None, lambda: told.append(admission.occupied))

    admission.reserve("AJ_1")
    admission.hold("AJ_1", Slot.ASKED)
    admission.release("AJ_1")
    admission.release("AJ_1")
    admission.drain()
    admission.drain()

    assert told == [1, 0, 0]
