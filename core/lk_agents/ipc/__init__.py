"""The process pool: pure machine, supervisor, zygote, channels. Internal; only the package's name is public."""

from __future__ import annotations

from lk_agents.ipc.build import build_pool, build_program
from lk_agents.ipc.pool import JobPool, JobReport, PoolConfig, PoolListener, PoolSnapshot, ProcessSnapshot

__all__ = [
    "JobPool",
    "JobReport",
    "PoolConfig",
    "PoolListener",
    "PoolSnapshot",
    "ProcessSnapshot",
    "build_pool",
    "build_program",
]
