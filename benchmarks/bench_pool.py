"""What does a warm process cost, and how fast is one there?

Forks a zygote as ``lk-agents start`` does, warms three processes, and then takes a burst of 24 jobs that join no room.
Prints minimum, median and maximum over several runs, each in a process of its own:

    python benchmarks/bench_pool.py [RUNS]
"""

from __future__ import annotations

import asyncio
import json
import logging
import statistics
import subprocess
import sys
import time
from typing import Any

WARM, BURST = 3, 24
KIB = 1024
SETTLE_SECONDS = 6.0
"""Two beats and more: what a process touches only now and then is counted too."""


async def entrypoint(_ctx: Any) -> None:
    await asyncio.sleep(0.5)


class Listener:
    """Notes when jobs begin, and lets ended ones go."""

    def __init__(self) -> None:
        self.pool: Any = None
        self.begun: list[float] = []
        self.warm = asyncio.Event()

    def job_started(self, _spec: Any, _pid: int | None) -> None:
        self.begun.append(time.perf_counter())

    def job_ended(self, report: Any) -> None:
        self.pool.end_reported(report.spec.job_id)

    def pool_changed(self, snapshot: Any) -> None:
        if snapshot.count("idle") >= WARM:
            self.warm.set()


def job_spec(number: int) -> Any:
    from livekit.protocol.agent import Job

    from lk_agents.job.spec import AcceptArguments, JobSpec

    job = Job(id=f"AJ_{number:012d}")
    job.room.name = "nobody joins"
    accept = AcceptArguments(identity=f"agent-{number}")
    return JobSpec(job_id=job.id, job=job.SerializeToString(), url="ws://x", token="x", worker_id="AW_x", accept=accept)


async def measure(zygote: Any, config: Any, registry: Any, started: float) -> dict[str, float]:
    from lk_agents.ipc import build_pool
    from lk_agents.ipc.memory import private_kb, pss_kb

    listener = Listener()
    pool = listener.pool = build_pool(config, listener, executor="process", registry=registry, zygote=zygote)
    asked = time.perf_counter()
    await pool.start()
    await listener.warm.wait()
    warm = time.perf_counter()
    await asyncio.sleep(SETTLE_SECONDS)
    pids: list[Any] = [process.pid for process in pool.snapshot().processes]
    private = [private_kb(pid) for pid in pids]
    shared = sum(pss_kb(pid) for pid in [*pids, "self", zygote.pid])
    burst = time.perf_counter()
    await asyncio.gather(*[pool.submit(job_spec(number), deadline_seconds=30) for number in range(BURST)])
    waits = sorted(at - burst for at in listener.begun)
    await pool.aclose()
    return {
        "start to three warm, s": warm - started,
        "one warm process after the request, ms": (warm - asked) * 1000 / WARM,
        "idle process, private MB": statistics.median(private) * KIB / 1e6,
        "worker + zygote + 3 warm, PSS MB": shared * KIB / 1e6,
        f"{BURST} jobs at once, p50 to entrypoint, s": waits[len(waits) // 2],
        f"{BURST} jobs at once, p95 to entrypoint, s": waits[int(len(waits) * 0.95)],
    }


def once() -> None:
    """One run: prints its figures as JSON."""
    started = time.perf_counter()
    logging.disable(logging.CRITICAL)
    import aiohttp  # noqa: F401  what a worker has loaded when it forks
    import livekit.protocol.agent  # noqa: F401

    from lk_agents.hooks.registry import PluginRegistry
    from lk_agents.ipc import PoolConfig, build_program
    from lk_agents.ipc.zygote import fork_zygote

    registry = PluginRegistry.load()
    registry.decide_in_use()
    config = PoolConfig(entrypoint=entrypoint, idle_target=WARM)
    zygote = fork_zygote(build_program(config, registry))
    print(json.dumps(asyncio.run(measure(zygote, config, registry, started))))


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    results = []
    for number in range(runs):
        print(f"run {number + 1} of {runs}", file=sys.stderr)
        done = subprocess.run([sys.executable, __file__, "--once"], check=True, capture_output=True, text=True)
        results.append(json.loads(done.stdout))
    print(f"{'':48}{'min':>9}{'median':>9}{'max':>9}")
    for name in results[0]:
        values = [result[name] for result in results]
        print(f"{name:48}{min(values):9.2f}{statistics.median(values):9.2f}{max(values):9.2f}")


if __name__ == "__main__":
    once() if "--once" in sys.argv else main()
