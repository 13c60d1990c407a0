"""Every kind of executor under the same tests."""

from __future__ import annotations

import os
import subprocess
import sys
from multiprocessing import resource_tracker
from pathlib import Path

import pytest

from lk_agents.ipc.launch import Launcher
from lk_agents.ipc.process import ZygoteLauncher
from lk_agents.ipc.program import Program
from lk_agents.ipc.spawn import SpawnLauncher
from lk_agents.ipc.thread import ThreadLauncher
from lk_agents.ipc.zygote import zygotes_work_here
from lk_agents.testing.conformance.executor import ExecutorConformance

needs_zygote = pytest.mark.skipif(not zygotes_work_here(), reason="zygotes need Linux 5.4 or newer")


@pytest.mark.e2e
class TestThreads(ExecutorConformance):
    own_process = False
    start_silence_seconds = 0.5

    def launcher(self, program: Program) -> Launcher:
        return ThreadLauncher(program)


@needs_zygote
@pytest.mark.e2e
class TestExecutedZygote(ExecutorConformance):
    start_silence_seconds = 1.0

    def launcher(self, program: Program) -> Launcher:
        return ZygoteLauncher(program)


@pytest.fixture(scope="class")
def _resource_tracker() -> None:
    """Start the process that multiprocessing starts with the first spawn and keeps until this one ends."""
    resource_tracker.ensure_running()


@pytest.mark.e2e
@pytest.mark.timeout(60)
@pytest.mark.usefixtures("_resource_tracker")
class TestSpawnedProcesses(ExecutorConformance):
    patience_seconds = 40.0

    def launcher(self, program: Program) -> Launcher:
        return SpawnLauncher(program)


@needs_zygote
@pytest.mark.e2e
@pytest.mark.timeout(120)
def test_processes_from_a_zygote_that_was_forked_before_any_loop() -> None:
    """In a process of its own: a fork needs one without threads, in which the media SDK was never used."""
    folder = Path(__file__).parent
    by_signal = ["-o", "timeout_method=signal"]  # the other method is a thread
    command = [sys.executable, "-m", "pytest", "-q", "--noconftest", *by_signal]
    done = subprocess.run(
        [*command, str(folder / "forked_conformance.py")],
        cwd=folder.parent.parent,
        env={**os.environ, "PYTHONPATH": str(folder.parent.parent)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
