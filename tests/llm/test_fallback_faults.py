"""A fault at each position of an answer: nothing is said twice, no call is lost, whatever stands between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.llm.scripted import FOREVER, ScriptedLLM, Step, calling, read_until_error, text, used, weather_call

from lk_agents.foundation.errors import APIConnectionError, APITimeoutError
from lk_agents.llm import LLM, ChatContext, FallbackAdapter
from lk_agents.testing import VirtualClock

CALLS = [weather_call("call_1"), weather_call("call_2")]
ANSWER: list[Step] = [
    text(None),
    text("One. "),
    calling(CALLS[0]),
    text(""),
    text("Two. "),
    calling(CALLS[1]),
    used(7),
]
FIRST_OUTPUT = 2
"""From this position on something of the answer has gone out."""

Behind = Callable[[list[LLM[Any]]], FallbackAdapter]


def one_adapter(members: list[LLM[Any]]) -> FallbackAdapter:
    return FallbackAdapter(members, max_retry_per_llm=1, attempt_timeout=3.0)


def nested_adapters(members: list[LLM[Any]]) -> FallbackAdapter:
    inner = FallbackAdapter(members[:1], max_retry_per_llm=1, attempt_timeout=3.0)
    return FallbackAdapter([inner, *members[1:]], max_retry_per_llm=0, attempt_timeout=9.0)


@pytest.mark.parametrize("behind", [one_adapter, nested_adapters])
@pytest.mark.parametrize("fault", [APIConnectionError("lost"), ValueError("a defect"), FOREVER])
@pytest.mark.parametrize("position", range(len(ANSWER) + 1))
async def test_a_fault_at_any_position(
    lk_clock: VirtualClock, behind: Behind, fault: Exception | float, position: int
) -> None:
    broken = ScriptedLLM([*ANSWER[:position], fault])
    good = ScriptedLLM(ANSWER)
    adapter = behind([broken, good])
    stream = adapter.chat(chat_ctx=ChatContext())
    said, error = await read_until_error(stream)
    await stream.aclose()
    await close(adapter)

    if position < FIRST_OUTPUT:
        assert error is None
        assert said == "One. Two. "
        assert stream.function_calls == CALLS
        assert len(good.asked_at) == 1
    else:
        assert type(error) is (APITimeoutError if isinstance(fault, float) else type(fault))
        assert said == "".join(["One. " if position > 1 else "", "Two. " if position > 4 else ""])
        assert stream.function_calls == [call for call, at in zip(CALLS, (2, 5), strict=True) if position > at]
        assert good.asked_at == []


async def close(adapter: FallbackAdapter) -> None:
    await adapter.aclose()
    for member in adapter._members:
        if isinstance(member, FallbackAdapter):
            await close(member)


@pytest.mark.parametrize("behind", [one_adapter, nested_adapters])
async def test_closing_at_any_moment_ends_everything(lk_clock: VirtualClock, behind: Behind) -> None:
    paced: list[Step] = [part for chunk in ANSWER for part in (1.0, chunk)]
    for moment in range(2 * len(ANSWER)):
        member = ScriptedLLM([FOREVER]) if moment % 2 else ScriptedLLM(paced)
        adapter = behind([member, ScriptedLLM(paced)])
        stream = adapter.chat(chat_ctx=ChatContext())
        await asyncio.sleep(moment / 2)
        await stream.aclose()
        await close(adapter)
        _, error = await read_until_error(stream)

        assert error is None
        assert {task for task in asyncio.all_tasks() if task.get_name().startswith("lk-")} == set()
