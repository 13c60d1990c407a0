"""A rehearsal of a child's life, in the zygote, before its memory is frozen.

Whatever Python does at the first few runs of a function (specialise its bytecode, fill caches, import lazily) it writes
into pages that all children share, and each child that writes gets a copy of its own. Done once before the fork, it
is done for all: about 1 MB less per warm process, and a faster start of the process and of its job. Nothing of it
stays: no thread, no socket; no function of the user's and no hook is called, no room joined.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from lk_agents.foundation.errors import ProtocolError
from lk_agents.hooks.registry import PluginRegistry
from lk_agents.ipc.channel import SideWriter, StreamChannel
from lk_agents.ipc.child import ChildHost, JobChild
from lk_agents.ipc.child_logs import SideHandler, in_silence
from lk_agents.ipc.messages import (
    EndReported,
    FromChild,
    Initialize,
    Phase,
    StartJob,
    Stop,
    ToChild,
    decode_from_child,
    decode_to_child,
    encode,
)
from lk_agents.ipc.program import Program
from lk_agents.ipc.pulse import Pulse
from lk_agents.job.process import JobProcess
from lk_agents.job.runner import JobRunner
from lk_agents.job.spec import AcceptArguments, JobSpec

if TYPE_CHECKING:
    from lk_agents.job.context import JobContext

__all__ = ["rehearse", "rehearse_job"]

ROUNDS = 12
"""Python specialises a function after eight calls."""
LOOP_ROUNDS = 30
"""More than a job needs from its start to its end."""


def rehearse(program: Program) -> None:
    """Go through the start of a child, its first beats and its end, without the user's functions."""
    program.has_plugins  # noqa: B018  remembered from now on
    quiet = Program(entrypoint=_entrypoint, prewarm=None, registry=PluginRegistry())
    disabled = logging.root.manager.disable
    try:
        for round_number in range(ROUNDS):
            ours, theirs = socket.socketpair()
            side_ours, side_theirs = socket.socketpair()
            with ours, theirs, side_ours, side_theirs:
                _one_fork()
                logging.disable(disabled)
                _one_line(SideWriter(side_theirs))
                logging.disable(logging.CRITICAL)
                _one_life(quiet, round_number, theirs, side_theirs)
    finally:
        logging.disable(disabled)


async def rehearse_job(init: Initialize) -> None:
    """Go through a job's start in a warm process, so that the pages that it writes to are its own when a job comes.

    These copies are what a start takes longest with: 1 MB of them. So only the process that gets the next job does
    this, and the others stay as light as they are.
    """
    start = decode_to_child(encode(StartJob(spec=_spec())))
    assert isinstance(start, StartJob)
    with in_silence():
        runner = JobRunner(
            start.spec,
            process=JobProcess(),
            entrypoint=_entrypoint,
            host=ChildHost(_encoded),
            shutdown_seconds=init.shutdown_seconds,
        )
        await runner.rehearse()


def _one_life(program: Program, number: int, channel: socket.socket, side_socket: socket.socket) -> None:
    init = decode_to_child(
        encode(Initialize(executor_id=number, worker_pid=os.getpid(), beat_seconds=1, shutdown_seconds=1))
    )
    assert isinstance(init, Initialize)
    side = SideWriter(side_socket)
    pulse = Pulse(side=side, channel=channel, worker_pid=os.getpid(), beat_seconds=1.0, listener=_Nobody())
    side.send(Phase(name="rehearsal"))
    thread = threading.Thread(target=pulse.beat, daemon=True)
    thread.start()
    thread.join()
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(_serve(program, init, pulse, side, channel))
    finally:
        loop.close()


def _one_fork() -> None:
    """Do what Python does in a forked process, and what a child does first: here it changes nothing."""
    for module, name in ((threading, "_after_fork"), (logging, "_after_at_fork_child_reinit_locks")):
        after_fork = getattr(module, name, None)
        if after_fork is not None:
            after_fork()
    if hasattr(signal, "pthread_sigmask"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a zygote has it
        signal.pthread_sigmask(signal.SIG_BLOCK, ())


def _one_line(side: SideWriter) -> None:
    """Log one line as a child does, with a logger that nobody else has."""
    handler = SideHandler()
    handler.side = side
    rehearsed = logging.Logger("rehearsal", logging.DEBUG)  # noqa: LOG001  known to nobody
    rehearsed.addHandler(handler)
    rehearsed.debug("rehearsed %s", "once", extra={"number": 1})


async def _serve(program: Program, init: Initialize, pulse: Pulse, side: SideWriter, channel: socket.socket) -> None:
    pulse.watch_loop(asyncio.get_running_loop())
    duplicate = channel.dup()
    stream: StreamChannel[ToChild] = StreamChannel(decode_to_child, _ignore, _ended)
    child = JobChild(program, init, send=stream.send, send_now=side.send)
    await stream.open(duplicate)
    pulse.beat()
    await _one_job(child)
    with suppress(ProtocolError):
        decode_from_child(b"")
    stream.close()
    await asyncio.sleep(0)


async def _one_job(child: JobChild) -> None:
    serving = asyncio.get_running_loop().create_task(child.serve(), name="lk-rehearsal")
    await asyncio.sleep(0)
    child.receive(decode_to_child(encode(StartJob(spec=_spec()))))
    for _ in range(LOOP_ROUNDS):
        await asyncio.sleep(0)
        child.receive(decode_to_child(encode(EndReported())))
    child.receive(decode_to_child(encode(Stop(reason="rehearsal", grace_seconds=0))))
    await serving


async def _entrypoint(ctx: JobContext) -> None:
    """End at once, as a job does by itself."""
    ctx.shutdown("the rehearsal is over")


def _spec() -> JobSpec:
    from livekit.protocol.agent import Job

    job = Job(id="AJ_rehearsal")
    job.room.name = "rehearsal"
    accept = AcceptArguments(identity="rehearsal")
    return JobSpec(job_id=job.id, job=job.SerializeToString(), url="ws://", token="", worker_id="", accept=accept)


def _encoded(message: FromChild) -> None:
    """Take a message as far as it goes without a socket."""
    encode(message)


def _ignore(_: ToChild | FromChild) -> None:
    """Nobody speaks."""


def _ended(_: ProtocolError | None) -> None:
    """The rehearsal closes it by itself."""


class _Nobody:
    def panicked(self) -> None:
        """Nothing panics."""

    def orphaned(self) -> None:
        """The worker is this process."""

    def terminated(self) -> None:
        """Nobody signals."""
