"""Callbacks, judges and surroundings that behave as nobody should."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from lk_agents.foundation.errors import ConfigError
from lk_agents.llm import ChatContext
from lk_agents.testing import MemorySessionIO
from lk_agents.testing.providers import Heard, ScriptedTTS
from lk_agents.testing.session import ScriptedCall
from lk_agents.turns import Decision, Evidence, InstantInterruption, InterruptionStrategy

MakeCall = Callable[..., ScriptedCall]
HELLO = Heard("Hello there", 1.0, 2.0)
LONG = " ".join(["All of this takes its time to be said."] * 10)
TALKING = Heard(" ".join(["words"] * 40), 5.0, 15.0)
"""Somebody who goes on and on, with an interim for each word."""


class Slow(InterruptionStrategy):
    """Says always the same, after a while."""

    def __init__(self, seconds: float, says: Any = Decision.ACT) -> None:
        self.seconds, self.says = seconds, says

    async def judge(self, evidence: Evidence) -> Decision:
        await asyncio.sleep(self.seconds)
        if isinstance(self.says, Exception):
            raise self.says
        answer: Decision = self.says
        return answer


@pytest.mark.parametrize("seconds", [0.2, 0.5, 0.9, 60.0])
async def test_a_slow_strategy_is_waited_for_no_longer_than_a_second(lk_session: MakeCall, seconds: float) -> None:
    call = await lk_session([HELLO, TALKING], [LONG, "Yes?"], interruption=Slow(seconds)).run(20)

    assert call.at("agent_stopped_speaking")[0] <= TALKING.start + 0.2 + min(seconds, 1.0) + 0.15


async def test_a_strategy_that_fails_counts_as_if_the_user_interrupted(lk_session: MakeCall) -> None:
    strategy = Slow(0.1, LookupError("no model"))
    call = await lk_session([HELLO, TALKING], [LONG, "Yes?"], interruption=strategy).run(20)

    assert call.at("agent_stopped_speaking")[0] <= TALKING.start + 0.5


async def test_a_strategy_that_ignores_lets_the_agent_speak(lk_session: MakeCall) -> None:
    call = await lk_session([HELLO, TALKING], [LONG], interruption=Slow(0.3, Decision.IGNORE)).run(40)

    assert call.heard() == [LONG]


@pytest.mark.parametrize("answer", [None, "act", 5, True])
async def test_an_answer_that_is_none_counts_as_if_the_user_interrupted(
    lk_session: MakeCall, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd(InstantInterruption):
        def judge_now(self, evidence: Evidence) -> Decision:
            decision: Decision = answer
            return decision

    call = await lk_session([HELLO, TALKING], [LONG, "Yes?"], interruption=Odd()).run(20)

    assert call.at("agent_stopped_speaking")[0] <= TALKING.start + 0.5
    assert "an interruption strategy failed" in caplog.text


async def test_an_agent_that_is_closed_in_mid_speech_is_seen_to_listen(lk_session: MakeCall) -> None:
    call = await lk_session([HELLO], [LONG]).run(4.0)

    assert call.agent.state == "listening"
    assert call.io.states[-1].state == "listening"


async def test_a_synthesizer_of_whole_texts_is_left_as_it_was(lk_session: MakeCall) -> None:
    tts = ScriptedTTS(streaming=False)
    seen: list[int] = []
    for _ in range(3):
        await lk_session([HELLO], ["Hello."], tts=tts).run(5.0)
        seen.append(sum(len(handlers) for handlers in tts._handlers.values()))

    assert seen == [0, 0, 0]


async def test_surroundings_that_never_start_do_not_hold_up_the_end(lk_session: MakeCall) -> None:
    class Stuck(MemorySessionIO):
        async def start(self, *, sample_rate: int, num_channels: int) -> None:
            await asyncio.sleep(3600)

    call = lk_session(io=Stuck())
    call.start()
    saying = asyncio.ensure_future(call.agent.say("Never."))
    await call.until(1.0)

    async with asyncio.timeout(2.0):
        await call.agent.aclose()
        with pytest.raises(RuntimeError, match="has ended"):
            await saying


async def _cancelled() -> None:
    task = asyncio.ensure_future(asyncio.sleep(60))
    task.cancel()
    await task


@pytest.mark.parametrize("where", ["before_llm_cb", "before_tts_cb"])
async def test_a_callback_that_awaits_what_was_cancelled_has_failed(lk_session: MakeCall, where: str) -> None:
    async def callback(_: object, __: ChatContext | Any) -> Any:
        await _cancelled()

    options: dict[str, Any] = {where: callback}
    call = await lk_session([HELLO], ["Hello."], **options).run(5.0)

    assert [error.stage for error in call.told("error")] == ["callback"]
    assert call.told("agent_state_changed")[-1] == "listening"


@pytest.mark.parametrize("where", ["before_llm_cb", "before_tts_cb"])
async def test_a_callback_that_fails_is_told_as_the_callback(
    lk_session: MakeCall, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    def callback(_: object, __: ChatContext | Any) -> Any:
        raise KeyError("a bug")

    options: dict[str, Any] = {where: callback}
    call = await lk_session([HELLO], ["Hello."], **options).run(5.0)

    assert [(error.stage, type(error.error)) for error in call.told("error")] == [("callback", KeyError)]
    logged = [vars(line) for line in caplog.records if line.message == "a speech has failed"]
    assert [(line["stage"], line["error"]) for line in logged] == [("callback", "KeyError")]


async def test_an_agent_says_whether_the_conversation_has_not_begun_or_has_ended(lk_session: MakeCall) -> None:
    call = lk_session([HELLO], ["Hello."])

    with pytest.raises(RuntimeError, match=r"not in a conversation: call start\(\) first"):
        await call.agent.say("Too early.")
    await call.run(1.0)
    with pytest.raises(RuntimeError, match="the conversation has ended"):
        await call.agent.say("Too late.")


async def test_an_event_that_does_not_exist_is_refused_with_those_that_do(lk_session: MakeCall) -> None:
    call = lk_session()

    with pytest.raises(ConfigError, match="VoicePipelineAgent has no event 'no_such_event'; it has user_started_speak"):
        call.agent.on("no_such_event", print)  # type: ignore[call-overload]
