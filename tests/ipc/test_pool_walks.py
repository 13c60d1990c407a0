"""Random lives of a whole pool: what holds after whatever order of events.

The pool is real, with its machine, its stock and its inbox, and so is what the worker has around it: admission,
dispatcher, reports. Executors do what the walk says, and time is virtual. A step is taken either when everything has
been done that the steps before have caused, or, ``hasty``, in the same instant, before the pool has noticed anything.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
from hypothesis import Phase as Phases
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.ipc.scripted import obey
from tests.ipc.walking import LIMITS, Character, Faults, Ground, JobNotes, WalkHandle

from lk_agents.foundation.clock import use_clock
from lk_agents.ipc.messages import (
    Beat,
    FromChild,
    JobEnded,
    JobEnding,
    JobStarted,
    PermitAsk,
    PermitBack,
    Phase,
    Ready,
    StartFailed,
    Stop,
)
from lk_agents.job.spec import EndCause, JobOutcome
from lk_agents.testing.clock import VirtualClock, VirtualLoop

ENDING = JobEnding(cause=EndCause.SHUTDOWN)
ENDED = JobEnded(outcome=JobOutcome(success=True, cause=EndCause.SHUTDOWN, reason="bye"))
SAYINGS: tuple[FromChild | None, ...] = (
    Phase(name="prewarm_fnc"),
    Ready(),
    StartFailed(phase="prewarm_fnc", error="ValueError: no model"),
    JobStarted(),
    ENDING,
    ENDED,
    PermitAsk(),
    PermitBack(),
    None,  # it hangs up
)
CLOSED_WITHIN_SECONDS = LIMITS.shutdown_seconds + 7

whom = st.integers(0, 5)
characters = st.sampled_from([Character.GOOD, *Character])
hasty = st.sampled_from([False, False, False, True])


class PoolWalk(RuleBasedStateMachine):
    """One pool."""

    @initialize(
        idle_target=st.integers(0, 3),
        max_jobs=st.sampled_from([4, 2, 1, None]),
        at_once=st.integers(1, 4),
        character=characters,
        jobs=st.integers(0, 3),
    )
    def begin(self, character: Character, jobs: int, **kinds: Any) -> None:
        self.numbers = itertools.count(1)
        self.closings: list[asyncio.Task[None]] = []
        self.unsettled = False
        self.steps = 0
        self.clock = VirtualClock()
        self.runner = asyncio.Runner(loop_factory=lambda: VirtualLoop(self.clock))
        with use_clock(self.clock):
            self.context = contextvars.copy_context()
            self.loop = self.runner.get_loop()
            self.ground = Ground(**kinds)
        self.loop.set_exception_handler(lambda loop, what: self.ground.notes.expect(False, f"unheard: {what}"))
        self.faults = Faults(self.ground.notes)
        logging.getLogger("lk_agents").addHandler(self.faults)
        self.ground.launcher.become(character, killable=True)
        self._run(self.ground.pool.start())
        for _ in range(jobs):
            self._offer(deadline=30.0)
        self._settle()

    def teardown(self) -> None:
        if not hasattr(self, "faults"):
            return
        try:
            self._end()
        finally:
            logging.getLogger("lk_agents").removeHandler(self.faults)
            self.runner.close()

    # --- jobs
    @rule(deadline=st.sampled_from([60.0, 8.0, 3.0, 0.5]), hasty=hasty)
    def a_job_is_offered(self, deadline: float, hasty: bool) -> None:
        self._offer(deadline)
        self._done(hasty)

    @rule(deadlines=st.lists(st.sampled_from([60.0, 8.0, 0.5]), min_size=2, max_size=5), hasty=hasty)
    def many_jobs_are_offered(self, deadlines: Sequence[float], hasty: bool) -> None:
        for deadline in deadlines:
            self._offer(deadline)
        self._done(hasty)

    @rule(pick=whom, hasty=hasty)
    def a_submit_is_cancelled(self, pick: int, hasty: bool) -> None:
        if (job := chosen(self._jobs(lambda job: job.waits), pick)) is not None:
            (task,) = (task for task in asyncio.all_tasks(self.loop) if task.get_name() == f"launch {job.job_id}")
            task.cancel()
        self._done(hasty)

    @rule(pick=whom, hasty=hasty)
    def the_server_terminates_a_job(self, pick: int, hasty: bool) -> None:
        if (job := chosen(self._jobs(lambda job: job.submitted is not None), pick)) is not None:
            self.ground.pool.stop_job(job.job_id, "the room was closed")
        self._done(hasty)

    # --- executors
    @rule(character=characters, killable=st.sampled_from([True, True, False]))
    def those_that_are_started_from_now_on_are(self, character: Character, killable: bool) -> None:
        self.ground.launcher.become(character, killable=killable)

    @rule(pick=whom, count=st.integers(1, 3), hasty=hasty)
    def some_become_ready(self, pick: int, count: int, hasty: bool) -> None:
        for _ in range(count):
            self._one(pick, lambda h: not h.has_said(Ready, StartFailed), lambda h: h.say(Ready()))
        self._done(hasty)

    @rule(pick=whom, count=st.integers(1, 3), hasty=hasty)
    def some_begin_their_jobs(self, pick: int, count: int, hasty: bool) -> None:
        for _ in range(count):
            self._one(pick, lambda h: h.has_job and not h.has_said(JobStarted), lambda h: h.say(JobStarted()))
        self._done(hasty)

    @rule(pick=whom, says=st.sampled_from([(ENDING, ENDED), (ENDED,), (ENDING,)]), leaves=st.booleans(), hasty=hasty)
    def a_job_ends_by_itself(self, pick: int, says: Sequence[FromChild], leaves: bool, hasty: bool) -> None:
        def end(handle: WalkHandle) -> None:
            handle.say(*says)
            if leaves:
                handle.exit()

        self._one(pick, lambda h: h.has_said(JobStarted), end)
        self._done(hasty)

    @rule(hasty=hasty)
    def all_that_were_asked_to_stop_do(self, hasty: bool) -> None:
        with use_clock(self.clock):
            for handle in self.ground.live():
                if handle.was_sent(Stop):
                    obey(handle, Stop(reason="", grace_seconds=1))
        self._done(hasty)

    @rule(pick=whom, code=st.sampled_from([0, 3, -9]), which=st.sampled_from(["warm", "busy", "any"]), hasty=hasty)
    def one_dies(self, pick: int, code: int, which: str, hasty: bool) -> None:
        fits = {
            "any": lambda h: True,
            "warm": lambda h: h.has_said(Ready) and not h.has_job,
            "busy": lambda h: h.has_job,
        }
        self._one(pick, fits[which], lambda h: h.exit(code))
        self._done(hasty)

    @rule(pick=whom, dead=st.booleans(), what=st.sampled_from(SAYINGS), hasty=hasty)
    def one_says_something_out_of_turn(self, pick: int, dead: bool, what: FromChild | None, hasty: bool) -> None:
        with use_clock(self.clock):
            if (handle := chosen([h for h in self.ground.handles if h.gone is dead], pick)) is not None:
                handle.say(what) if what is not None else handle.hang_up()
        self._done(hasty)

    @rule(
        pick=whom,
        cpu=st.sampled_from([0.0, 1.0, 50.0]),
        lag=st.sampled_from([0.0, 0.0, 0.0, 3.0, 21.0]),
        pss_mb=st.sampled_from([-1, 50, 150, 210]),
    )
    def one_beats(self, pick: int, cpu: float, lag: float, pss_mb: int) -> None:
        beat = Beat(cpu_seconds=cpu, lag_seconds=lag, pss_kb=pss_mb * 1024)
        self._one(pick, lambda h: True, lambda h: h.say(beat))
        self._done(hasty=False)

    # --- what is around them
    @rule(seconds=st.sampled_from([0.1, 0.3, 1.0, 2.5, 6.0, 12.0, 31.0]))
    def time_passes(self, seconds: float) -> None:
        self._run(asyncio.sleep(seconds))
        self._done(hasty=False)

    @rule(count=st.integers(0, 3), hasty=hasty)
    def the_idle_target_changes(self, count: int, hasty: bool) -> None:
        self.ground.pool.set_idle_target(count)
        self._done(hasty)

    @rule(
        ready=st.sampled_from([True, False, True]),
        failure=st.sampled_from([None, None, "its file is gone"]),
        hasty=hasty,
    )
    def the_launcher_is_killed_or_back(self, ready: bool, failure: str | None, hasty: bool) -> None:
        self.ground.launcher.changes(ready=ready, failure=None if ready else failure)
        self._done(hasty)

    @rule(hasty=hasty)
    def memory_runs_short(self, hasty: bool) -> None:
        self.ground.pool.relieve_memory("no memory")
        self._done(hasty)

    @precondition(lambda self: self.steps > 25 and len(self.closings) < 3)  # else most walks were through a closed pool
    @rule(how=st.sampled_from(["drain", "close", "kill", "kill at once"]), hasty=hasty)
    def it_is_closed(self, how: str, hasty: bool) -> None:
        self.ground.admission.drain()
        if how != "drain":
            self._close(how)
        self._done(hasty)

    def _offer(self, deadline: float) -> None:
        job_id = f"AJ_{next(self.numbers)}"
        if self.ground.admission.reserve(job_id) is None:
            self.ground.notes.jobs[job_id] = JobNotes(job_id, deadline)
            self._start(self.ground.launch(job_id), name=f"launch {job_id}")

    def _close(self, how: str) -> None:
        pool = self.ground.pool
        work = pool.aclose() if how == "close" else pool.kill(0.0 if how == "kill at once" else 2.0)
        self.closings.append(self._start(work, name=how))

    # --- what holds
    @invariant()
    def all_is_well(self) -> None:
        if not self.unsettled:
            self._look()

    # --- the frame
    def _jobs(self, fits: Callable[[JobNotes], bool]) -> Sequence[JobNotes]:
        return [job for job in self.ground.notes.jobs.values() if fits(job)]

    def _one(self, pick: int, fits: Callable[[WalkHandle], bool], do: Callable[[WalkHandle], object]) -> None:
        """Have one of the living executors that fit do something; nothing happens if there is none."""
        with use_clock(self.clock):
            if (handle := chosen([h for h in self.ground.live() if fits(h)], pick)) is not None:
                do(handle)

    def _start(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        return self.loop.create_task(work, name=name, context=self.context)

    def _run(self, work: Coroutine[Any, Any, Any]) -> None:
        with use_clock(self.clock):
            self.runner.run(work, context=self.context)

    def _done(self, hasty: bool) -> None:
        self.steps += 1
        self.unsettled = hasty
        if not hasty:
            self._settle()

    def _settle(self) -> None:
        self._run(self.ground.settle())

    def _look(self) -> None:
        with use_clock(self.clock):
            self.ground.check()
        assert not self.ground.notes.faults, "\n".join(self.ground.notes.faults)

    def _end(self) -> None:
        """Close the pool, if nobody has: then nothing is left, and all was told."""
        ground = self.ground
        self._settle()
        if not self.closings:
            self._close("close")
        self._run(asyncio.wait(self.closings, timeout=CLOSED_WITHIN_SECONDS))
        self._settle()
        self._look()
        assert all(task.done() for task in self.closings), "it is not closed in time"
        for task in self.closings:
            task.result()
        kept = [handle for handle in ground.handles if not handle.released]
        assert len(kept) == len(ground.pool.snapshot().processes)
        assert all(handle.unkillable for handle in kept), "something is left behind"
        assert ground.launcher.closed
        assert kept or not ground.pool.jobs()
        assert ground.admission.occupied == 0
        assert not asyncio.all_tasks(self.loop)
        unclear = [job for job in ground.notes.jobs.values() if (job.raised is None) is not (len(job.reports) == 1)]
        assert not [job for job in unclear if not job.cancelled_too_late], "not exactly one outcome"


def chosen(among: Sequence[Any], pick: int) -> Any | None:
    """Return the one that was picked, None if there is none."""
    return among[pick % len(among)] if among else None


PoolWalk.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    report_multiple_bugs=False,
    phases=[phase for phase in Phases if phase is not Phases.explain],  # it takes long and says little
)
TestPoolWalk = pytest.mark.timeout(120)(PoolWalk.TestCase)  # a fault takes its time to be made small
