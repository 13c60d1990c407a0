"""A prewarm function that raises, in a process and in a thread."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from tests.ipc import agents
from tests.ipc.pools import alive, job, processes, threads, until

from lk_agents.foundation.errors import ProcessStartError
from lk_agents.ipc.zygote import zygotes_work_here
from lk_agents.testing.conformance.pool_bench import PoolBench

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(40)]

WHY = "RuntimeError: the model is not there yet"


def check_what_is_told(bench: PoolBench) -> None:
    """Each failed start is told with the phase, the user's own error and where it was raised."""
    told = bench.lines("a process could not start")
    assert len(told) >= 3
    for record in map(vars, told):
        assert (record["phase"], record["error"]) == ("prewarm_fnc", WHY)
        assert "in raise_until" in record["traceback"]
    assert bench.lines("has to be ended") == [], "each ends by itself"
    assert not [line for line in bench.lines() if "InvalidState" in f"{line.getMessage()} {vars(line)}"]


@pytest.mark.skipif(not zygotes_work_here(), reason="zygotes need Linux 5.4 or newer")
async def test_x08_a_process_whose_prewarm_raises_exits_at_once_with_its_threads_and_the_error_is_told(
    tmp_path: Path,
) -> None:
    prewarm, file = agents.raise_with_a_thread, str(tmp_path / "model")
    async with processes(idle_target=1, prewarm=prewarm, user_arguments=file) as (bench, _):
        with pytest.raises(ProcessStartError, match=f"prewarm_fnc: {WHY}"):
            await bench.pool.submit(job("tell_facts"), deadline_seconds=20)
        await bench.empty()

        check_what_is_told(bench)
        pids = [vars(line)["pid"] for line in bench.lines("a process could not start")]
        assert alive(pids) == []
        assert "idle" not in bench.phases


async def test_x09_a_thread_whose_prewarm_raises_is_never_offered_as_ready_and_the_error_is_told(
    tmp_path: Path,
) -> None:
    file = tmp_path / "model"
    async with threads(idle_target=1, prewarm=agents.raise_until, user_arguments=str(file)) as bench:
        with pytest.raises(ProcessStartError, match=f"prewarm_fnc: {WHY}"):
            await bench.pool.submit(job("tell_facts"), deadline_seconds=20)

        check_what_is_told(bench)
        assert bench.phases <= {"starting", "stopping"}
        await until(lambda: not any(t.name.startswith("lk-job") for t in threading.enumerate()), "the threads' end")

        file.touch()
        await bench.warm()
        assert (await bench.run(job("tell_facts"))).outcome.success
