"""What the tests of whole calls share: lines of what happens, voices whose words take equally long, functions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from lk_agents.foundation.types import APIConnectOptions
from lk_agents.llm import ChatContext, ChatMessage, FunctionContext, TypeInfo, ai_callable
from lk_agents.testing.providers import ScriptedLLM, ScriptedTTS
from lk_agents.testing.session import ScriptedCall
from lk_agents.tts import SynthesizeStream

MakeCall = Callable[..., ScriptedCall]

WINDOW = 0.032
"""Frames and the detector's windows; what the caller says begins and ends with one."""
ROUNDING = 0.002
"""The event loop wakes who waits for a moment up to one of its clock's ticks late, and audio ends between samples."""
NAMES = {
    "user_started_speaking": "user starts",
    "user_stopped_speaking": "user stops",
    "agent_started_speaking": "agent starts",
    "agent_stopped_speaking": "agent stops",
    "user_speech_committed": "user said",
    "agent_speech_committed": "agent said",
    "agent_speech_interrupted": "agent was cut",
    "function_calls_collected": "calls",
    "function_calls_finished": "called",
    "agent_state_changed": "state",
    "dead_air": "dead air",
    "error": "error",
}


class Functions(FunctionContext):
    """A function that takes its time.

    :param seconds: how long.
    """

    def __init__(self, seconds: float = 1.0) -> None:
        self.seconds = seconds
        self.began: list[str] = []
        self.ran: list[str] = []
        super().__init__()

    @ai_callable()
    async def weather(self, place: Annotated[str, TypeInfo("where")]) -> str:
        """Look at the weather."""
        self.began.append(place)
        await asyncio.sleep(self.seconds)
        self.ran.append(place)
        return f"sunny in {place}"


class PromptTTS(ScriptedTTS):
    """Speaks each piece of text as soon as it has it, instead of all of them at the end."""

    def stream(self, *, conn_options: APIConnectOptions | None = None) -> SynthesizeStream:
        stream = super().stream(conn_options=conn_options)
        push_text = stream.push_text

        def push_and_flush(token: str) -> None:
            push_text(token)
            stream.flush()

        stream.push_text = push_and_flush  # type: ignore[method-assign]
        return stream


def windows(count: int) -> float:
    """Return how long so many windows are."""
    return round(count * WINDOW, 6)


def lines(call: ScriptedCall, *, states: bool = False) -> list[tuple[float, str]]:
    """Return what has happened, as a table: when, and what in words; without measurements and the end.

    :param states: the agent's states, too.
    """
    told = [each for each in call.log if each.event in NAMES and (states or each.event != "agent_state_changed")]
    return [(each.at, f"{NAMES[each.event]}{_words(each.told)}") for each in told]


def happens(call: ScriptedCall, expected: list[tuple[float, str]], *, states: bool = False) -> None:
    """Check that exactly this has happened, in this order, at these times."""
    found = lines(call, states=states)
    assert [what for _, what in found] == [what for _, what in expected]
    for (at, what), (wanted, _) in zip(found, expected, strict=True):
        assert abs(at - wanted) <= ROUNDING, f"{what}: at {at}, and not at {wanted}"


def _words(told: Any) -> str:
    match told:
        case None:
            return ""
        case ChatMessage():
            return f": {told.content}"
        case str():
            return f": {told}"
        case list():
            return f": {', '.join(_name(each) for each in told)}"
        case _:
            return f": {told.stage}"


def _name(call: Any) -> str:
    info = getattr(call, "call_info", call)
    return str(info.function_info.name)


def model_of(call: ScriptedCall) -> ScriptedLLM:
    """Return the scripted model of a call."""
    llm = call.agent.llm
    assert isinstance(llm, ScriptedLLM)
    return llm


def asked(call: ScriptedCall, request: int = -1) -> list[str]:
    """Return what the model was shown with a request: each message as its role and its text."""
    return [f"{each.role}: {each.content}" for each in model_of(call).calls[request].messages]


def words_heard(tts: ScriptedTTS, text: str, seconds: float) -> int:
    """Return how many words of a text were heard up to their middle when so much of its audio was."""
    return sum((word.start_time + word.end_time) / 2 <= seconds + 1e-6 for word in tts.words_of(text))


def begun() -> ChatContext:
    """Return a conversation that has begun."""
    return ChatContext().append(text="Be kind.", role="system")
