"""A file whose ``run_app`` stands behind no ``__main__`` guard: whoever loads it anew starts no worker."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import psutil
import pytest

from lk_agents.cli.serve import FINE

if TYPE_CHECKING:
    from tests.cli.conftest import Bench

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

SOON = 30.0
UNGUARDED = """
from lk_agents import JobExecutorType
cli.run_app(WorkerOptions(entry, port=0, host="127.0.0.1", OPTIONS))
"""
LOADED_ANEW = {
    "by each process": "job_executor_type=JobExecutorType.SPAWN",
    "by the process that jobs are forked from": "job_credentials='none'",
    "by the one that takes its place": "",
}


@pytest.mark.parametrize("options", list(LOADED_ANEW.values()), ids=list(LOADED_ANEW))
@pytest.mark.parametrize("command", [("my_agent.py",), ("-m", "lk_agents")], ids=["python", "lk-agents"])
async def test_jobs_run_all_the_same(bench: Bench, command: tuple[str, ...], options: str) -> None:
    assert bench.server is not None
    bench.write(UNGUARDED.replace("OPTIONS", options))
    arguments = [*command, "start"] if command[0] == "my_agent.py" else [*command, "start", "my_agent.py"]
    async with bench.running(*arguments) as worker:
        await bench.server.wait_worker(seconds=SOON)
        if not options:
            (zygote,) = psutil.Process(worker.process.pid).children()
            assert zygote.name() == "lk-zygote"
            zygote.kill()
        dispatch = await bench.server.dispatch("the-room")
        await bench.until(lambda lines: bool(lines) and lines[0].startswith("job the-room"))
        worker.signal(signal.SIGTERM)
        await bench.server.workers[-1].terminate(dispatch.job.id)
        code, output = await worker.end()

    assert code == FINE, output
    assert "Traceback" not in output
    assert output.count('"starting worker"') == 1
