"""What was typed into a notebook or a console is in no file: processes cannot load it, threads need not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TYPED = """
from lk_agents import JobExecutorType, Worker, WorkerOptions
from lk_agents.foundation.errors import ConfigError

async def entrypoint(ctx): ...

def prewarm(proc): ...

try:
    Worker(WorkerOptions({functions}, job_executor_type=JobExecutorType.{executor}, api_key="key", api_secret="secret"))
    print("works")
except ConfigError as error:
    print(error)
"""


def _typed(executor: str, functions: str, *, into: str) -> str:
    code = TYPED.format(executor=executor, functions=functions)
    command, text = ([sys.executable, "-c", code], "") if into == "-c" else ([sys.executable, "-"], code)
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("into", ["-c", "-"])
@pytest.mark.parametrize("executor", ["PROCESS", "SPAWN"])
def test_processes_refuse_it_with_the_remedy(executor: str, into: str) -> None:
    refused = _typed(executor, "entrypoint", into=into)

    assert refused.startswith("entrypoint_fnc is __main__.entrypoint, which is in no file")
    assert "put it into a module" in refused
    assert "JobExecutorType.THREAD" in refused


def test_the_prewarm_function_must_be_in_a_file_too() -> None:
    refused = _typed("PROCESS", "__import__('asyncio').sleep, prewarm_fnc=prewarm", into="-c")

    assert refused.startswith("prewarm_fnc is __main__.prewarm, which is in no file")


def test_threads_take_it() -> None:
    assert _typed("THREAD", "entrypoint, prewarm_fnc=prewarm", into="-c") == "works"


def test_a_file_that_changes_the_folder_is_still_found(tmp_path: Path) -> None:
    code = TYPED.format(executor="PROCESS", functions="entrypoint")
    (tmp_path / "agent.py").write_text(f"import os\nos.chdir('/')\n{code}")
    command = [sys.executable, "agent.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert done.stdout.strip() == "works", done.stderr
