"""The agent under livekit-agents 1.8.9."""

from __future__ import annotations

import math
from typing import Any

from livekit.agents import AgentServer, JobContext, JobProcess, JobRequest, cli  # type: ignore[import-untyped]

from benchmarks.agents import work


def prewarm(proc: JobProcess) -> None:
    work.prewarm(proc)


async def consider(request: JobRequest) -> None:
    await work.consider(request)


# Without a threshold: with one it counts each accepted job that has not begun as a third of its capacity, and a burst
# would be refused for that.
LOAD: dict[str, Any] = {} if work.OWN_LOAD else {"load_fnc": work.no_load, "load_threshold": math.inf}
LIMITS: dict[str, Any] = {"shutdown_process_timeout": work.SHUTDOWN_SECONDS} if work.SHUTDOWN_SECONDS else {}
server = AgentServer(num_idle_processes=work.WARM, setup_fnc=prewarm, host="127.0.0.1", port=0, **LOAD, **LIMITS)


@server.rtc_session(agent_name=work.AGENT_NAME, on_request=consider)  # type: ignore[untyped-decorator]
async def entrypoint(ctx: JobContext) -> None:
    await work.run(ctx)


if __name__ == "__main__":
    if work.SPY:
        from benchmarks.agents import peer_spy

        peer_spy.install(AgentServer)
    cli.run_app(server)
