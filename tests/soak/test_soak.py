"""Many jobs through one worker: each ends as it did, and none leaves anything behind."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from tests.faults.statement import NO_FAULT
from tests.soak.soaked import AT_REST

if TYPE_CHECKING:
    from tests.soak.conftest import Soak

pytestmark = pytest.mark.timeout(300)

OUTCOMES = {
    "leave": ("JS_SUCCESS", ""),
    "join": ("JS_SUCCESS", ""),
    "raise": ("JS_FAILED", "ValueError: raised as told"),
    "exit": ("JS_FAILED", "exited with code 3"),
    "die": ("JS_FAILED", "killed by SIGKILL"),
}
"""What a job does: the status that the server must note, and what its error must say."""

UNFREED_KB = 256
KB_A_JOB = 1.0
"""How much a worker's memory may grow: some pages that are touched late, and what is remembered of each job so that
its orphans are known (0.1 kB, of the last 4096). The most that was seen is 0.2 MB in 480 jobs, most of it at first."""

ZYGOTE_KB = 64

OBJECTS_A_JOB = 0.1
"""Less than one, so that not even the smallest thing can be kept for each job; the most that was seen is 2 in all."""

TIMERS = {"asyncio.events.TimerHandle", "_contextvars.Context"}
MOST_TIMERS = 150
"""A loop keeps cancelled timers until they are due, or until they are more than half of a hundred or more."""


def test_every_job_ran_once_and_its_true_end_was_noted_once(soak: Soak) -> None:
    told = {(job.deed, len(job.ends), job.ends[0].status) for job in soak.jobs}
    assert told == {(deed, 1, OUTCOMES[deed][0]) for deed in {job.deed for job in soak.jobs}}
    assert all(OUTCOMES[job.deed][1] in job.ends[0].error for job in soak.jobs)
    assert all(job.ends[0].error == "" for job in soak.jobs if OUTCOMES[job.deed][0] == "JS_SUCCESS")
    assert Counter(soak.entered) == Counter(job.id for job in soak.jobs)
    assert soak.joined == {job.id for job in soak.jobs if job.deed == "join"}


def test_as_many_jobs_crashed_as_were_told_to(soak: Soak) -> None:
    deeds = Counter(job.deed for job in soak.jobs)
    count = soak.last.jobs
    assert deeds["join"] == count // 20
    assert deeds["raise"] + deeds["exit"] + deeds["die"] == (count // 10 if soak.crashing else 0)
    assert min(deeds["raise"], deeds["exit"], deeds["die"]) >= (count // 40 if soak.crashing else 0)


def test_neither_worker_nor_zygote_holds_more_descriptors_or_threads(soak: Soak) -> None:
    for warm, last in ((soak.warm.worker, soak.last.worker), (soak.warm.zygote, soak.last.zygote)):
        assert last.descriptors <= warm.descriptors
        assert last.threads <= warm.threads


def test_the_worker_has_the_same_tasks(soak: Soak) -> None:
    assert soak.last.tasks == soak.warm.tasks


def test_no_process_of_a_job_is_left(soak: Soak) -> None:
    assert soak.last.processes == soak.warm.processes == AT_REST


def test_the_worker_keeps_no_object_of_a_job(soak: Soak) -> None:
    grown = soak.last.kinds - soak.warm.kinds
    kept = {kind: count for kind, count in grown.items() if kind not in TIMERS}
    assert sum(kept.values()) <= OBJECTS_A_JOB * (soak.last.jobs - soak.warm.jobs), kept
    assert all(soak.last.kinds[kind] <= MOST_TIMERS for kind in TIMERS)


def test_the_memory_of_worker_and_zygote_does_not_grow(soak: Soak) -> None:
    allowed = UNFREED_KB + KB_A_JOB * (soak.last.jobs - soak.warm.jobs)
    assert soak.last.worker.memory_kb - soak.warm.worker.memory_kb <= allowed
    assert soak.last.zygote.memory_kb - soak.warm.zygote.memory_kb <= ZYGOTE_KB


def test_the_worker_ends_in_order_and_complained_of_nothing_but_the_crashes(soak: Soak) -> None:
    assert soak.code == 0
    ours = [record for record in map(json.loads, soak.log.splitlines()) if record["name"].startswith("lk_agents")]
    complaints = [record for record in ours if record["level"] != "INFO"]
    crashed = {job.id for job in soak.jobs if OUTCOMES[job.deed][0] == "JS_FAILED"}
    of_crashes = [record for record in complaints if record.get("job_id") in crashed]
    assert {record["job_id"] for record in of_crashes if record["message"] == "a job has ended"} == crashed
    others = {record["message"] for record in complaints if record not in of_crashes}
    assert others <= NO_FAULT
