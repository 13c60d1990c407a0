"""What the machine decides over time: starts, beats, the ladder, memory, jobs that were never begun."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import pytest

from lk_agents.ipc.machine import step
from lk_agents.ipc.records import (
    Assigned,
    BeatHeard,
    BecameReady,
    ChannelLost,
    Command,
    DeadlinePassed,
    DumpStacks,
    Event,
    Executor,
    Exited,
    GiveUp,
    JobBegan,
    JobDone,
    JobEndBegan,
    Kill,
    KillAsked,
    Limits,
    Phase,
    Progressed,
    ReportEnd,
    ReportFailedStart,
    ReportStarted,
    Requeue,
    SendStop,
    SetDeadline,
    StartFailure,
    StopAsked,
    Terminate,
    WarnLag,
    WarnMemory,
)
from lk_agents.job.spec import EndCause, JobOutcome

C = TypeVar("C", bound=Command)
LIMITS = Limits(start_silence_seconds=10, shutdown_seconds=60, beat_silence_seconds=30, loop_blocked_seconds=20)
GOOD = JobOutcome(success=True, cause=EndCause.SHUTDOWN)


class Life:
    """One executor and its only timer: what a supervisor would make of it, without a clock."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.now = 0.0
        self.executor = Executor(limits=limits, started_at=0.0)
        self.deadline: SetDeadline | None = SetDeadline(limits.start_silence_seconds, 0)
        self.done: list[tuple[float, Command]] = []

    def happens(self, event: Event) -> Sequence[Command]:
        """Have one event happen, at its own time."""
        assert event.at >= self.now
        self.now = event.at
        self.executor, commands = step(self.executor, event)
        for command in commands:
            self.done.append((self.now, command))
            if isinstance(command, SetDeadline):
                self.deadline = command
        return commands

    def silence(self, until: float) -> None:
        """Let time pass in which nothing but deadlines happens."""
        while (deadline := self.deadline) is not None and deadline.at <= until:
            self.deadline = None
            self.happens(DeadlinePassed(at=deadline.at, serial=deadline.serial))
        self.now = until

    def when(self, kind: type[Command]) -> list[float]:
        """Return the times of all commands of that kind."""
        return [at for at, command in self.done if isinstance(command, kind)]

    def all(self, kind: type[C]) -> list[C]:
        """Return all commands of that kind."""
        return [command for _, command in self.done if isinstance(command, kind)]

    def only(self, kind: type[C]) -> C:
        """Return the one command of that kind."""
        (found,) = self.all(kind)
        return found


def warm(limits: Limits = LIMITS) -> Life:
    """Return one that is warm, at 1 s."""
    life = Life(limits)
    life.happens(BecameReady(at=1))
    return life


def running(limits: Limits = LIMITS) -> Life:
    """Return one with a job that has begun, at 3 s."""
    life = warm(limits)
    life.happens(Assigned(at=2, job_id="AJ_1"))
    life.happens(JobBegan(at=3))
    return life


def test_the_four_rungs_come_within_the_shutdown_limit_and_five_seconds() -> None:
    life = running()
    life.happens(StopAsked(at=10, reason="drain"))

    life.silence(until=200)

    assert life.when(SendStop) == [10]
    assert life.when(DumpStacks) == [70]
    assert life.when(Terminate) == [70.5]
    assert life.when(Kill) == [72.5]
    assert 10 + LIMITS.shutdown_seconds + 5 >= 72.5
    assert life.when(GiveUp) == [74.5]
    assert life.executor.phase is Phase.GONE


@pytest.mark.parametrize("done_after", [0.0, 59.9, 60.4, 61.0, 62.4])
def test_a_job_that_told_its_end_and_does_not_leave_is_killed_within_the_same_limit(done_after: float) -> None:
    life = running()
    life.happens(JobEndBegan(at=10))
    life.silence(until=10 + done_after)
    life.happens(JobDone(at=10 + done_after, outcome=GOOD))

    life.silence(until=200)

    assert max(life.when(Kill)) <= 10 + LIMITS.shutdown_seconds + 5
    assert life.only(ReportEnd).outcome == GOOD


def test_a_job_that_ends_by_itself_is_not_waited_for_longer_than_the_limit() -> None:
    life = running()
    life.happens(JobEndBegan(at=10))

    life.silence(until=200)

    assert life.when(DumpStacks) == [70]
    assert "did not end within 60 s" in life.only(ReportEnd).outcome.reason


def test_a_start_that_is_silent_is_ended_after_the_allowed_silence_and_the_error_names_the_phase() -> None:
    life = Life()
    life.happens(Progressed(at=2, name="prewarm_fnc"))

    life.silence(until=60)
    life.happens(Exited(at=60, how="killed by SIGKILL", code=-9))

    assert life.when(DumpStacks) == [12]
    assert life.when(Kill) == [14.5]
    why = life.done[-1][1]
    assert life.executor.phase is Phase.GONE
    assert not isinstance(why, ReportFailedStart)  # it was given up, and told of, before
    told = life.only(ReportFailedStart).why
    assert "'prewarm_fnc' for 10.0 s, 12.0 s in all" in told


def test_a_start_that_makes_progress_goes_on_until_the_hard_limit() -> None:
    life = Life()
    for second in range(1, 200):
        life.silence(until=second)
        life.happens(BeatHeard(at=second, cpu_seconds=second))
        assert life.when(DumpStacks) == []

    life.silence(until=300)

    assert life.when(DumpStacks) == [20 * LIMITS.start_silence_seconds]


@pytest.mark.parametrize(
    ("beat", "is_progress"),
    [
        (BeatHeard(at=5, cpu_seconds=0.009, bytes_read=65_535), False),
        (BeatHeard(at=5, cpu_seconds=0.010), True),
        (BeatHeard(at=5, cpu_seconds=0.0, bytes_read=65_536), True),
    ],
)
def test_a_start_gets_on_by_cpu_time_and_bytes_read_but_not_by_beating(beat: BeatHeard, is_progress: bool) -> None:
    life = Life()

    commands = life.happens(beat)

    assert list(commands) == ([SetDeadline(15, 1)] if is_progress else [])


def test_beats_keep_an_executor_alive_and_their_absence_ends_it() -> None:
    life = warm()
    for second in range(2, 100, 20):
        life.silence(until=second)
        life.happens(BeatHeard(at=second, cpu_seconds=0))
    assert life.executor.phase is Phase.IDLE

    life.silence(until=200)

    assert life.when(DumpStacks) == [82 + 30]
    assert life.executor.fault == "no sign of life for 30 s"


def test_a_loop_that_is_blocked_is_ended_only_after_its_limit() -> None:
    life = running()
    life.happens(BeatHeard(at=20, cpu_seconds=1, lag_seconds=19.9))
    assert life.executor.phase is Phase.RUNNING

    life.happens(BeatHeard(at=22, cpu_seconds=1, lag_seconds=22))
    life.happens(Exited(at=25, how="killed by SIGKILL", code=-9))

    assert life.when(DumpStacks) == [22]
    assert life.only(ReportEnd).outcome.reason == "its event loop was blocked for 22 s; killed by SIGKILL"


def test_x18_what_is_warned_about_is_how_late_the_child_is_and_not_how_late_it_is_heard() -> None:
    life = running()
    life.happens(BeatHeard(at=25, cpu_seconds=1, lag_seconds=0.0))  # the worker was busy and heard it late
    assert life.all(WarnLag) == []

    for second, lag in ((26, 1.2), (28, 3.2), (30, 0.0), (32, 0.7)):
        life.happens(BeatHeard(at=second, cpu_seconds=1, lag_seconds=lag))

    assert life.all(WarnLag) == [WarnLag(1.2), WarnLag(0.7)], "once for each time that it is blocked"


def test_beating_does_not_excuse_from_beginning_the_job() -> None:
    life = warm()
    life.happens(Assigned(at=2, job_id="AJ_1"))
    for second in (3, 4, 5, 6):
        life.happens(BeatHeard(at=second, cpu_seconds=second))

    life.silence(until=7.5)

    assert life.when(DumpStacks) == [7]


def test_a_job_that_was_never_begun_goes_back_and_one_that_was_begun_does_not() -> None:
    unbegun, begun = warm(), running()
    unbegun.happens(Assigned(at=2, job_id="AJ_1"))

    unbegun.happens(Exited(at=4, how="killed by SIGKILL", code=-9))
    begun.happens(Exited(at=4, how="killed by SIGKILL", code=-9))

    assert unbegun.only(Requeue) == Requeue("AJ_1", "killed by SIGKILL")
    assert begun.only(ReportEnd).lost


def test_a_job_that_is_stopped_before_it_was_begun_is_reported_instead_of_begun_elsewhere() -> None:
    life = warm()
    life.happens(Assigned(at=2, job_id="AJ_1"))
    life.happens(StopAsked(at=3, reason="withdrawn"))

    life.happens(Exited(at=4, how="exited with code 0", code=0))

    assert life.when(Requeue) == []
    assert life.only(ReportEnd).lost


def test_a_job_that_begins_late_is_still_told_to_have_begun() -> None:
    life = warm()
    life.happens(Assigned(at=2, job_id="AJ_1"))
    life.happens(StopAsked(at=3, reason="drain"))

    assert list(life.happens(JobBegan(at=4))) == [ReportStarted("AJ_1")]


def test_the_end_of_a_job_is_told_once() -> None:
    life = running()

    life.happens(JobDone(at=10, outcome=GOOD))
    life.happens(JobDone(at=11, outcome=GOOD))
    life.happens(ChannelLost(at=11))
    life.happens(Exited(at=11, how="exited with code 3", code=3))

    assert life.only(ReportEnd) == ReportEnd("AJ_1", GOOD)


def test_why_a_start_failed_is_kept_even_if_the_end_of_the_channel_is_seen_first() -> None:
    life = Life()

    life.happens(ChannelLost(at=1))
    life.happens(StartFailure(at=1, error="prewarm_fnc: ValueError: no model"))
    life.happens(Exited(at=2, how="exited with code 1", code=1))

    assert life.only(ReportFailedStart).why == "prewarm_fnc: ValueError: no model; exited with code 1"


def test_a_process_that_closes_its_channel_and_stays_is_ended_and_the_reason_is_the_channel() -> None:
    life = running()

    life.happens(ChannelLost(at=10))
    life.silence(until=12)
    life.happens(Exited(at=12, how="killed by SIGTERM", code=-15))

    assert life.only(ReportEnd).outcome.reason == "its channel ended, but it did not; killed by SIGTERM"


def test_memory_over_the_warning_is_told_once_and_again_when_it_has_grown() -> None:
    life = running(replace(LIMITS, memory_warn_mb=100))

    for second, pss in enumerate([90, 101, 120, 149, 151, 160, 201], start=4):
        life.happens(BeatHeard(at=second, cpu_seconds=0, pss_mb=pss))

    warned = [command.pss_mb for _, command in life.done if isinstance(command, WarnMemory)]
    assert warned == [101, 151, 201]
    assert life.executor.peak_pss_mb == 201


def test_a_beat_without_a_weight_keeps_the_last_one() -> None:
    life = running()

    life.happens(BeatHeard(at=4, cpu_seconds=0, pss_mb=50))
    life.happens(BeatHeard(at=5, cpu_seconds=0))

    assert life.executor.pss_mb == 50


def test_a_job_over_its_memory_limit_is_asked_to_end_with_that_cause() -> None:
    life = running(replace(LIMITS, memory_limit_mb=100))

    life.happens(BeatHeard(at=4, cpu_seconds=0, pss_mb=101))

    stop = life.only(SendStop)
    assert stop.cause is EndCause.MEMORY
    assert "101 MB of memory, over the limit of 100 MB (job_memory_limit_mb)" in stop.reason
    assert life.executor.phase is Phase.STOPPING


def test_a_warm_process_over_its_memory_limit_counts_as_a_failed_start() -> None:
    life = warm(replace(LIMITS, memory_limit_mb=100))

    life.happens(BeatHeard(at=4, cpu_seconds=0, pss_mb=101))
    life.happens(Exited(at=5, how="exited with code 0", code=0))

    assert "over the limit of 100 MB" in life.only(ReportFailedStart).why


def test_kill_gives_a_running_job_its_grace_and_everything_else_none() -> None:
    job, idle, starting = running(), warm(), Life()
    for life in (job, idle, starting):
        life.happens(KillAsked(at=10, grace_seconds=2))

    job.silence(until=13)

    assert idle.when(Kill) == starting.when(Kill) == [10]
    assert job.when(Kill) == [12]
    assert job.when(DumpStacks) == []


def test_kill_shortens_an_end_that_has_begun() -> None:
    life = running()
    life.happens(StopAsked(at=5, reason="drain"))
    life.happens(KillAsked(at=10, grace_seconds=2))

    life.silence(until=13)

    assert life.when(SendStop) == [5, 10]  # the job is told, so that its callbacks end and its end is reported
    assert life.when(Kill) == [12]
