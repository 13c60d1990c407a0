"""The tasks that belong to a job: named, watched, and cancelled when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from lk_agents.foundation.errors import JobError
from lk_agents.foundation.log import logger

if TYPE_CHECKING:
    from lk_agents.job.deadline import EndDeadline

__all__ = ["JobTasks", "TaskFailure", "say_unfinished", "start_contained"]

T = TypeVar("T")


@dataclass(frozen=True)
class TaskFailure:
    """A task of the job that failed.

    :param name: the task's name.
    :param error: what it raised.
    """

    name: str
    error: BaseException


def start_contained(work: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
    """Run ``work``, the user's code, as a task, and let no ``sys.exit()`` in it stop the whole event loop.

    The task raises :class:`JobError` instead of ``SystemExit`` and ``KeyboardInterrupt``.
    """
    task = asyncio.get_running_loop().create_task(_contained(work), name=name)
    task.add_done_callback(lambda _: work.close())  # else asyncio warns of work that was cancelled before it began
    return task


async def _contained(work: Coroutine[Any, Any, T]) -> T:
    try:
        return await work
    except (SystemExit, KeyboardInterrupt) as error:
        raise JobError(
            f"the job's code raised {error!r}; a job ends by ctx.shutdown() or by an ordinary exception"
        ) from error


def say_unfinished(tasks: Iterable[asyncio.Task[Any]], *, job_id: str) -> None:
    """Log each of ``tasks`` that has ignored its cancellation; the process's end will take it along."""
    for task in tasks:
        logger.error("a task ignores its cancellation", extra={"job_id": job_id, "task": task.get_name()})


class JobTasks:
    """The supervised tasks of one job.

    A failure is logged with the task's name and kept in :attr:`failures`; it ends neither the job nor other tasks.

    :param job_id: goes into every log line.
    """

    def __init__(self, job_id: str) -> None:
        self._job_id = job_id
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failures: list[TaskFailure] = []
        self._closed = False

    @property
    def failures(self) -> tuple[TaskFailure, ...]:
        """The tasks that failed so far, in order."""
        return tuple(self._failures)

    def start(self, work: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Start ``work`` as a task of the job.

        :raises JobError: the job is ending; ``work`` is closed.
        """
        if self._closed:
            work.close()
            raise JobError(f"task {name!r} cannot be started: the job is ending")
        task = start_contained(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._note_end)
        return task

    async def aclose(self, deadline: EndDeadline, *, at_most: float) -> None:
        """Take no more tasks, cancel those there are, and wait for them ``at_most`` seconds."""
        self._closed = True
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        say_unfinished(await deadline.wait(tasks, at_most=at_most), job_id=self._job_id)

    def cancel(self) -> None:
        """Take no more tasks and cancel those there are, without waiting."""
        self._closed = True
        for task in self._tasks:
            task.cancel()

    def _note_end(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self._failures.append(TaskFailure(task.get_name(), error))
            logger.error(
                "a task of the job failed", exc_info=error, extra={"job_id": self._job_id, "task": task.get_name()}
            )
