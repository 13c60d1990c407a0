"""Agents that go wrong, in processes of their own: the job's metadata, a JSON object, says how."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import subprocess
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from tests.e2e import journal

import lk_agents
from lk_agents.hooks.records import JobLost, Load, Reject
from lk_agents.ipc.codec import MAX_FRAME_BYTES, frame
from lk_agents.job.context import JobContext
from lk_agents.job.process import JobProcess
from lk_agents.job.request import JobRequest

FOR_EVER = 1000
GARBAGE = {
    "unknown": frame(msgspec.msgpack.encode({"type": "FromTheFuture", "what": 1})),
    "garbage": frame(b"\xc1 this is no message"),
    "endless": (MAX_FRAME_BYTES + 1).to_bytes(4, "big"),
}
"""What neither end of a channel can read: a kind that is not known, no message at all, a length that cannot be."""

_programs: list[subprocess.Popen[bytes]] = []


def note(ctx: JobContext, event: str, **fields: Any) -> None:
    """Write something about the job into the journal."""
    journal.write(ctx.proc.user_arguments, event, room=ctx.job.room.name, job=ctx.job.id, **fields)


async def faulty(ctx: JobContext) -> None:
    """Start a program, as jobs do, and then do what the metadata says: the name of a function below."""
    order: dict[str, Any] = json.loads(ctx.job.metadata)
    program = order.pop("program", ["sleep", str(FOR_EVER)])
    _programs.append(subprocess.Popen(program))
    ctx.add_shutdown_callback(partial(_ended, ctx))
    note(ctx, "entered", program=_programs[-1].pid, worker=ctx.worker_id)
    await globals()[order.pop("do")](ctx, **order)


async def _ended(ctx: JobContext, reason: str) -> None:
    note(ctx, "callback", reason=reason)


async def end(ctx: JobContext) -> None:
    """End as a job should."""
    ctx.shutdown("as it should")


async def wait(ctx: JobContext, join: bool = False) -> None:
    """Wait until a file with the job's name tells it to end, beside the journal."""
    if join:
        await ctx.connect()
        note(ctx, "connected")
    word = Path(ctx.proc.user_arguments).with_name(ctx.job.id)
    while not await asyncio.to_thread(word.exists):
        await asyncio.sleep(0.02)
    ctx.shutdown("told to end")


async def fail(ctx: JobContext, join: bool) -> None:
    """Raise, in the room or before."""
    if join:
        await ctx.connect()
    raise ValueError("it was bound to fail")


async def leave(ctx: JobContext, code: int) -> None:
    """End the process without a word."""
    os._exit(code)


async def swallow(ctx: JobContext) -> None:
    """Never return, and take no notice of a cancellation."""
    while True:
        try:
            await asyncio.sleep(FOR_EVER)
        except asyncio.CancelledError:
            note(ctx, "swallowed")


async def block(ctx: JobContext, seconds: float) -> None:
    """Keep the loop from everything, and end."""
    block_the_loop(seconds)
    ctx.shutdown("unblocked")


def block_the_loop(seconds: float) -> None:
    """Be found in the stacks."""
    time.sleep(seconds)


async def end_badly(ctx: JobContext, how: str) -> None:
    """End with a callback that goes wrong beside the good one."""
    ctx.add_shutdown_callback({"raises": _raise, "hangs": _hang, "blocks": _block}[how])
    ctx.shutdown("as it should")


async def _raise() -> None:
    raise OSError("the archive is full")


async def _hang() -> None:
    await asyncio.sleep(FOR_EVER)


async def _block() -> None:
    block_the_loop(FOR_EVER)


async def babble(ctx: JobContext, what: str, side: bool = False) -> None:
    """Write nonsense to the worker, where messages go or beside it, where log lines and beats go; and wait."""
    channels = [one for one in unix_sockets(socket.SOCK_STREAM) if _maker(one) != os.getpid()]
    channels[side].send(GARBAGE[what])
    _close(channels)
    await wait(ctx)


def unix_sockets(kind: int) -> list[socket.socket]:
    """Return duplicates of all sockets of that kind between this process and its relatives, by their numbers."""
    found = []
    for number in sorted(int(entry.name) for entry in Path("/proc/self/fd").iterdir()):
        try:
            one = socket.socket(fileno=os.dup(number))
        except OSError:  # no socket, or the folder itself
            continue
        if one.family is socket.AF_UNIX and one.type == kind:
            found.append(one)
        else:
            one.close()
    return found


def _maker(one: socket.socket) -> int:
    """Return the process that made the pair."""
    maker: int = struct.unpack("3i", one.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
    return maker


def _close(sockets: list[socket.socket]) -> None:
    for one in sockets:
        one.close()


# --- prewarming ---------------------------------------------------------------------------------------------------


def is_mended(journal_path: str) -> bool:
    """Return whether the test has put right what was wrong."""
    return Path(journal_path).with_name("mended").exists()


def prewarm_well(proc: JobProcess) -> None:
    """Do nothing."""


def prewarm_raises(proc: JobProcess) -> None:
    """Raise until the fault is mended."""
    if not is_mended(proc.user_arguments):
        raise OSError("the model is torn")


def prewarm_hangs(proc: JobProcess) -> None:
    """Hang until the fault is mended."""
    if not is_mended(proc.user_arguments):
        journal.write(proc.user_arguments, "hanging")
        block_the_loop(FOR_EVER)


def prewarm_exits(proc: JobProcess) -> None:
    """End the process until the fault is mended."""
    if not is_mended(proc.user_arguments):
        os._exit(7)


# --- in the worker ------------------------------------------------------------------------------------------------


class Witness:
    """A plugin: writes down which jobs were lost, and has the worker misbehave.

    It talks nonsense when a job's metadata says so.

    :param left: once the worker is registered, keep all descriptors but so many until the fault is mended; -1 keeps
        none.
    """

    def __init__(self, path: str, left: int = -1) -> None:
        self._path = path
        self._left = left
        self._hoard: list[int] = []

    @lk_agents.hookimpl
    def lk_agents_worker_registered(self) -> None:
        """Take the descriptors, if that is wanted."""
        print("registered")  # unless a terminal shows it, Python keeps it until the end
        if self._left < 0:
            return
        with suppress(OSError):
            while True:
                self._hoard.append(os.open(os.devnull, os.O_RDONLY))
        self._release(self._left)

    @lk_agents.hookimpl
    def lk_agents_compute_load(self) -> Load | None:
        """Give the descriptors back once the fault is mended: this is called again and again."""
        if is_mended(self._path):
            self._release(len(self._hoard))
        return None

    def _release(self, count: int) -> None:
        for _ in range(count):
            os.close(self._hoard.pop())

    @lk_agents.hookimpl
    def lk_agents_job_lost(self, record: JobLost) -> None:
        """Write it down whole."""
        fields = {name: getattr(record, name) for name in JobLost.__dataclass_fields__ if name != "pid"}
        journal.write(self._path, "lost", process=record.pid, **fields)

    @lk_agents.hookimpl
    def lk_agents_filter_request(self, request: JobRequest) -> Reject | None:
        """Write nonsense to all children, or to the zygote, instead of taking such a job."""
        order = json.loads(request.job.metadata)
        if (what := order.get("tell_children")) is not None:
            found = unix_sockets(socket.SOCK_STREAM)
        elif (what := order.get("tell_zygote")) is not None:
            found = unix_sockets(socket.SOCK_SEQPACKET)
        else:
            return None
        for one in found:
            one.send(GARBAGE[what])
        _close(found)
        journal.write(self._path, "babbled", count=len(found))
        return Reject("it is no job")
