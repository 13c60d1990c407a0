"""Every hook there is; each call writes a line to the file that ``ACME_JOURNAL`` names."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lk_agents import Plugin, hookimpl
from lk_agents.hooks import (
    Command,
    InferenceRunnerRecord,
    JobFinished,
    JobLost,
    Load,
    Reject,
    ServerInfo,
    WorkerInfo,
)

if TYPE_CHECKING:
    import click


def note(hook: str, **more: Any) -> None:
    """Write a line, whole even if several processes write at once."""
    comm = Path("/proc/self/comm")
    line = {
        "hook": hook,
        "pid": os.getpid(),
        "parent": os.getppid(),
        "process": comm.read_text().strip() if comm.exists() else "",
        "main_thread": threading.current_thread() is threading.main_thread(),
        **more,
    }
    journal = os.open(os.environ["ACME_JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(journal, json.dumps(line).encode() + b"\n")
    os.close(journal)


class Shouter:
    """A model in the inference process."""

    def initialize(self) -> None:
        """Load nothing."""
        note("initialize")

    def run(self, data: bytes) -> bytes:
        """Return the text in capitals."""
        return data.upper()


@hookimpl
def lk_agents_register_plugin() -> Plugin:
    note("lk_agents_register_plugin")
    return Plugin("Acme", "2.3.4", "lk_agents_acme")


@hookimpl
async def lk_agents_filter_request(request: Any) -> Reject | None:
    note("lk_agents_filter_request", room=request.room.name)
    return Reject("not that one") if request.room.name == "refused" else None


@hookimpl
def lk_agents_compute_load(worker: Any) -> Load:
    note("lk_agents_compute_load", worker=type(worker).__name__)
    return Load(0.01, name="acme")


@hookimpl
def lk_agents_preload_modules() -> tuple[str, ...]:
    note("lk_agents_preload_modules")
    return ("lk_agents_acme.model",)


@hookimpl
def lk_agents_preload_weights() -> None:
    note("lk_agents_preload_weights")
    if "ACME_WEIGHTS_RAISE" in os.environ:
        raise OSError("the weights are torn" + " and torn" * 20_000)


@hookimpl
def lk_agents_prewarm(proc: Any) -> None:
    note("lk_agents_prewarm")
    if "ACME_PREWARM_RAISES" in os.environ:
        raise OSError("the model file is torn")
    proc.userdata["acme"] = "warm"


@hookimpl
def lk_agents_register_inference_runners() -> Iterator[InferenceRunnerRecord]:
    note("lk_agents_register_inference_runners")
    yield InferenceRunnerRecord("acme_shout", Shouter)


@hookimpl
async def lk_agents_worker_starting(worker: Any) -> None:
    note("lk_agents_worker_starting", state=worker.state.value)


@hookimpl
def lk_agents_worker_registered(worker: Any, info: WorkerInfo) -> None:
    note("lk_agents_worker_registered", worker_id=info.worker_id)


@hookimpl
async def lk_agents_worker_draining(worker: Any) -> None:
    note("lk_agents_worker_draining", state=worker.state.value)


@hookimpl
def lk_agents_worker_stopped(worker: Any) -> None:
    note("lk_agents_worker_stopped", state=worker.state.value)


@hookimpl
async def lk_agents_job_starting(ctx: Any) -> None:
    note("lk_agents_job_starting", job=ctx.job.id)


@hookimpl
def lk_agents_job_finished(ctx: Any, result: JobFinished) -> None:
    note("lk_agents_job_finished", job=ctx.job.id, success=result.success, cause=result.cause)


@hookimpl
async def lk_agents_job_lost(record: JobLost) -> None:
    note(
        "lk_agents_job_lost",
        job=record.job_id,
        room=record.room_name,
        metadata=record.metadata,
        cause=record.cause,
        reason=record.reason,
        exit_code=record.exit_code,
        job_pid=record.pid,
    )


@hookimpl
def lk_agents_register_commands() -> tuple[Command, ...]:
    note("lk_agents_register_commands")
    return (Command("acme-say", build=_say_command, help="Say something."),)


@hookimpl
def lk_agents_dev_server() -> Any:
    note("lk_agents_dev_server")
    return _server()


@asynccontextmanager
async def _server() -> AsyncIterator[ServerInfo]:
    yield ServerInfo(**json.loads(os.environ["ACME_SERVER"]))


def _say_command() -> click.Command:
    import click

    return click.Command("acme-say", callback=lambda: click.echo("acme says hello"))
