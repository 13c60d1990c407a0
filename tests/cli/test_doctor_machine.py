from __future__ import annotations

import pytest

from lk_agents.cli.doctor_machine import machine_checks, memory_check, open_files_check, plugin_checks
from lk_agents.cli.findings import Status
from lk_agents.cli.plugin_rows import PluginRow
from lk_agents.worker.options import WorkerOptions

MIB = 1024 * 1024


async def entry(ctx: object) -> None: ...


@pytest.mark.parametrize(
    ("limit", "job_limit_mb", "status"),
    [
        (None, 0, Status.OK),
        (2048 * MIB, 0, Status.OK),
        (100 * MIB, 0, Status.PROBLEM),
        (512 * MIB, 400, Status.OK),
        (512 * MIB, 1024, Status.ADVICE),
    ],
)
def test_memory_is_judged_by_the_limit_of_the_container(limit: int | None, job_limit_mb: int, status: Status) -> None:
    check = memory_check(limit, WorkerOptions(entry, job_memory_limit_mb=job_limit_mb))

    assert check.status is status
    assert bool(check.remedy) is (status is not Status.OK)


@pytest.mark.parametrize(
    ("soft", "hard", "status"),
    [
        (1024, 1_048_576, Status.OK),
        (1024, 1024, Status.PROBLEM),
        (-1, -1, Status.OK),
    ],
)
def test_open_files_are_judged_by_the_hard_limit(soft: int, hard: int, status: Status) -> None:
    assert open_files_check(soft, hard).status is status


def row(*, missing: tuple[str, ...] | None = None, in_use: bool | None = None, error: str = "") -> PluginRow:
    return PluginRow(
        name="acme",
        distribution="lk-agents-acme",
        version="1.0",
        hooks=[],
        missing_files=missing,
        in_use=in_use,
        error=error,
    )


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (row(), Status.OK),
        (row(missing=()), Status.OK),
        (row(missing=("a.bin",)), Status.PROBLEM),
        (row(missing=("a.bin",), in_use=True), Status.PROBLEM),
        (row(missing=("a.bin",), in_use=False), Status.ADVICE),
        (row(error="cannot be imported"), Status.PROBLEM),
    ],
)
def test_plugins_are_judged_by_errors_and_files(found: PluginRow, status: Status) -> None:
    (check,) = plugin_checks([found])

    assert check.status is status
    assert bool(check.remedy) is (status is not Status.OK)


def test_this_very_machine_can_be_looked_at() -> None:
    names = [check.name for check in machine_checks(None)]

    assert names[:4] == ["python", "packages", "processors", "memory"]
