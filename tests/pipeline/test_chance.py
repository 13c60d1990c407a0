"""Calls by chance: callers, answers, functions, speeches of the program and interruptions, at any moment.

Every word of the agent is a sound of its own: each sample of it is the word's number. So what was played can be read
word by word, and compared with what the conversation says.
"""

from __future__ import annotations

import array
import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from tests.pipeline.calls import WINDOW, MakeCall

from lk_agents.llm import FunctionContext, LLMStream, ai_callable
from lk_agents.pipeline import SpeechHandle
from lk_agents.testing.providers import Answer, Heard, ScriptedLLM, ScriptedTTS
from lk_agents.testing.session import ScriptedCall

if TYPE_CHECKING:
    from livekit import rtc

pytestmark = pytest.mark.timeout(120)

SEEDS = range(24)
COMMITS = 1.5
"""A speech of which less was heard before it was cut is no part of the conversation."""
LAST = "that was all"
"""What the caller types at last. What was refused under an uninterruptible speech waits for the next turn: for this."""
QUIET = 60.0
"""So long before that nothing is begun any more: all that is being said comes to its end."""


class NumberedTTS(ScriptedTTS):
    """Speaks each word as a constant sound, which is its number; the spaces around it are part of it."""

    def __init__(self) -> None:
        super().__init__()
        self.words = [""]
        """By number; 0 is silence."""

    def _frames(self, seconds: float) -> Iterator[rtc.AudioFrame]:
        from livekit import rtc

        words = self.words_of(self.spoken[-1])
        ends = [round(each.start_time * self.sample_rate) for each in words[1:]] + [round(seconds * self.sample_rate)]
        for word, (start, end) in zip(words, itertools.pairwise([0, *ends]), strict=True):
            self.words.append(word.text.rstrip("."))
            sound = array.array("h", [len(self.words) - 1] * (end - start)).tobytes()
            yield rtc.AudioFrame(sound, self.sample_rate, 1, end - start)

    def read(self, sound: bytes) -> list[tuple[str, float]]:
        """Return the words of what was played, each with the seconds for which it was; silence is left out."""
        runs = ((number, len(list(run))) for number, run in itertools.groupby(memoryview(sound).cast("h")))
        return [(self.words[number], count / self.sample_rate) for number, count in runs if number]


class Functions(FunctionContext):
    """A function that takes as long as the model wants it to."""

    @ai_callable()
    async def act(self, seconds: float) -> str:
        """Do something."""
        await asyncio.sleep(seconds)
        return "done"


def text_of(speech: str, count: int) -> str:
    """Return a speech of so many words, which tell whose they are and where they stand; six make a sentence."""
    return " ".join(f"{speech}w{at}{'.' if at % 6 == 5 else ''}" for at in range(count))


def speech_of(word: str) -> str:
    return word.partition("w")[0]


class Model(ScriptedLLM):
    """Says something or nothing, and calls functions where there are any; to the last phrase always the same."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__(answers("a", chance, [0, 0, 0, 1, 2]))
        self.without_functions = ScriptedLLM(answers("b", chance, [0]))

    def chat(self, *, fnc_ctx: FunctionContext | None = None, **options: Any) -> LLMStream:
        if fnc_ctx is None:
            return self.without_functions.chat(**options)
        return super().chat(fnc_ctx=fnc_ctx, **options)


def answers(name: str, chance: random.Random, calls: list[int]) -> list[Answer]:
    """Return many answers of any length.

    :param calls: how many functions one may call.
    """
    by_chance = (
        Answer(
            text_of(f"{name}{number}", chance.choice([0, 2, 6, 20, 40])),
            calls=[("act", {"seconds": chance.choice([0.0, 0.3, 2.0])}) for _ in range(chance.choice(calls))],
            first_seconds=chance.choice([0.0, 0.0, 0.1, 0.5]),
            piece_seconds=chance.choice([0.0, 0.0, 0.02]),
        )
        for number in range(120)
    )
    return [Answer("bye", when=LAST), *by_chance]


def phrases(chance: random.Random) -> list[Heard]:
    """Return what the caller says; it begins and ends with windows of the detector."""
    found, at = [], 1.0
    for number in range(chance.randint(2, 8)):
        end = at + chance.choice([0.3, 0.6, 1.0, 2.0, 3.0])
        text = " ".join(f"u{number}w{word}" for word in range(chance.randint(1, 4)))
        found.append(_heard(text, at, end, final_seconds=chance.choice([0.05, 0.2, 0.6])))
        at = found[-1].end + chance.choice([0.1, 0.3, 0.6, 1.0, 2.5, 4.0])
    return found


def _heard(text: str, start: float, end: float, **options: Any) -> Heard:
    return Heard(text, round(start / WINDOW) * WINDOW, round(end / WINDOW) * WINDOW, **options)


@dataclass
class Held:
    """A call that was held: with its voice, and with what the program has said in it."""

    call: ScriptedCall
    tts: NumberedTTS
    said: list[SpeechHandle]

    def played(self) -> list[tuple[str, float]]:
        return self.tts.read(self.call.io.audio_out.played_audio)

    def remembered(self) -> list[str]:
        """Return the words of the agent that the conversation has."""
        words = (word.rstrip(".") for text in self.call.heard() for word in text.split())
        return [word for word in words if word]


async def hold(make: MakeCall, seed: int) -> Held:
    """Hold the call of a seed, until nothing more can happen in it, and hang up."""
    chance = random.Random(seed)
    caller, tts = phrases(chance), NumberedTTS()
    call = make(
        caller,
        llm=Model(chance),
        tts=tts,
        fnc_ctx=Functions(),
        streaming=chance.random() < 0.6,
        preemptive_synthesis=chance.random() < 0.3,
        allow_interruptions=chance.random() < 0.85,
        resume_false_interruption=chance.random() < 0.7,
        max_nested_fnc_calls=chance.choice([1, 2]),
        interrupt_min_words=chance.choice([0, 0, 2]),
    )
    held = Held(call, tts, [])
    call.start()
    while call.now < caller[-1].end + 5.0:
        await asyncio.sleep(chance.choice([0.2, 0.7, 1.5, 3.0]))
        match chance.choice(["say", "interrupt", "", "", "", "", "", ""]):
            case "say":
                text = text_of(f"s{len(held.said)}", chance.choice([1, 5, 15]))
                held.said.append(await call.agent.say(text, allow_interruptions=chance.random() < 0.7))
            case "interrupt":
                call.agent.interrupt(interrupt_all=chance.random() < 0.7)
    await asyncio.sleep(QUIET)
    assert call.agent.state == "listening"
    call.io.text.write(LAST)
    await asyncio.sleep(5.0)
    assert call.agent.state == "listening"
    await call.aclose()
    return held


@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_happens_the_conversation_is_what_was_said_and_heard(lk_session: MakeCall, seed: int) -> None:
    held = await hold(lk_session, seed)

    one_speech_at_a_time(held)
    history_is_what_was_played(held)
    nothing_the_caller_said_is_lost(held.call)
    every_call_has_one_output(held.call)
    nothing_is_left(held)
    assert held.call.heard()[-1] == "bye"


def one_speech_at_a_time(held: Held) -> None:
    """Check that no speech comes within another one, and that each has its words in their order."""
    words = [word for word, _ in held.played()]
    speeches = [speech for speech, _ in itertools.groupby(words, speech_of)]
    assert len(speeches) == len(set(speeches))
    for speech in speeches:
        places = [int(word.partition("w")[2] or 0) for word in words if speech_of(word) == speech]
        assert [place for place, _ in itertools.groupby(places)] == list(range(places[-1] + 1)), speech
    events = [each.event for each in held.call.log if each.event.startswith("agent_st") and "speaking" in each.event]
    assert events == ["agent_started_speaking", "agent_stopped_speaking"] * (len(events) // 2)


def history_is_what_was_played(held: Held) -> None:
    """Check that the conversation has of each speech what was heard of it, but for the word that was cut."""
    played: dict[str, float] = {}
    for word, seconds in held.played():
        played[word] = played.get(word, 0.0) + seconds
    remembered = held.remembered()
    assert len(remembered) == len(set(remembered))
    for speech, group in itertools.groupby(played, speech_of):
        words = list(group)
        kept = [word for word in remembered if speech_of(word) == speech]
        if kept:
            assert kept in (words, words[:-1])
        else:
            assert sum(played[word] for word in words) < COMMITS, f"{speech} was heard and is forgotten"
    assert set(remembered) <= set(played), "the conversation has what nobody heard"


def nothing_the_caller_said_is_lost(call: ScriptedCall) -> None:
    """Check that all phrases are part of the conversation, once and in their order."""
    assert " ".join(call.said()) == " ".join([*(phrase.text for phrase in call.caller), LAST])


def every_call_has_one_output(call: ScriptedCall) -> None:
    messages = call.agent.chat_ctx.messages
    asked = Counter(each.tool_call_id for message in messages for each in message.tool_calls or ())
    assert asked == Counter(each.tool_call_id for each in messages if each.role == "tool")
    assert set(asked.values()) <= {1}


def nothing_is_left(held: Held) -> None:
    assert [handle for handle in held.said if not handle.done] == []
    assert held.call.told("error") == []
    assert held.call.told("dead_air") == []
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("lk-")] == []


async def test_chance_has_tried_what_matters(lk_session: MakeCall) -> None:
    tried = Counter[str]()
    for seed in SEEDS[:8]:
        held = await hold(lk_session, seed)
        tried.update(each.event for each in held.call.log)
        tried.update(each.output or "" for each in held.call.called())
        tried["said"] += len(held.said)

    wanted = {"agent_speech_interrupted", "function_calls_finished", "said", "done", "user_speech_committed"}
    assert {each for each in wanted if not tried[each]} == set()
