"""What a process logs, and what its lines carry, on their way to the worker."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from tests.ipc import agents
from tests.ipc.pools import LIMITS, job, processes, program_of
from tests.ipc.sets_up_logging import SetsUpLogging

from lk_agents.ipc.child_logs import SideHandler
from lk_agents.ipc.messages import LogLine
from lk_agents.ipc.pool import PoolConfig
from lk_agents.ipc.process import ZygoteLauncher
from lk_agents.ipc.zygote import zygotes_work_here
from lk_agents.testing.conformance.pool_bench import PoolBench

needs_zygote = pytest.mark.skipif(not zygotes_work_here(), reason="zygotes need Linux 5.4 or newer")


class Sent:
    def __init__(self) -> None:
        self.lines: list[LogLine] = []

    def send(self, message: LogLine, *, level: int) -> None:
        self.lines.append(message)


def test_a_line_carries_the_fields_of_its_process_and_its_own_count_first() -> None:
    handler, sent = SideHandler(), Sent()
    handler.side = sent
    handler.fields = lambda: {"room_name": "kitchen", "call": "7", "message": "no field", "_hidden": 1}

    handler.handle(logging.makeLogRecord({"name": "user", "msg": "hello", "call": "8"}))

    (line,) = sent.lines
    assert line.text == "hello"
    assert line.extras == {"room_name": "kitchen", "call": "8"}


@needs_zygote
@pytest.mark.e2e
async def test_every_line_of_a_job_carries_its_room_and_what_the_job_adds() -> None:
    async with processes() as (bench, _):
        await bench.run(job("log_with_fields", fields={"call": "7"}))
        (before,) = bench.lines("before", logger="tests.ipc.user")
        (after,) = bench.lines("after", logger="tests.ipc.user")
        (from_thread,) = bench.lines("thread", logger="tests.ipc.user")

        assert {"room_name", "job_id"} <= vars(before).keys()
        assert not hasattr(before, "call")
        assert vars(after)["call"] == vars(from_thread)["call"] == "7"


@needs_zygote
@pytest.mark.e2e
async def test_logging_that_is_set_up_in_a_process_by_the_users_file_stays_the_workers() -> None:
    program = replace(program_of(user_arguments=SetsUpLogging()), preload=False)
    config = PoolConfig(entrypoint=agents.entrypoint)
    bench = PoolBench(config, ZygoteLauncher(program), limits=LIMITS)
    async with bench.open():
        await bench.run(job("log_with_fields", fields={}))

        (line,) = bench.lines("before", logger="tests.ipc.user")
        assert vars(line)["job_id"]
