"""Random lives of an executor: what holds after whatever order of events."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lk_agents.ipc import records as m
from lk_agents.ipc.machine import START_HARD_FACTOR, step
from lk_agents.job.spec import EndCause, JobOutcome

LIMITS = m.Limits(
    start_silence_seconds=10,
    shutdown_seconds=60,
    beat_silence_seconds=30,
    loop_blocked_seconds=20,
    memory_warn_mb=100,
    memory_limit_mb=200,
)
ORDER = list(m.Phase)
OUTCOME = JobOutcome(success=True, cause=EndCause.SHUTDOWN)
WHEN = st.floats(0, 40)


class Walk(RuleBasedStateMachine):
    """One executor, events in any order, deadlines that pass when their time has come."""

    @initialize()
    def begin(self) -> None:
        self.now = 0.0
        self.executor = m.Executor(limits=LIMITS, started_at=0.0)
        self.deadline = m.SetDeadline(10, 0)
        self.told: list[m.Command] = []
        self.stop_asked_at: float | None = None

    def _happens(self, event: m.Event) -> None:
        before = self.executor
        try:
            self.executor, commands = step(before, event)
        except m.InvalidTransition:
            assert self.executor is before
            return
        assert ORDER.index(self.executor.phase) >= ORDER.index(before.phase), "a phase never comes back"
        assert self.executor.rung >= before.rung
        for command in commands:
            if isinstance(command, m.SetDeadline):
                assert command.at >= self.now
                assert command.serial == self.executor.deadline_serial
                self.deadline = command
            else:
                self.told.append(command)

    def _gone(self) -> bool:
        return self.executor.phase is m.Phase.GONE

    @rule(seconds=WHEN)
    def time_passes(self, seconds: float) -> None:
        until = self.now + seconds
        while self.deadline.at <= until and not self._gone():
            passed = self.deadline
            self.now = passed.at
            self._happens(m.DeadlinePassed(at=passed.at, serial=passed.serial))
            assert self.deadline is not passed or self._gone(), "a deadline is always replaced"
        self.now = until

    @rule(serial=st.integers(-3, 0))
    def a_void_deadline_passes(self, serial: int) -> None:
        if serial:
            before = self.executor
            self._happens(m.DeadlinePassed(at=self.now, serial=self.executor.deadline_serial + serial))
            assert self.executor == before

    @rule(cpu=st.floats(0, 100), read=st.integers(0, 10**6), lag=st.floats(0, 30), pss=st.none() | st.floats(0, 300))
    def it_beats(self, **beat: Any) -> None:
        names = {"cpu": "cpu_seconds", "read": "bytes_read", "lag": "lag_seconds", "pss": "pss_mb"}
        self._happens(m.BeatHeard(at=self.now, **{names[key]: value for key, value in beat.items()}))

    @rule(
        make=st.sampled_from(
            [
                lambda now: m.Progressed(at=now, name="x"),
                lambda now: m.BecameReady(at=now),
                lambda now: m.StartFailure(at=now, error="x"),
                lambda now: m.Assigned(at=now, job_id="AJ_1"),
                lambda now: m.JobBegan(at=now),
                lambda now: m.JobEndBegan(at=now),
                lambda now: m.JobDone(at=now, outcome=OUTCOME),
                lambda now: m.TerminationCame(at=now, reason="x"),
                lambda now: m.ChannelLost(at=now),
                lambda now: m.Exited(at=now, how="killed by SIGKILL", code=-9),
            ]
        )
    )
    def something_happens(self, make: Any) -> None:
        self._happens(make(self.now))

    @rule()
    def it_is_asked_to_stop(self) -> None:
        if self.stop_asked_at is None and self.executor.phase is not m.Phase.STOPPING:
            self.stop_asked_at = self.now
        self._happens(m.StopAsked(at=self.now, reason="x"))

    @rule(grace=st.floats(0, 5))
    def it_is_to_be_killed(self, grace: float) -> None:
        self._happens(m.KillAsked(at=self.now, grace_seconds=grace))

    @invariant()
    def everything_is_told_at_most_once(self) -> None:
        for kind in (m.ReportEnd, m.ReportStarted, m.Requeue, m.ReportFailedStart, m.GiveUp, m.SendStart, m.SendStop):
            assert sum(isinstance(command, kind) for command in self.told) <= 1, kind

    @invariant()
    def a_job_is_either_reported_or_given_back(self) -> None:
        ends = [command for command in self.told if isinstance(command, (m.ReportEnd, m.Requeue))]
        if self.executor.phase is m.Phase.GONE:
            assert len(ends) == (self.executor.job_id is not None)
        assert len(ends) <= 1

    @invariant()
    def a_living_one_always_has_a_deadline(self) -> None:
        if self.executor.phase is not m.Phase.GONE:
            assert self.deadline.serial == self.executor.deadline_serial
            assert self.deadline.at >= self.now

    @invariant()
    def nothing_lasts_for_ever(self) -> None:
        phase = self.executor.phase
        if phase is m.Phase.STARTING:
            assert self.now <= START_HARD_FACTOR * LIMITS.start_silence_seconds
        if self.stop_asked_at is not None and phase is not m.Phase.GONE:
            assert self.now <= self.stop_asked_at + LIMITS.shutdown_seconds + 7


Walk.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestWalk = Walk.TestCase
