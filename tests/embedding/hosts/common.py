"""What the programs of this folder have in common: their jobs, their words, and a look at their own process."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import psutil

from lk_agents import JobContext, JobExecutorType, WorkerOptions


def note(text: str) -> None:
    """Write a line, from whichever process."""
    journal = os.open(os.environ["JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(journal, f"{text}\n".encode())
    os.close(journal)


def tell(**what: Any) -> None:
    """Say something to the test."""
    print(json.dumps(what), flush=True)


async def told() -> str:
    """Wait for a word of the test; the loop goes on meanwhile."""
    loop = asyncio.get_running_loop()
    heard: asyncio.Future[str] = loop.create_future()

    def hear() -> None:
        if not heard.done():
            heard.set_result(sys.stdin.readline().strip())

    loop.add_reader(sys.stdin, hear)
    try:
        return await heard
    finally:
        loop.remove_reader(sys.stdin)


async def entrypoint(ctx: JobContext) -> None:
    """Run until ended from outside."""
    room = ctx.job.room.name

    async def over() -> None:
        note(f"over {room}")

    ctx.add_shutdown_callback(over)
    if room == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if room.startswith("connects"):
        await ctx.connect()
    kind = "inside" if os.getpid() == HOST else "outside"
    note(f"job {room} {ctx.job.agent_name} {kind}")
    await asyncio.sleep(3600)


HOST = int(os.environ.setdefault("HOST_PID", str(os.getpid())))


def options(**changes: Any) -> WorkerOptions:
    """Return options with the executor, and the agent name if there is one, of the command line: EXECUTOR HOW NAME."""
    changes["job_executor_type"] = JobExecutorType[sys.argv[1]]
    if len(sys.argv) > 3:
        changes["agent_name"] = sys.argv[3]
    return WorkerOptions(entrypoint, load_fnc=idle, num_idle_processes=1, shutdown_process_timeout=10.0, **changes)


def idle() -> float:
    """Say that there is always room for a job."""
    return 0.0


def property_of_the_host() -> dict[str, Any]:
    """Return what a program sets for itself and would not like to see changed by a guest."""
    root = logging.getLogger()
    loggers = [root, *(each for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger))]
    return {
        "signals": {number.name: repr(signal.getsignal(number)) for number in signal.Signals},
        "handlers": {each.name: [repr(one) for one in each.handlers] for each in loggers if each.handlers},
        "levels": {each.name: each.level for each in loggers if each.level},
        "silenced": [each.name for each in loggers if not each.propagate or each.disabled],
        "record factory": repr(logging.getLogRecordFactory()),
        "environment": dict(os.environ),
        "arguments": list(sys.argv),
        "path": list(sys.path),
        "folder": str(Path.cwd()),
        "hooks": [repr(each) for each in (sys.excepthook, threading.excepthook, sys.unraisablehook)],
        "collector": [gc.isenabled(), gc.get_freeze_count(), *gc.get_threshold()],
        "streams": [repr(type(each)) for each in (sys.stdin, sys.stdout, sys.stderr)],
    }


def what_is_open() -> dict[str, list[str]]:
    """Return this process's children, threads, descriptors and, on a loop, tasks."""
    targets = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            targets.append(f"{entry.name} {entry.readlink()}".replace(f"/proc/{os.getpid()}/fd", "listing"))
        except OSError:
            continue
    children = [each for each in psutil.Process().children(recursive=True) if "resource_tracker" not in _line(each)]
    return {
        "children": [f"{each.pid} {each.name()} {each.status()}" for each in children],
        "threads": [each.name for each in threading.enumerate() if each is not threading.main_thread()],
        "descriptors": sorted(target for target in targets if "listing" not in target),
    }


def _line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
