"""The agent under livekit-agents 0.12.21."""

from __future__ import annotations

import math

from livekit.agents import JobContext, JobProcess, JobRequest, WorkerOptions, cli  # type: ignore[import-untyped]

from benchmarks.agents import work


def prewarm(proc: JobProcess) -> None:
    work.prewarm(proc)


async def consider(request: JobRequest) -> None:
    await work.consider(request)


async def entrypoint(ctx: JobContext) -> None:
    await work.run(ctx)


if __name__ == "__main__":
    if work.SPY:
        from livekit.agents import Worker

        from benchmarks.agents import peer_spy

        peer_spy.install(Worker)
    options = WorkerOptions(
        entrypoint_fnc=entrypoint,
        request_fnc=consider,
        prewarm_fnc=prewarm,
        agent_name=work.AGENT_NAME,
        num_idle_processes=work.WARM,
        host="127.0.0.1",
        port=0,
    )
    if not work.OWN_LOAD:
        options.load_fnc, options.load_threshold = work.no_load, math.inf
    if work.SHUTDOWN_SECONDS:
        options.shutdown_process_timeout = work.SHUTDOWN_SECONDS
    cli.run_app(options)
