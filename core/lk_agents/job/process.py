"""The process (or thread) that a job runs in, as the user's code sees it."""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import Enum, unique
from typing import Any

__all__ = ["JobExecutorType", "JobProcess"]


@unique
class JobExecutorType(Enum):
    """What each job runs in."""

    PROCESS = "process"
    """A process of its own: forked from a warm one on Linux, spawned elsewhere. It can be killed, and has limits."""
    THREAD = "thread"
    """A thread of the worker with an event loop of its own: cheaper; it cannot be killed."""
    SPAWN = "spawn"
    """A process of its own, started from nothing on every platform."""


def _say_nothing(text: str) -> None:
    """Take a progress report that nobody waits for."""


class JobProcess:
    """The executor of a job: given to the prewarm function before any job, and to the job as ``ctx.proc``.

    :param user_arguments: what the worker's owner handed to every process.
    :param start_arguments: older name of the same; used if ``user_arguments`` is None.
    :param executor_type: what the job runs in.
    :param on_progress: called with the text of each :meth:`progress`.
    """

    def __init__(
        self,
        *,
        user_arguments: Any = None,
        start_arguments: Any = None,
        executor_type: JobExecutorType = JobExecutorType.PROCESS,
        on_progress: Callable[[str], None] = _say_nothing,
    ) -> None:
        self._user_arguments = start_arguments if user_arguments is None else user_arguments
        self._executor_type = executor_type
        self._on_progress = on_progress
        self._userdata: dict[str, Any] = {}

    @property
    def pid(self) -> int:
        """The id of this operating-system process; in a thread executor that is the worker's own."""
        return os.getpid()

    @property
    def userdata(self) -> dict[str, Any]:
        """A dictionary for what prewarm loads and jobs use; it lives as long as the executor."""
        return self._userdata

    @property
    def user_arguments(self) -> Any:
        """What the worker's owner handed to every process; None if nothing."""
        return self._user_arguments

    @property
    def start_arguments(self) -> Any:
        """Older name of :attr:`user_arguments`."""
        return self._user_arguments

    @property
    def executor_type(self) -> JobExecutorType:
        """What the job runs in."""
        return self._executor_type

    def progress(self, text: str) -> None:
        """Say what prewarm is doing now, such as ``"loading the model"``.

        A process that is starting may be silent only for ``initialize_process_timeout`` seconds: call this from a
        prewarm function that waits for something outside (a download, a device) for longer. The last text is in
        the error if the start fails all the same. After prewarm it does nothing.
        """
        self._on_progress(text)
