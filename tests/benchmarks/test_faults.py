"""The faults of production: lk-agents holds them all, and a worker that only pretends holds none."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.faults import FAULTS
from benchmarks.faults.trial import Fault, Trial, judge
from benchmarks.frameworks import OURS, Framework
from benchmarks.ground import OPTIONS, Ground
from benchmarks.server_log import ServerLog
from benchmarks.verdict import NotHeldError

from lk_agents_server import LiveKitServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

INTERPRETER = Path(sys.executable)
LIAR = Framework(
    name="a liar",
    distribution="",
    program=Path(__file__).with_name("liar.py"),
    dialect="",
    silero="",
    install=(),
    inputs=(),
    interpreter=INTERPRETER,
)
IMPATIENT_SECONDS = 4.0
"""For a worker that is known to do nothing, however long it is waited for."""

SILENT = "the server noted JS_FAILED without a word"
CAUGHT = {
    "": {
        "idle_processes_killed": "0 of 1 jobs ran",
        "helpers_killed": "3 of 5 jobs ran",
        "running_job_killed": SILENT,
        "server_gone": "the worker had not registered again",
        "first_sigterm": "the worker ended with status -15 before its job did",
        "raised_early": SILENT,
        "raised_late": SILENT,
        "exited": SILENT,
        "shut_down": SILENT,
        "hanging_callback": "not gone in 5 s: 1 left",
        "blocked_loop": "the blocked job did not survive",
        "worker_killed": "the shutdown callback did not run",
        "one_warm_process": "1 of 2 jobs ran",
        "second_sigterm": "the worker ended with status -15 before its job did",
    },
    "words": {
        "raised_early": "the shutdown callback did not run",
        "raised_late": "the shutdown callback did not run",
        "shut_down": "the server noted JS_FAILED, 'the model file is missing",
    },
    "words, callbacks, deaf, late": {
        "server_gone": "s after its return",
        "first_sigterm": "another job was taken",
        "raised_early": f"not gone in {IMPATIENT_SECONDS:g} s: 1 left",
        "raised_late": f"not gone in {IMPATIENT_SECONDS:g} s: 1 left",
        "blocked_loop": "the other job ran only when the block was over",
        "second_sigterm": "the worker still ran 5 s after the second signal",
    },
}
"""By what the liar pretends: what is seen of it."""


class Site:
    """One server for all trials, each of which looks at it with a client of its own."""

    def __init__(self, server: LiveKitServer, log: ServerLog) -> None:
        self.server = server
        self.log = log

    @asynccontextmanager
    async def trial(self, framework: Framework, **details: float) -> AsyncIterator[Trial]:
        async with Ground.at(self.server, self.log) as ground:
            yield Trial(framework, ground, **details)

    async def seen(self, fault: Fault) -> str:
        """Have the liar meet the fault; return what was seen of it."""
        async with self.trial(LIAR, patience=IMPATIENT_SECONDS) as trial:
            return (await judge(fault, trial)).seen


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    log = ServerLog()
    with LiveKitServer(OPTIONS, on_log=log.note) as server:
        yield Site(server, log)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_lk_agents_holds(site: Site, fault: Fault) -> None:
    async with site.trial(replace(OURS, interpreter=INTERPRETER)) as trial:
        verdict = await judge(fault, trial)

    assert verdict.held, f"{verdict.seen}; {verdict.detail}"


def test_every_fault_is_tried_with_a_worker_that_does_nothing_right() -> None:
    assert CAUGHT[""].keys() == {fault.name for fault in FAULTS}


@pytest.mark.parametrize("lies", CAUGHT)
async def test_a_worker_that_only_pretends_is_caught(site: Site, lies: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIES", lies)
    expected = CAUGHT[lies]
    faults = [fault for fault in FAULTS if fault.name in expected]

    seen = await asyncio.gather(*[site.seen(fault) for fault in faults])

    found = {fault.name: text for fault, text in zip(faults, seen, strict=True)}
    assert {name: text for name, text in found.items() if expected[name] not in text} == {}


async def test_what_a_worker_leaves_behind_is_counted(site: Site) -> None:
    async with site.trial(LIAR, patience=0.1) as trial, trial.scene(warm=2) as scene:
        (worker, *others) = scene.worker.family.pids()
        assert worker == scene.worker.family.root
        os.kill(worker, signal.SIGKILL)

        with pytest.raises(NotHeldError, match=r"^not gone in 0.2 s: 3 left, and 3 after"):
            await scene.check_none_left(others, since=time.monotonic(), seconds=0.2)


async def test_a_job_goes_on_only_with_its_process_and_in_its_room(site: Site) -> None:
    async with site.trial(LIAR) as trial, trial.scene(warm=1) as scene:
        job = await scene.begin("stay")
        with pytest.raises(NotHeldError, match="its agent has left the room"):
            await scene.check_alive(job)
        os.kill(job.pid, signal.SIGKILL)
        await scene.check_gone(job, since=time.monotonic(), seconds=5.0)

        with pytest.raises(NotHeldError, match="its process is gone"):
            await scene.check_alive(job)


async def test_the_workers_last_lines_go_with_what_was_seen(site: Site) -> None:
    async def refuse(trial: Trial) -> None:
        async with trial.scene(warm=1):
            raise NotHeldError("no")

    async with site.trial(LIAR) as trial:
        verdict = await judge(Fault("a fault", refuse), trial)

    assert (verdict.held, verdict.seen) == (False, "no")
    assert "a word of the liar" in verdict.detail
