"""The machine of an executor, as a table: every phase and every event."""

from __future__ import annotations

from dataclasses import replace

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
    InvalidTransition,
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
    Rung,
    SendStart,
    SendStop,
    SendTermination,
    SetDeadline,
    StartFailure,
    StopAsked,
    Terminate,
    TerminationCame,
)
from lk_agents.job.spec import EndCause, JobOutcome

NOW = 100.0
LIMITS = Limits(start_silence_seconds=10, shutdown_seconds=60, beat_silence_seconds=30, loop_blocked_seconds=20)
GOOD = JobOutcome(success=True, cause=EndCause.SHUTDOWN, reason="bye")
HURRIED = "the worker was told to end at once"

STARTING = Executor(limits=LIMITS, started_at=0.0, deadline_serial=7)
IDLE = replace(STARTING, phase=Phase.IDLE, warm=True)
GIVEN = replace(IDLE, phase=Phase.RUNNING, job_id="AJ_1")
RUNNING = replace(GIVEN, begun=True)
STOPPING = replace(RUNNING, phase=Phase.STOPPING, unwanted=True, end_by=160.0, deadline_at=160.0)
STATES = {
    "starting": STARTING,
    "idle": IDLE,
    "given a job": GIVEN,
    "running": RUNNING,
    "stopping": STOPPING,
    "gone": replace(STOPPING, phase=Phase.GONE),
}
EVENTS: dict[str, Event] = {
    "progressed": Progressed(at=NOW, name="prewarm_fnc"),
    "beat": BeatHeard(at=NOW, cpu_seconds=1.0),
    "ready": BecameReady(at=NOW),
    "start failed": StartFailure(at=NOW, error="import: no such module"),
    "assigned": Assigned(at=NOW, job_id="AJ_1"),
    "job began": JobBegan(at=NOW),
    "job end began": JobEndBegan(at=NOW),
    "job done": JobDone(at=NOW, outcome=GOOD),
    "stop": StopAsked(at=NOW, reason="drained"),
    "termination": TerminationCame(at=NOW, reason="server"),
    "kill": KillAsked(at=NOW, grace_seconds=2.0),
    "deadline": DeadlinePassed(at=NOW, serial=7),
    "void deadline": DeadlinePassed(at=NOW, serial=6),
    "channel lost": ChannelLost(at=NOW, error="garbage"),
    "exited": Exited(at=NOW, how="exited with code 1", code=1),
}


def until(at: float) -> SetDeadline:
    """Return the next deadline of the states above."""
    return SetDeadline(at, 8)


def lost(reason: str) -> ReportEnd:
    """Return the report of a job that could not tell its end."""
    outcome = JobOutcome(success=False, cause=EndCause.PROCESS_LOST, reason=reason)
    return ReportEnd("AJ_1", outcome, lost=True, exit_code=1)


Decided = tuple[Phase, list[Command]] | None
"""The new phase and the commands, None for an event that cannot happen."""

S, I, R, E, G = Phase.STARTING, Phase.IDLE, Phase.RUNNING, Phase.STOPPING, Phase.GONE  # noqa: E741  columns of a table
PUSHED: Decided = (E, [DumpStacks(), until(100.5)])
KILLED: Decided = (E, [Kill(), until(102)])
LEFT: Decided = (E, [until(101)])
STOPPED: Decided = (E, [SendStop("drained", 54.0), until(160)])
HURRY: Decided = (E, [SendStop(HURRIED, 1.8), until(102)])
DONE: Decided = (E, [ReportEnd("AJ_1", GOOD), until(102)])
END_BEGAN: Decided = (E, [until(160)])
TERMINATED: Decided = (R, [SendTermination("server")])
ALIVE = until(130)

TABLE: dict[str, dict[str, Decided]] = {
    "starting": {
        "progressed": (S, [until(110)]),
        "beat": (S, [until(110)]),
        "ready": (I, [ALIVE]),
        "start failed": LEFT,
        "assigned": None,
        "job began": None,
        "job end began": None,
        "job done": None,
        "stop": KILLED,
        "termination": None,
        "kill": KILLED,
        "deadline": PUSHED,
        "void deadline": (S, []),
        "channel lost": LEFT,
        "exited": (G, [ReportFailedStart("exited with code 1")]),
    },
    "idle": {
        "progressed": (I, []),
        "beat": (I, [ALIVE]),
        "ready": None,
        "start failed": None,
        "assigned": (R, [SendStart("AJ_1"), until(105)]),
        "job began": None,
        "job end began": None,
        "job done": None,
        "stop": (E, [SendStop("drained", 1.8), until(102)]),
        "termination": None,
        "kill": KILLED,
        "deadline": PUSHED,
        "void deadline": (I, []),
        "channel lost": LEFT,
        "exited": (G, []),
    },
    "given a job": {
        "progressed": (R, []),
        "beat": (R, []),
        "ready": None,
        "start failed": None,
        "assigned": None,
        "job began": (R, [ReportStarted("AJ_1"), ALIVE]),
        "job end began": END_BEGAN,
        "job done": DONE,
        "stop": STOPPED,
        "termination": TERMINATED,
        "kill": HURRY,
        "deadline": PUSHED,
        "void deadline": (R, []),
        "channel lost": LEFT,
        "exited": (G, [Requeue("AJ_1", "exited with code 1")]),
    },
    "running": {
        "progressed": (R, []),
        "beat": (R, [ALIVE]),
        "ready": None,
        "start failed": None,
        "assigned": None,
        "job began": None,
        "job end began": END_BEGAN,
        "job done": DONE,
        "stop": STOPPED,
        "termination": TERMINATED,
        "kill": HURRY,
        "deadline": PUSHED,
        "void deadline": (R, []),
        "channel lost": LEFT,
        "exited": (G, [lost("exited with code 1")]),
    },
    "stopping": {
        "progressed": (E, []),
        "beat": (E, []),
        "ready": (E, []),
        "start failed": (E, []),
        "assigned": None,
        "job began": (E, []),
        "job end began": (E, []),
        "job done": (E, [ReportEnd("AJ_1", GOOD), until(106)]),
        "stop": (E, []),
        "termination": (E, []),
        "kill": HURRY,
        "deadline": PUSHED,
        "void deadline": (E, []),
        "channel lost": (E, []),
        "exited": (G, [lost("exited with code 1")]),
    },
    "gone": {name: (G, []) for name in EVENTS},
}
CELLS = [(state, event) for state in STATES for event in EVENTS]


@pytest.mark.parametrize(("state", "event"), CELLS, ids=[f"{state}-{event}" for state, event in CELLS])
def test_what_each_event_means_in_each_phase(state: str, event: str) -> None:
    expected = TABLE[state][event]
    if expected is None:
        with pytest.raises(InvalidTransition) as caught:
            step(STATES[state], EVENTS[event])
        assert f"that is {STATES[state].phase} cannot take {EVENTS[event]!r}" in str(caught.value)
        return

    after, commands = step(STATES[state], EVENTS[event])

    assert (after.phase, list(commands)) == expected


def test_the_table_has_every_phase_and_every_event() -> None:
    assert {executor.phase for executor in STATES.values()} == set(Phase)
    assert {type(event) for event in EVENTS.values()} == set(Event.__subclasses__())
    assert all(set(row) == set(EVENTS) for row in TABLE.values())
    assert set(TABLE) == set(STATES)


@pytest.mark.parametrize(
    ("rung", "hurried", "expected"),
    [
        (Rung.ASKED, False, (Rung.DUMPED, [DumpStacks(), until(100.5)])),
        (Rung.DUMPED, False, (Rung.TERMINATED, [Terminate(), until(102)])),
        (Rung.TERMINATED, False, (Rung.KILLED, [Kill(), until(102)])),
        (Rung.ASKED, True, (Rung.KILLED, [Kill(), until(102)])),
        (Rung.DUMPED, True, (Rung.KILLED, [Kill(), until(102)])),
    ],
)
def test_each_passed_deadline_is_one_rung_of_the_ladder(
    rung: Rung, hurried: bool, expected: tuple[Rung, list[Command]]
) -> None:
    after, commands = step(replace(STOPPING, rung=rung, hurried=hurried), EVENTS["deadline"])

    assert (after.rung, list(commands)) == expected
