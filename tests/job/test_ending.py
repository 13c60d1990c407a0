from __future__ import annotations

import asyncio

import pytest

from lk_agents.foundation.errors import ConfigError
from lk_agents.job.deadline import EndDeadline
from lk_agents.job.ending import REASON_LENGTH, End, outcome_of, plan_end
from lk_agents.job.spec import EndCause

SUCCESSFUL = {EndCause.RETURNED, EndCause.SHUTDOWN, EndCause.ROOM_DISCONNECTED, EndCause.STOPPED}


@pytest.mark.parametrize("cause", EndCause)
def test_each_cause_is_a_success_or_a_failure(cause: EndCause) -> None:
    assert outcome_of(End(cause=cause)).success is (cause in SUCCESSFUL)


def test_a_lost_connection_is_a_failure() -> None:
    assert not outcome_of(End(cause=EndCause.ROOM_DISCONNECTED, connection_lost=True)).success


def test_a_long_reason_is_cut() -> None:
    reason = outcome_of(End(cause=EndCause.RAISED, reason="x" * 10_000)).reason

    assert len(reason) == REASON_LENGTH
    assert reason.endswith("x…")


@pytest.mark.parametrize("seconds", [0.0, 0.5, 2.0, 10.0, 60.0, 3600.0])
def test_the_callbacks_keep_most_of_the_time(seconds: float) -> None:
    plan = plan_end(seconds)
    others = plan.entrypoint_grace + plan.entrypoint_cancel + plan.tasks + plan.hook + plan.closing

    assert others <= 0.4 * seconds + 1e-9
    assert others <= 20.0


def test_a_negative_time_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"-1"):
        plan_end(-1)


async def test_a_deadline_that_is_over_waits_for_nothing() -> None:
    deadline = EndDeadline(0.0)
    task = asyncio.ensure_future(asyncio.Event().wait())

    assert await deadline.wait({task}) == {task}
    assert deadline.left == 0.0
    assert not task.cancelled()
    task.cancel()


async def test_a_deadline_keeps_time_for_closing() -> None:
    deadline = EndDeadline(0.2)
    task = asyncio.ensure_future(asyncio.Event().wait())

    await deadline.wait({task})
    assert deadline.left > 0
    await deadline.wait({task}, keep_closing=False)
    assert deadline.left == 0
    task.cancel()


async def test_a_deadline_only_comes_closer() -> None:
    deadline = EndDeadline(1.0)
    deadline.shorten(100.0)
    assert deadline.left <= 1.0
    deadline.shorten(0.5)

    assert deadline.left <= 0.5
    assert deadline.plan == plan_end(0.5)
