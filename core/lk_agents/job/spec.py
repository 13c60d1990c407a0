"""One job as plain data: what the worker hands to a process, and what comes back of it.

These records cross the process boundary as msgspec; nothing in them is code.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

__all__ = ["AcceptArguments", "Credentials", "EndCause", "JobOutcome", "JobSpec", "TimelineMark"]


class AcceptArguments(msgspec.Struct, frozen=True, kw_only=True):
    """How the agent presents itself in the room; the wire form of ``JobAcceptArguments``."""

    name: str = ""
    identity: str
    metadata: str = ""
    attributes: dict[str, str] = {}


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """Server credentials that were given in code, for ``ctx.api`` in the job's process."""

    api_key: str
    api_secret: str

    def __repr__(self) -> str:
        return f"Credentials(api_key={self.api_key!r}, api_secret='***')"


class JobSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a process needs to run one job.

    ``job`` is the server's ``livekit.protocol.agent.Job`` as serialised protobuf. Times are wall-clock seconds,
    0.0 where unknown. ``job_credentials="none"`` keeps ``ctx.api`` from using any credentials, also those of a
    process that happens to hold them (a thread of the worker).
    """

    job_id: str
    job: bytes
    url: str
    token: str
    worker_id: str
    accept: AcceptArguments
    fake_job: bool = False
    credentials: Credentials | None = None
    job_credentials: Literal["inherit", "none"] = "inherit"
    offered_at: float = 0.0
    accepted_at: float = 0.0
    assigned_at: float = 0.0

    def __repr__(self) -> str:
        return f"JobSpec(job_id={self.job_id!r}, url={self.url!r}, worker_id={self.worker_id!r}, token='***')"


class EndCause(StrEnum):
    """Why a job ended; the first cause wins and is kept."""

    RETURNED = "returned"
    """The entrypoint returned without ever having connected."""
    RAISED = "raised"
    """The entrypoint raised."""
    SHUTDOWN = "shutdown"
    """The job called ``ctx.shutdown()``."""
    ROOM_DISCONNECTED = "room_disconnected"
    """The room's connection ended."""
    ROOM_REPLACED = "room_replaced"
    """The room was closed and made anew before the job joined it."""
    STOPPED = "stopped"
    """The worker asked: termination by the server, drain limit, shutdown of the worker, memory."""
    WORKER_LOST = "worker_lost"
    """The worker's process is gone."""
    MEMORY = "memory"
    """The job's process, or the machine, came to its memory limit."""
    NATIVE_PANIC = "native_panic"
    """The native media library panicked."""
    PROCESS_LOST = "process_lost"
    """The process ended without telling: a signal, an exit, a limit. Only the worker reports this one."""


class JobOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a job ended.

    :param success: reported to the server as SUCCESS or FAILED.
    :param cause: the first thing that ended it.
    :param reason: the same in words: the reason given, or the error's type and text.
    :param detail: traceback or stacks, for logs and hooks; never sent to the server.
    """

    success: bool
    cause: EndCause
    reason: str = ""
    detail: str = ""


class TimelineMark(msgspec.Struct, frozen=True, kw_only=True):
    """One point of a job's timeline, such as ``entrypoint`` or ``connected``, in wall-clock seconds."""

    name: str
    at: float
