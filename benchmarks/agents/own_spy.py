"""Has lk-agents note when the server's question came, when a process was asked for, and when it was ready."""

from __future__ import annotations

from typing import Any

from benchmarks.agents import work
from lk_agents import ipc
from lk_agents.worker.dispatch import Dispatcher

PHASES = {"starting": "forking", "idle": "ready"}


class _Watch:
    """Stands before the pool's listener and notes the processes' phases."""

    def __init__(self, listener: Any) -> None:
        self._listener = listener
        self._phases: dict[int, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listener, name)

    def pool_changed(self, snapshot: Any) -> None:
        """Note what has changed, and hand it on."""
        for process in snapshot.processes:
            if self._phases.get(process.executor_id) != process.phase:
                self._phases[process.executor_id] = process.phase
                if event := PHASES.get(process.phase):
                    work.note(event, executor=process.executor_id)
        self._listener.pool_changed(snapshot)


def install() -> None:
    """Watch every pool and dispatcher that this process makes from now on."""
    build, offered = ipc.build_pool, Dispatcher.offered

    def watched(config: Any, listener: Any, **options: Any) -> Any:
        return build(config, _Watch(listener), **options)

    def noting(dispatcher: Any, request: Any, session: int) -> None:
        work.note_later("offered", job=request.job.id)
        offered(dispatcher, request, session)

    ipc.build_pool = watched
    Dispatcher.offered = noting  # type: ignore[method-assign, assignment]
