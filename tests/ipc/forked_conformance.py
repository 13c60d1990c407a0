"""Run by test_conformance.py, in a process of its own: executors from a zygote that is forked before any loop."""

from __future__ import annotations

from lk_agents.ipc.launch import Launcher
from lk_agents.ipc.process import ZygoteLauncher
from lk_agents.ipc.program import Program
from lk_agents.ipc.zygote import fork_zygote
from lk_agents.testing.conformance.executor import ExecutorConformance


class TestForkedZygote(ExecutorConformance):
    start_silence_seconds = 1.0

    def launcher(self, program: Program) -> Launcher:
        zygote = fork_zygote(program)
        assert zygote is not None, "a thread runs in this process"
        return ZygoteLauncher(program, zygote=zygote)
