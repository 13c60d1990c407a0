"""What a job at the console asks of the process around it: there is no worker and no server."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from lk_agents.foundation.errors import InferenceError
from lk_agents.foundation.log import logger

if TYPE_CHECKING:
    from lk_agents.hooks.registry import PluginRegistry
    from lk_agents.job.spec import EndCause, JobOutcome

__all__ = ["ConsoleHost"]


class ConsoleHost:
    """Stands in for a worker; a :class:`~lk_agents.job.host.JobHost`.

    Models that jobs of a worker share run in threads of this process, each loaded when it is first asked.
    """

    def __init__(self, registry: PluginRegistry) -> None:
        self._registry = registry
        self._runners: dict[str, Any] = {}
        self._turn = asyncio.Lock()

    def connect_permit(self) -> AbstractAsyncContextManager[None]:
        """Let it join at once."""
        return nullcontext()

    async def do_inference(self, method: str, data: bytes) -> bytes | None:
        """Have ``data`` answered by the runner of ``method``, one question at a time.

        :raises InferenceError: there is none, or it failed.
        """
        async with self._turn:
            try:
                if method not in self._runners:
                    self._runners[method] = await asyncio.to_thread(self._load, method)
                answer: bytes | None = await asyncio.to_thread(self._runners[method].run, data)
            except InferenceError:
                raise
            except Exception as error:
                raise InferenceError(f"{method}: {type(error).__name__}: {error}") from error
        return answer

    def mark(self, name: str) -> None:
        """Log the point of the job's timeline."""
        logger.debug("timeline", extra={"mark": name})

    def job_started(self) -> None:
        """Nobody waits for it."""

    def job_ending(self, cause: EndCause, reason: str) -> None:
        """Nobody waits for it."""

    async def job_ended(self, outcome: JobOutcome) -> None:
        """Return: there is no server to be told."""

    def _load(self, method: str) -> Any:
        from lk_agents.inference_runner import all_runners

        records = {record.method: record for record in all_runners(self._registry)}
        if method not in records:
            known = ", ".join(sorted(records)) or "none"
            raise InferenceError(f"there is no inference runner for {method!r}; there are: {known}")
        runner = records[method].build()
        runner.initialize()
        return runner
