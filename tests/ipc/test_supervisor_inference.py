"""The supervisor's second kind of executor, scripted, in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.ipc.scripted import Diary, Script, ScriptedLauncher, fail_to_start

from lk_agents.ipc.messages import InferenceAsk
from lk_agents.ipc.pool import PoolConfig
from lk_agents.ipc.supervisor import Supervisor

pytestmark = pytest.mark.usefixtures("lk_clock")


async def entrypoint(ctx: Any) -> None:
    """Nobody calls it here."""


async def test_an_inference_process_that_cannot_start_does_not_hold_up_the_jobs() -> None:
    jobs, inference = ScriptedLauncher(), ScriptedLauncher(Script(born=fail_to_start))
    pool = Supervisor(PoolConfig(entrypoint=entrypoint, idle_target=1), jobs, Diary(), inference_launcher=inference)
    await pool.start()
    await asyncio.sleep(20)  # by now the inference process waits long for its next try
    jobs.script = Script(born=fail_to_start)
    jobs.handles[0].exit(-9)
    await asyncio.sleep(0.1)
    jobs.script = Script()
    await asyncio.sleep(1.2)

    assert pool.snapshot().count("idle") == 1
    await pool.kill(0)


async def test_x26_the_inference_process_is_restarted_and_its_callers_are_answered() -> None:
    inference = ScriptedLauncher()
    pool = Supervisor(PoolConfig(entrypoint=entrypoint), ScriptedLauncher(), Diary(), inference_launcher=inference)
    await pool.start()
    await asyncio.sleep(0.01)
    asking = asyncio.create_task(pool.do_inference("m", b"x"), name="ask")
    await asyncio.sleep(0.01)
    assert isinstance(inference.handles[0].sent[-1], InferenceAsk)

    inference.handles[0].exit(-11)
    with pytest.raises(Exception, match="m: the inference process is gone: it died"):
        await asking
    await asyncio.sleep(0.01)

    assert len(inference.handles) == 2
    await pool.kill(0)
