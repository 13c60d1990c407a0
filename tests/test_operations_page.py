"""The page for those who run workers is made from the code, and cannot say anything else.

``python tests/test_operations_page.py`` writes its table of limits anew.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import click

from lk_agents.cli import serve
from lk_agents.cli.main import build_group
from lk_agents.ipc.records import Limits
from lk_agents.job.ending import JobLimits
from lk_agents.worker.connection import ConnectionLimits
from lk_agents.worker.dispatch import DispatchLimits
from lk_agents.worker.engine import WorkerLimits
from lk_agents.worker.options import WorkerOptions, _WorkerEnvOption

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "core" / "lk_agents"
PAGE = ROOT / "docs" / "operations.md"
BEGIN, END = "<!-- made from the code: begin -->\n", "<!-- made from the code: end -->\n"

PACKAGES = ("worker", "ipc", "job", "hooks", "cli")
RECORDS = (WorkerLimits, ConnectionLimits, DispatchLimits, JobLimits, Limits)
IS_A_LIMIT = re.compile(
    r"(SECONDS|BYTES|LIMIT|_MB|_MIB|CAPACITY|ATTEMPTS|TIMEOUT|INTERVAL|SHARE|FACTOR|FAILURES|BROKEN|LEAST|CEILING|LENGTH"
    r"|SECRET|FILES|DEEPEST)$"
)
NO_LIMITS = {
    "ipc/codec.HEADER_BYTES": "the form of a message",
    "ipc/memory.SMALL_BYTES": "the size of a buffer",
    "ipc/channel.READ_LIMIT_BYTES": "the size of a buffer",
    "cli/watcher.SHOWN_FILES": "what a log line shows",
    "cli/logging_setup.DEEPEST": "what a log line shows",
    "cli/doctor_machine.FEW_FILES": "what doctor advises",
    "cli/doctor_machine.LEAST_MEMORY_MIB": "what doctor advises",
    "cli/doctor_machine.MIB": "a unit",
}
"""What looks like a limit by its name, and why it is left out."""

MEANINGS = {
    "WorkerLimits.connection": "",
    "WorkerLimits.dispatch": "",
    "Limits.start_silence_seconds": "",
    "Limits.shutdown_seconds": "",
    "Limits.memory_warn_mb": "",
    "Limits.memory_limit_mb": "",
    "Limits.beat_silence_seconds": "a process that gives no sign of life for so long is ended, with its stacks",
    "Limits.loop_blocked_seconds": "a job whose event loop is blocked for so long is ended, with its stacks",
}
"""Fields without a description of their own; those without any here repeat an option or hold other records."""

IN_WORDS = {
    "worker/dispatch.ASSIGNMENT_TIMEOUT": "from yes to the assignment; then the slot is free again",
    "worker/tokens.RENEWED_SECONDS": "how much longer the token of a job is good when `dev` carries it over",
    "worker/tokens.CLOCK_LEEWAY_SECONDS": "by how much clocks of worker and server may differ",
    "worker/backoff.FIRST_DELAY_SECONDS": "first delay of a reconnect",
    "worker/backoff.STEP_SECONDS": "by how much it grows",
    "worker/backoff.LONGEST_DELAY_SECONDS": "longest delay of a reconnect",
    "worker/backoff.SHORT_DELAY_SECONDS": "the least upper bound of a delay, however short the outage",
    "worker/machine_load.INTERVAL_SECONDS": "between two samples of the processors",
    "worker/machine_load.SHORTAGES_SECONDS": "between two looks at memory and open files",
    "worker/machine_load.UNLIMITED_SECONDS": "the same at memory without a limit, in case it is given one",
    "worker/machine_load.CALM_SHARE": "of memory: above it each sample of the processors looks at it too",
    "worker/machine_load.END_SECONDS": "how long the sampling thread may take to end",
    "worker/machine_load.FULL_SHARE": "of memory or open files: from here on the worker says that it is full",
    "worker/machine_load.RELIEVED_SHARE": "of the same: below it the worker takes jobs again",
    "worker/status.UPDATE_LOAD_INTERVAL": "between two reports of the load to the server",
    "worker/load.REPORTED_CEILING": "the highest load reported while jobs are taken (the server offers none from 0.7)",
    "worker/backoff.OUTAGE_SHARE": "a delay is no longer than this share of the outage so far",
    "worker/backoff.HEALTHY_SECONDS": "a connection counts as a success after it has been registered for so long",
    "worker/backoff.PATIENCE_SECONDS": "nobody gives up before an outage has lasted for so long",
    "worker/config.DAY_SECONDS": "the longest time that an option may say",
    "worker/config.SHORTEST_SECRET": "characters that `api_secret` needs in production",
    "worker/memory_guard.LIMIT_SHARE": "of the container's memory: above it the heaviest job is ended",
    "worker/tokens.REGISTRATION_SECONDS": "how long the token is good with which a worker registers",
    "ipc/codec.MAX_FRAME_BYTES": "longest message between worker and job",
    "ipc/machine.PROGRESS_CPU_SECONDS": "processor time between two beats from which a starting process makes progress",
    "ipc/machine.PROGRESS_BYTES": "the same in bytes read",
    "ipc/machine.EXIT_SECONDS": "from the end of a job to the exit of its process",
    "ipc/child.INFERENCE_SECONDS": "how long a job waits for inference when its worker is gone",
    "cli/redaction.SHORTEST_SECRET": "characters from which a secret is cut out of what is written",
    "cli/serve.KILL_SECONDS": "for the worker to end everything after a second signal",
    "cli/signals.FORCED_END_SECONDS": "from a second signal to the end of the process",
    "worker/load.SIGNAL_TIMEOUT_SECONDS": "how long `load_fnc`, and each plugin, may take to answer",
    "worker/health.CLOSE_SECONDS": "how long open requests of the health endpoint are waited for at the end",
    "ipc/zygote_main.MAX_CONTROL_BYTES": "longest message between worker and zygote",
    "ipc/machine.DUMP_SECONDS": "for a process that is to be ended to write its stacks",
    "ipc/machine.TERMINATE_SECONDS": "from SIGTERM to SIGKILL",
    "ipc/machine.KILL_SECONDS": "from SIGKILL to giving up",
    "ipc/supervisor.CLOSE_MARGIN_SECONDS": "what the close of the pool may take beyond `shutdown_process_timeout`",
    "ipc/process.START_LOOK_SECONDS": "between two looks at a zygote that starts",
    "ipc/plan.FIRST_DELAY_SECONDS": "first delay after a process that failed to start",
    "ipc/plan.LONGEST_DELAY_SECONDS": "longest delay after processes that failed to start",
    "ipc/plan.FAILURES_UNTIL_BROKEN": "failed starts in a row until `/ready` says `pool_broken`",
    "ipc/stock.BEAT_SECONDS": "between two signs of life of a process",
    "ipc/stock.AT_ONCE_AT_LEAST": "processes that may start at once, at least",
    "ipc/child.PERMIT_SECONDS": "the longest wait of `ctx.connect()` for its turn",
    "ipc/child.END_REPORT_SECONDS": "how long a job waits for the worker to take note of its end",
    "ipc/child_handle.STACKS_MAX_BYTES": "what is kept of the stacks of a process",
    "ipc/child_process.ATEXIT_SECONDS": "for `atexit` callbacks of a job's process",
    "ipc/child_process.LEFTOVER_TASKS_SECONDS": "for tasks of the user's that are left when a job has ended",
    "ipc/thread.LEFTOVER_TASKS_SECONDS": "the same, for a job in a thread",
    "ipc/inference_desk.QUEUE_LIMIT": "inference requests that may wait in the worker",
    "ipc/inference_desk.REQUEST_SECONDS": "how long an inference request may take",
    "ipc/spawn.JOIN_SECONDS": "for a spawned process that is gone to be reaped",
    "ipc/orphans.LOOK_SECONDS": "after the death of a process that nobody waits for: when it is reaped",
    "ipc/zygote.LOOK_SECONDS": "between two looks at a zygote that starts",
    "job/link.LEAVE_REPLACED_SECONDS": "for leaving a room that is another one than the job was for",
    "job/closing.LEAVE_SECONDS": "for leaving the room",
    "cli/run.SLOW_CALLBACK_SECONDS": "a callback that blocks the loop for longer is warned about",
    "cli/worker_process.LOADING_STOP_SECONDS": "`dev`: how long a worker that still loads the file may take to end",
    "cli/worker_process.FORCED_STOP_SECONDS": "`dev`: how long the worker may take to end after a second signal",
    "cli/attendants.STOP_MARGIN_SECONDS": "`dev`: what a stop may take beyond `shutdown_process_timeout`",
    "cli/doctor_server.SECONDS": "`doctor`: how long the server may take to answer",
    "cli/doctor_server.SKEW_SECONDS": "`doctor`: by how much the clocks may differ",
}
"""Constants that have no line of their own in the code, or one that says why and not what."""


class Row(NamedTuple):
    """One line of the table."""

    name: str
    value: str
    meaning: str


def described(record: type[Any]) -> dict[str, str]:
    """Return the descriptions of a record's fields."""
    parts = re.split(r":param (\w+):", record.__doc__ or "")
    return {name: " ".join(text.split()) for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def shown(name: str, value: Any) -> str:
    """Return a value with its unit."""
    if isinstance(value, tuple):
        return ", ".join(shown(name, each) for each in value)
    text = f"{value:g}" if isinstance(value, float) else str(value)
    if "BYTES" in name:
        return f"{value // 1024} KiB" if value < 1 << 20 else f"{value >> 20} MiB"
    if re.search(r"SECONDS|TIMEOUT|INTERVAL", name, re.IGNORECASE):
        return f"{text} s"
    return f"{text} MB" if name.lower().endswith("_mb") else text


def options() -> Iterator[Row]:
    """Yield the options that are numbers."""
    meanings = described(WorkerOptions)
    for field in dataclasses.fields(WorkerOptions):
        value = field.default
        if isinstance(value, _WorkerEnvOption):
            yield Row(field.name, f"{value.prod_default:g} (development: {value.dev_default:g})", meanings[field.name])
        elif field.name == "max_jobs" or (isinstance(value, int | float) and not isinstance(value, bool)):
            yield Row(field.name, shown(field.name, value), meanings[field.name])


def records() -> Iterator[Row]:
    """Yield the limits that stand in records."""
    for record in RECORDS:
        meanings = described(record)
        for field in dataclasses.fields(record):
            name = f"{record.__name__}.{field.name}"
            if meaning := meanings.get(field.name) if name not in MEANINGS else MEANINGS[name]:
                unit = "_seconds" if record is not Limits and not field.name.endswith("_seconds") else ""
                yield Row(name, shown(field.name + unit, field.default), meaning)


def constants() -> Iterator[Row]:
    """Yield the limits that are constants of modules."""
    for package in PACKAGES:
        for path in sorted((CORE / package).rglob("*.py")):
            yield from _of_module(path)


def _of_module(path: Path) -> Iterator[Row]:
    place = path.relative_to(CORE).with_suffix("").as_posix()
    body = ast.parse(path.read_text(encoding="utf-8")).body
    for node, behind in zip(body, [*body[1:], None], strict=True):
        target = (
            node.target
            if isinstance(node, ast.AnnAssign)
            else node.targets[0]
            if isinstance(node, ast.Assign)
            else None
        )
        if not isinstance(target, ast.Name) or not target.id.isupper() or not IS_A_LIMIT.search(target.id):
            continue
        value = getattr(importlib.import_module(f"lk_agents.{place.replace('/', '.')}"), target.id)
        name = f"{place}.{target.id.lstrip('_')}"
        if name in NO_LIMITS or not isinstance(value, int | float | tuple):
            continue
        text = ""
        if isinstance(behind, ast.Expr) and isinstance(behind.value, ast.Constant):
            text = " ".join(str(behind.value.value).split()).rstrip(".")
        yield Row(name, shown(target.id, value), IN_WORDS.get(name) or text)


def table() -> str:
    """Return the whole table."""
    lines = ["| name | value | meaning |", "|---|---|---|"]
    drain = next(param for param in build_group().commands["start"].params if param.name == "drain_timeout")
    assert isinstance(drain, click.Option)
    rows = [
        *options(),
        Row("--drain-timeout", f"{drain.default} s", "how long running jobs may go on after the first signal"),
    ]
    rows += [*records(), *constants()]
    for row in rows:
        meaning = row.meaning.rstrip(".").replace("``", "`").replace("|", "\\|")
        lines.append(f"| `{row.name}` | {row.value} | {meaning} |")
    return "\n".join(lines) + "\n"


@cache
def page() -> str:
    """Return the page."""
    return PAGE.read_text(encoding="utf-8")


def section(title: str) -> str:
    """Return what stands below a heading."""
    return page().partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@cache
def texts() -> str:
    """Return every text constant of the code, with a hole for each value in it."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted(CORE.rglob("*.py"))]
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return "\n".join(node.value for node in nodes if isinstance(node.value, str))


def test_the_table_of_limits_is_that_of_the_code() -> None:
    made = page().partition(BEGIN)[2].partition(END)[0].strip("\n") + "\n"

    assert made == table(), "python tests/test_operations_page.py writes it anew"


def test_every_limit_is_explained() -> None:
    assert [row.name for row in [*options(), *records(), *constants()] if not row.meaning] == []


def test_nothing_is_explained_that_there_is_not() -> None:
    there = {row.name for row in [*records(), *constants()]}

    assert set(IN_WORDS) <= there


def test_the_messages_of_faults_are_those_of_the_code() -> None:
    rows = re.findall(r"^\|([^|]+)\|([^|]+)\|([^|]+)\|$", section("What faults look like"), re.MULTILINE)[2:]
    messages = [message for row in rows for message in re.findall(r"`([^`]+)`", row[1])]

    assert len(messages) > 25
    for message in messages:
        assert message in texts(), message


def test_the_exit_codes_are_those_of_the_code() -> None:
    codes = {int(code) for code in re.findall(r"^\| (\d) \|", section("Exit codes"), re.MULTILINE)}

    assert codes == {serve.FINE, serve.FAILED, serve.USAGE}


def test_the_health_endpoints_are_those_of_the_code() -> None:
    source = (CORE / "worker" / "health.py").read_text(encoding="utf-8")
    served = set(re.findall(r'add_get\("([^"]+)"', source))

    assert set(re.findall(r"^\| `(/\w*)` \|", section("Health"), re.MULTILINE)) == served
    assert set(re.findall(r"`([a-z]+_[a-z]+|draining)`", section("Health"))) == {
        "not_registered",
        "draining",
        "pool_broken",
    }
    for reason in ("not_registered", "draining", "pool_broken"):
        assert f'"{reason}' in source


if __name__ == "__main__":
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
