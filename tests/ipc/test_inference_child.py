"""The inside of the inference process, without a process."""

from __future__ import annotations

import asyncio
import threading

from lk_agents.hooks.records import InferenceRunnerRecord
from lk_agents.hooks.registry import PluginRegistry
from lk_agents.inference_runner import _InferenceRunner
from lk_agents.ipc.inference_child import QUEUE_LIMIT, InferenceChild
from lk_agents.ipc.messages import FromChild, InferenceAnswer, InferenceAsk, Stop
from lk_agents.ipc.program import Program

GATE = threading.Event()


class Slow(_InferenceRunner):
    INFERENCE_METHOD = "slow"

    def initialize(self) -> None: ...

    def run(self, data: bytes) -> bytes | None:
        GATE.wait(10)
        return data


async def entrypoint(ctx: object) -> None: ...


async def test_more_requests_than_the_bound_are_overload_whatever_the_worker_has_given_up() -> None:
    said: list[FromChild] = []
    runners = (InferenceRunnerRecord("slow", Slow),)
    program = Program(entrypoint=entrypoint, prewarm=None, registry=PluginRegistry(), runners=runners)
    child = InferenceChild(program, send=said.append, send_now=said.append)
    assert child.warm_up()
    serving = asyncio.create_task(child.serve())
    await asyncio.sleep(0)
    child.receive(InferenceAsk(request_id="first", method="slow", data=b""))
    await asyncio.sleep(0)

    for number in range(QUEUE_LIMIT + 1):
        child.receive(InferenceAsk(request_id=str(number), method="slow", data=b""))
    child.receive(Stop(reason="end of test", grace_seconds=1))
    refused = [answer for answer in said if isinstance(answer, InferenceAnswer)]
    GATE.set()
    await serving

    assert [(answer.request_id, answer.overloaded) for answer in refused] == [(str(QUEUE_LIMIT), True)]
    assert sum(isinstance(answer, InferenceAnswer) for answer in said) == 1 + QUEUE_LIMIT + 1
