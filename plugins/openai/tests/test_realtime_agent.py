"""The agent holds its conversations by this model: heard, cut at the sample, over several connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, get_args

import pytest
from realtime_bench import OPTIONS, RULES, VAD, Vendor, begun
from realtime_fake import World

from lk_agents.foundation import clock
from lk_agents.llm import ChatContext, FunctionContext, ai_callable
from lk_agents.multimodal import MultimodalAgent
from lk_agents.multimodal.agent import EventTypes
from lk_agents.realtime import RealtimeCapabilities, RealtimeModel
from lk_agents.testing.providers import ScriptedVAD
from lk_agents.testing.providers.realtime import RealtimeAnswer
from lk_agents.testing.providers.speech import Heard, voice
from lk_agents.testing.session_io import MemorySessionIO
from lk_agents_openai.realtime import RealtimeSession
from lk_agents_openai.realtime.options import SessionRules

pytestmark = pytest.mark.usefixtures("lk_no_leaks", "lk_clock")

RATE = 24_000
LONG = RealtimeAnswer(text="One two three four five six seven eight nine ten eleven twelve.", pace=4.0)
QUESTION = Heard("hello there", 1.0, 2.0)


class MemoryModel(RealtimeModel):
    """A model whose server is in memory."""

    def __init__(self, vendor: Vendor, opts: Any, rules: SessionRules) -> None:
        self.vendor = vendor
        self.opts = opts
        self.rules = rules
        self.made: list[RealtimeSession] = []

    @property
    def capabilities(self) -> RealtimeCapabilities:
        return RealtimeCapabilities(supports_truncate=True)

    def session(
        self, *, chat_ctx: ChatContext | None = None, fnc_ctx: FunctionContext | None = None
    ) -> RealtimeSession:
        self.made.append(begun(self.vendor, self.opts, chat_ctx=chat_ctx, functions=fnc_ctx, rules=self.rules))
        return self.made[-1]

    async def aclose(self) -> None:
        for session in self.made:
            await session.aclose()


class Call:
    """One conversation, and what has happened in it; moments are seconds since it began."""

    def __init__(self, vendor: Vendor, opts: Any, rules: SessionRules, **options: Any) -> None:
        self.vendor = vendor
        self.io = MemorySessionIO(voice_rate=RATE)
        self.agent = MultimodalAgent(model=MemoryModel(vendor, opts, rules), **options)
        self.log: list[tuple[float, str, Any]] = []
        self.began_at = clock.monotonic()
        for event in get_args(EventTypes):
            self.agent.on(event, self._note(event))

    def _note(self, event: str) -> Any:
        return lambda *told: self.log.append((self.now, event, told[0] if told else None))

    @property
    def now(self) -> float:
        return clock.monotonic() - self.began_at

    async def until(self, at: float) -> None:
        await asyncio.sleep(at - self.now)

    def told(self, event: str) -> list[Any]:
        return [told for _, name, told in self.log if name == event]

    def at(self, event: str) -> list[float]:
        return [at for at, name, _ in self.log if name == event]

    def conversation(self) -> list[tuple[str, Any]]:
        return [(each.role, each.content) for each in self.agent.chat_ctx_copy().messages]


@asynccontextmanager
async def call(
    answers: Sequence[RealtimeAnswer | str],
    caller: Sequence[Heard] = (QUESTION,),
    opts: Any = VAD,
    seconds: float = 12.0,
    rules: SessionRules = RULES,
    **options: Any,
) -> AsyncIterator[Call]:
    told = [RealtimeAnswer(text=each) if isinstance(each, str) else each for each in answers]
    vendor = Vendor(World(told, caller))
    held = Call(vendor, opts, rules, **options)
    held.agent.start_with(held.io)
    if caller:
        held.io.say(voice(caller, seconds, sample_rate=RATE))
    try:
        yield held
    finally:
        await held.agent.aclose()
        await vendor.aclose()


def shown(io: MemorySessionIO, participant: str) -> Iterable[str]:
    return [each.text for each in io.text.shown if each.participant == participant and each.final]


async def test_a_question_is_answered_aloud_and_both_are_shown() -> None:
    async with call(["Good day."]) as held:
        await held.until(6.0)

        assert held.told("user_speech_committed") == ["hello there"]
        assert held.told("agent_speech_committed") == ["Good day."]
        assert held.at("agent_started_speaking") == [pytest.approx(2.5, abs=0.05)]
        assert held.conversation() == [("user", "hello there"), ("assistant", "Good day.")]
        assert list(shown(held.io, "caller")) == ["hello there"]
        assert list(shown(held.io, "agent")) == ["Good day."]
        assert not held.told("error")


async def test_an_interrupted_answer_is_cut_at_the_millisecond_that_was_heard() -> None:
    caller = (QUESTION, Heard("stop it now", 4.0, 5.0))
    async with call([LONG, "I am quiet."], caller) as held:
        await held.until(8.0)
        (began, _), (stopped, _) = held.at("agent_started_speaking"), held.at("agent_stopped_speaking")
        (cut,) = held.told("agent_speech_interrupted")
        ((item, milliseconds),) = held.vendor.world.truncated

        assert cut.endswith("...")
        assert milliseconds == pytest.approx((stopped - began) * 1000, abs=25)
        said = {each.id: each.content for each in held.agent.chat_ctx_copy().messages}
        assert said[item] == cut
        assert held.told("agent_speech_committed") == ["I am quiet."]
        assert not held.told("error")


async def test_the_turn_of_a_user_whom_only_the_program_hears_is_answered() -> None:
    async with call(["Good day."], opts=OPTIONS, vad=ScriptedVAD()) as held:
        await held.until(6.0)

        assert held.told("user_speech_committed") == ["hello there"]
        assert held.told("agent_speech_committed") == ["Good day."]


async def test_push_to_talk_is_answered_when_the_program_says_so() -> None:
    async with call(["Good day."], opts=OPTIONS) as held:
        await held.until(4.0)
        assert not held.told("agent_started_speaking")
        held.agent.generate_reply()
        await held.until(7.0)

        assert held.told("user_speech_committed") == ["hello there"]
        assert held.told("agent_speech_committed") == ["Good day."]


async def test_an_answer_in_text_becomes_one_that_is_spoken() -> None:
    async with call([RealtimeAnswer(text="I write.", as_text=True), "I speak."]) as held:
        await held.until(6.0)

        assert held.told("agent_speech_committed") == ["I speak."]
        assert held.conversation() == [("user", "hello there"), ("assistant", "I speak.")]


async def test_what_a_function_has_found_is_told_behind_what_was_said_before() -> None:
    class Harbour(FunctionContext):
        @ai_callable(description="Looks.")
        async def find(self) -> str:
            return "it is here"

    calling = RealtimeAnswer(text="Let me look.", calls=[("find", {})])
    async with call([calling, "It is here."], fnc_ctx=Harbour()) as held:
        await held.until(8.0)

        assert held.told("agent_speech_committed") == ["Let me look.", "It is here."]
        starts, stops = held.at("agent_started_speaking"), held.at("agent_stopped_speaking")
        assert starts[1] >= stops[0]
        assert len(held.told("turn_finished")) == 1


async def test_a_question_to_which_the_connection_was_lost_is_answered_on_the_next_one() -> None:
    async with call([RealtimeAnswer(text="Never.", first_seconds=5.0), "Good day."]) as held:
        await held.until(3.0)
        held.vendor.socket.lose(1011)
        await held.until(8.0)

        assert len(held.told("reconnected")) == 1
        assert held.told("agent_speech_committed") == ["Good day."]
        assert held.vendor.world.line.texts() == [("user", "hello there"), ("assistant", "Good day.")]


async def test_what_was_heard_of_an_answer_whose_connection_was_lost_is_what_the_next_one_knows() -> None:
    caller = (QUESTION, Heard("stop it now", 4.0, 5.0))
    slow = RealtimeAnswer(text="One two three four five six seven eight nine ten.", pace=2.0)
    async with call([slow, "I am quiet."], caller) as held:
        await held.until(3.2)
        held.vendor.socket.lose(1011)
        await held.until(9.0)
        said = [text for role, text in held.vendor.world.line.texts() if role == "assistant"]

        heard = [*held.told("agent_speech_interrupted"), *held.told("agent_speech_committed")]
        assert said == heard
        assert said[-1] == "I am quiet."


async def test_what_the_user_was_saying_when_the_connection_was_lost_is_said_again_to_the_next_one() -> None:
    async with call(["Good day."]) as held:
        await held.until(1.6)
        held.vendor.socket.lose(1011)
        await held.until(7.0)

        assert held.told("user_speech_committed") == ["hello there"]
        assert held.told("agent_speech_committed") == ["Good day."]


@pytest.mark.parametrize("renew_seconds", [2.0 + number * 0.7 for number in range(8)])
async def test_wherever_the_connection_is_renewed_every_question_is_answered_once(renew_seconds: float) -> None:
    words = ("who", "is", "it", "there")
    starts = (1.0, 4.2, 6.9, 10.0)
    caller = [Heard(word, start, start + 0.6) for word, start in zip(words, starts, strict=True)]
    answers = [f"Answer {number}." for number in range(len(caller))]
    rules = replace(RULES, renew_seconds=renew_seconds)
    async with call(answers, caller, seconds=16.0, rules=rules) as held:
        held.vendor.connect_seconds = 0.3
        await held.until(15.0)

        assert len(held.vendor.sockets) > 1
        assert held.told("user_speech_committed") == list(words)
        assert held.told("agent_speech_committed") == answers
        assert held.conversation() == [
            pair
            for word, answer in zip(words, answers, strict=True)
            for pair in (("user", word), ("assistant", answer))
        ]
        assert not held.told("error")


async def test_a_call_of_two_hours_loses_no_word_and_answers_none_twice() -> None:
    """Questions of all kinds of moments around the renewals, each answered once."""
    moments = [10.0, 2_999.0, 3_001.2, 3_002.0, 5_998.6, 6_003.0, 7_000.0]
    caller = [Heard("well", at, at + 0.6) for at in moments]
    answers = [f"Answer {number}." for number in range(len(caller))]
    async with call(answers, caller[:1], seconds=2.0) as held:
        world = held.vendor.world
        world.caller = caller
        for number, question in enumerate(caller):
            await held.until(question.start)
            before = [Heard("x", 0.001 * index, 0.001 * index + 0.0005) for index in range(number)]  # too short to hear
            held.io.say(voice([*before, Heard("well", 0.1, 0.7)], 2.0, sample_rate=RATE))
        await held.until(7_010.0)

        assert held.told("reconnecting") == [None, None]
        assert held.told("agent_speech_committed") == answers
