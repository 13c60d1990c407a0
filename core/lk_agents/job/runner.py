"""Runs one job from its record to its outcome."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from lk_agents.job.ending import JobLimits
from lk_agents.job.spec import EndCause, JobOutcome, JobSpec

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.hooks.registry import PluginRegistry
    from lk_agents.job.context import JobContext
    from lk_agents.job.host import JobHost
    from lk_agents.job.process import JobProcess

__all__ = ["JobRunner"]


class JobRunner:
    """Runs one job; build it on the job's event loop.

    :param spec: the job.
    :param process: the executor it runs in, prewarmed.
    :param entrypoint: the user's entrypoint.
    :param host: what the job asks of the process around it.
    :param registry: the plugins in use; None calls no hooks.
    :param shutdown_seconds: the longest end of the job, from its cause to having left the room.
    :param room_factory: builds the room object from the room's name; by default the real one.
    :param limits: the other limits.
    """

    def __init__(
        self,
        spec: JobSpec,
        *,
        process: JobProcess,
        entrypoint: Callable[[JobContext], Awaitable[None]],
        host: JobHost,
        registry: PluginRegistry | None = None,
        shutdown_seconds: float = 60.0,
        room_factory: Callable[[str], rtc.Room] | None = None,
        limits: JobLimits | None = None,
    ) -> None:
        raise NotImplementedError

    async def run(self) -> JobOutcome:
        """Run the job to its end; to be called once. Never raises for anything that the user's code does."""
        raise NotImplementedError

    def stop(self, reason: str, *, cause: EndCause = EndCause.STOPPED, grace_seconds: float | None = None) -> None:
        """Begin the end of the job, from its loop; the first cause wins.

        :param grace_seconds: the longest end from now on, if that is less than what is left of
            ``shutdown_seconds``; works also when the job is ending already.
        """
        raise NotImplementedError

    async def terminate(self, reason: str) -> bool:
        """Obey the server's termination of the job, unless it is void; return whether the job is ending.

        While the room is being joined it waits up to 3 s for that. A termination that comes within 10 s of a
        reconnect of a connected room is logged and ignored (False): the server sends one for the session that the
        reconnect replaced, and disconnects by itself whoever it really wants to go.
        """
        raise NotImplementedError
