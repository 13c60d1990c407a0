"""The entrypoint and the prewarm function of the executor tests: they do what the job's metadata tells them.

They stand in a module of their own because executors find them by name, in processes of their own.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from lk_agents.foundation.clock import monotonic
from lk_agents.foundation.errors import InferenceError

if TYPE_CHECKING:
    from lk_agents.job.context import JobContext
    from lk_agents.job.process import JobProcess

__all__ = ["obey", "warm_up"]

LOGGER = "lk_agents.testing.conformance.user"
STEP_SECONDS = 0.05


def warm_up(proc: JobProcess) -> None:
    """Prewarm as ``proc.user_arguments`` says: raise, hang until a file exists, progress in steps, or compute."""
    arguments = proc.user_arguments or {}
    proc.userdata["warmed"] = proc.userdata.get("warmed", 0) + 1
    match arguments.get("prewarm"):
        case "raise":
            raise ValueError("there is no model")
        case "hang":
            _wait_for(Path(arguments["until"]))
        case "progress":
            for step in range(arguments["steps"]):
                proc.progress(f"step {step}")
                threading.Event().wait(arguments["step_seconds"])
        case "compute":
            ends_at = monotonic() + arguments["seconds"]
            while monotonic() < ends_at:
                sum(range(1000))


async def obey(ctx: JobContext) -> None:
    """Do what the job's metadata says: a JSON object whose ``do`` is one of the cases below."""
    match json.loads(ctx.job.metadata):
        case {"do": "return"}:
            ctx.mark("greeted")
        case {"do": "raise"}:
            raise LookupError("as told")
        case {"do": "shut down", "reason": reason}:
            ctx.shutdown(reason)
        case {"do": "wait", "file": file}:
            await _wait(ctx, Path(file))
        case {"do": "facts"}:
            _tell_facts(ctx)
        case {"do": "log"}:
            _log()
            ctx.shutdown("logged")
        case {"do": "dig in", "until": until}:
            logging.getLogger(LOGGER).info("digging in")
            _wait_for(Path(until))  # blocks the loop: nothing can end this job in order
        case {"do": "exit", "code": code}:
            os._exit(code)
        case {"do": "ask"}:
            await _ask(ctx)


async def _wait(ctx: JobContext, file: Path) -> None:
    """Wait for ever; at the end of the job, write its reason."""

    async def write(reason: str) -> None:
        await asyncio.to_thread(file.write_text, reason, encoding="utf-8")

    ctx.add_shutdown_callback(write)
    logging.getLogger(LOGGER).info("waiting")
    await asyncio.Event().wait()


def _tell_facts(ctx: JobContext) -> None:
    accept = ctx.info.accept_arguments
    facts = {
        "attributes": accept.attributes,
        "identity": accept.identity,
        "room": ctx.job.room.name,
        "user_arguments": ctx.proc.user_arguments,
        "userdata": dict(ctx.proc.userdata),
        "pid": os.getpid(),
    }
    ctx.proc.userdata["used"] = True
    ctx.shutdown(json.dumps(facts))


def _log() -> None:
    user = logging.getLogger(LOGGER)
    user.debug("fine")
    user.warning("of %s", "note", extra={"count": 3, "what": {"a": [1, None]}})
    try:
        raise KeyError("missing")
    except KeyError:
        user.exception("bad")


async def _ask(ctx: JobContext) -> None:
    try:
        answer = await ctx.inference_executor.do_inference("nobody's", b"")
    except InferenceError as error:
        ctx.shutdown(f"{type(error).__name__}: {error}")
    else:
        ctx.shutdown(repr(answer))


def _wait_for(file: Path) -> None:
    while not file.exists():
        threading.Event().wait(STEP_SECONDS)
