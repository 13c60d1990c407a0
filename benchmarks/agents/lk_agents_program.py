"""The agent under lk-agents."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.agents import work
from lk_agents import JobContext, JobProcess, JobRequest, WorkerOptions, cli


def prewarm(proc: JobProcess) -> None:
    work.prewarm(proc)


async def consider(request: JobRequest) -> None:
    await work.consider(request)


async def entrypoint(ctx: JobContext) -> None:
    await work.run(ctx)


class _Spy:
    """Stands before the pool's listener and notes when a process was asked for and when it was ready."""

    def __init__(self, listener: Any) -> None:
        self._listener = listener
        self._phases: dict[int, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listener, name)

    def pool_changed(self, snapshot: Any) -> None:
        for process in snapshot.processes:
            if self._phases.get(process.executor_id) != process.phase:
                self._phases[process.executor_id] = process.phase
                if event := {"starting": "forking", "idle": "ready"}.get(process.phase):
                    work.note(event, executor=process.executor_id)
        self._listener.pool_changed(snapshot)


def _spy_on_the_pool() -> None:
    from lk_agents import ipc

    build = ipc.build_pool

    def build_pool(config: Any, listener: Any, **options: Any) -> Any:
        return build(config, _Spy(listener), **options)

    ipc.build_pool = build_pool


if __name__ == "__main__":
    if work.SPY:
        _spy_on_the_pool()
    options = WorkerOptions(
        entrypoint,
        request_fnc=consider,
        prewarm_fnc=prewarm,
        agent_name=work.AGENT_NAME,
        num_idle_processes=work.WARM,
        host="127.0.0.1",
        port=0,
    )
    if not work.OWN_LOAD:
        options.load_fnc, options.load_threshold = work.no_load, math.inf
    cli.run_app(options)
