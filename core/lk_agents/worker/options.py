"""What a worker is told by its user: :class:`WorkerOptions` and the small types in it.

Options are plain data and can be pickled. What the environment and the mode (development, production) make of
them is decided in :mod:`lk_agents.worker.config`, which leaves the user's object as it is.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, unique
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar, cast

from lk_agents.foundation.log import logger
from lk_agents.job.process import JobExecutorType

if TYPE_CHECKING:
    from lk_agents.job.context import JobContext
    from lk_agents.job.process import JobProcess
    from lk_agents.job.request import JobRequest
    from lk_agents.worker.worker import Worker

__all__ = [
    "DEFAULT_WS_URL",
    "JobExecutorType",
    "WorkerOptions",
    "WorkerPermissions",
    "WorkerType",
    "default_load_fnc",
    "default_prewarm_fnc",
    "default_request_fnc",
]

T = TypeVar("T")


@unique
class WorkerType(Enum):
    """For what the server makes jobs; the values are the server's ``JobType`` numbers."""

    ROOM = 0
    """One job for each room."""
    PUBLISHER = 1
    """One job for each participant that publishes."""
    PARTICIPANT = 2
    """One job for each participant that joins."""


@dataclass(frozen=True)
class _WorkerEnvOption(Generic[T]):
    """A default that depends on the mode."""

    dev_default: T
    prod_default: T

    @staticmethod
    def getvalue(opt: T | _WorkerEnvOption[T], devmode: bool) -> T:
        """Return ``opt``, or what it holds for the mode."""
        if isinstance(opt, _WorkerEnvOption):
            return cast("T", opt.dev_default if devmode else opt.prod_default)
        return opt


@dataclass
class WorkerPermissions:
    """What the agent's participant may do in the room.

    :param can_publish_sources: ``TrackSource`` numbers it may publish; empty for all.
    """

    can_publish: bool = True
    can_subscribe: bool = True
    can_publish_data: bool = True
    can_update_metadata: bool = True
    can_publish_sources: list[int] = field(default_factory=list)
    hidden: bool = False


async def default_request_fnc(ctx: JobRequest) -> None:
    """Accept every job, under the default identity."""
    await ctx.accept()


def default_prewarm_fnc(proc: JobProcess) -> Any:  # noqa: ARG001  the signature is the public one
    """Prepare nothing."""
    return None


class _DefaultLoadCalc:
    """The default load signal, under the name that existing code calls."""

    @staticmethod
    def get_load(worker: Worker) -> float:
        """Return the CPU load of the machine or container, averaged over some seconds, in 0..1."""
        return worker.cpu_load


default_load_fnc = _DefaultLoadCalc.get_load
"""The CPU signal; ``WorkerOptions.load_fnc is default_load_fnc`` says that the user gave none."""


class _DefaultUrl(str):
    """A URL that nobody chose, so that ``LIVEKIT_URL`` can replace it; survives pickling."""

    __slots__ = ()


DEFAULT_WS_URL: Final[str] = _DefaultUrl("ws://localhost:7880")

_DEFAULT_EXECUTOR = JobExecutorType.THREAD if sys.platform.startswith("win") else JobExecutorType.PROCESS


@dataclass
class WorkerOptions:
    """All settings of a :class:`~lk_agents.worker.worker.Worker`. Seconds and megabytes throughout.

    :param entrypoint_fnc: coroutine function run for each job, in the job's process; must be findable by name.
    :param request_fnc: coroutine function that accepts or rejects an offered job, in the worker's process.
    :param prewarm_fnc: plain function run once in each job process before any job; must be findable by name.
    :param load_fnc: plain function, with the worker or without parameters, that returns the load in 0..1; called
        in a thread. Replaces the CPU signal; hooks may add further signals, the highest counts.
    :param job_executor_type: process (thread on Windows), thread, or spawn.
    :param load_threshold: the load from which the worker says that it is full; never full in development.
    :param job_memory_warn_mb: a job process above it is warned about; 0 = off.
    :param job_memory_limit_mb: a job process above it is ended; 0 = off.
    :param num_idle_processes: warm processes kept; none in development, 3 in production.
    :param shutdown_process_timeout: how long a job may take to end.
    :param initialize_process_timeout: the longest time a starting process may show no progress.
    :param permissions: what the agent's participant may do.
    :param agent_name: with a name the worker gets only jobs that are dispatched to that name.
    :param worker_type: for what the server makes jobs.
    :param max_retry: failed reconnects in a row before an idle worker gives up, never within the first minute.
    :param ws_url: server; left alone, ``LIVEKIT_URL`` if that is set.
    :param api_key: ``LIVEKIT_API_KEY`` by default.
    :param api_secret: ``LIVEKIT_API_SECRET`` by default.
    :param host: address of the health endpoint; empty = all interfaces, in development the loopback.
    :param port: port of the health endpoint; any free one in development, 8081 in production.
    :param max_jobs: never more jobs than this at a time, counted from the moment the server asks; None = no cap.
    :param plugins: plugins in use although nothing imports them: names, or objects with hook functions.
    :param preload_app: whether processes are forked with the user's module loaded.
    :param job_credentials: ``"inherit"``, or ``"none"`` to keep key and secret out of the jobs' processes.
    :param request_timeout: how long filters and ``request_fnc`` may take to answer; then the job is rejected.
    :param job_user_arguments: what ``JobProcess.user_arguments`` gives in each process; must be picklable.
    """

    entrypoint_fnc: Callable[[JobContext], Awaitable[None]]
    request_fnc: Callable[[JobRequest], Awaitable[None]] = default_request_fnc
    prewarm_fnc: Callable[[JobProcess], Any] = default_prewarm_fnc
    load_fnc: Callable[[Worker], float] | Callable[[], float] = default_load_fnc
    job_executor_type: JobExecutorType = _DEFAULT_EXECUTOR
    load_threshold: float | _WorkerEnvOption[float] = _WorkerEnvOption(dev_default=math.inf, prod_default=0.75)
    job_memory_warn_mb: float = 300
    job_memory_limit_mb: float = 0
    num_idle_processes: int | _WorkerEnvOption[int] = _WorkerEnvOption(dev_default=0, prod_default=3)
    shutdown_process_timeout: float = 60.0
    initialize_process_timeout: float = 10.0
    permissions: WorkerPermissions = field(default_factory=WorkerPermissions)
    agent_name: str = ""
    worker_type: WorkerType = WorkerType.ROOM
    max_retry: int = 16
    ws_url: str | None = DEFAULT_WS_URL
    api_key: str | None = None
    api_secret: str | None = field(default=None, repr=False)
    host: str = ""
    port: int | _WorkerEnvOption[int] = _WorkerEnvOption(dev_default=0, prod_default=8081)
    max_jobs: int | None = None
    plugins: Sequence[str | object] | None = None
    preload_app: bool = True
    job_credentials: Literal["inherit", "none"] = "inherit"
    request_timeout: float = 1.5
    job_user_arguments: Any = None

    def validate_config(self, devmode: bool) -> None:
        """Warn, once, of what works and is hardly meant.

        That is a threshold that a production worker's load can never reach, and credentials that are to be kept from
        jobs that run in the worker's own memory.
        """
        if self.job_credentials == "none" and self.job_executor_type is JobExecutorType.THREAD:
            logger.warning(
                "job_credentials keeps nothing from jobs in threads: they share the worker's memory and environment",
                extra={"job_credentials": self.job_credentials},
            )
        threshold = _WorkerEnvOption.getvalue(self.load_threshold, devmode)
        if threshold > 1 and not devmode:
            logger.warning(
                "load_threshold is above 1: the worker will never say that it is full",
                extra={"load_threshold": threshold},
            )
