"""A call between a caller who follows a script and an agent: what each said, heard and did, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

from lk_agents.foundation import clock
from lk_agents.foundation.errors import ConfigError
from lk_agents.pipeline.agent import EventTypes, VoicePipelineAgent
from lk_agents.testing.providers.llm import Answer, ScriptedLLM
from lk_agents.testing.providers.speech import Heard, voice
from lk_agents.testing.providers.stt import ScriptedSTT
from lk_agents.testing.providers.tts import ScriptedTTS
from lk_agents.testing.providers.vad import ScriptedVAD
from lk_agents.testing.session_io import MemorySessionIO

__all__ = ["Called", "Happened", "ScriptedCall"]

FRAME_SECONDS: Final = 0.032
"""How the caller's voice comes: as in a room, in the windows of the detector."""
QUIET_SECONDS: Final = 10.0
"""How long a call goes on behind the caller's last word, by default."""


@dataclass(frozen=True)
class Happened:
    """An event of the agent.

    :param at: seconds since the call began.
    :param event: its name.
    :param told: what came with it; None for nothing.
    """

    at: float
    event: str
    told: Any = None


@dataclass(frozen=True)
class Called:
    """A function that the agent has called.

    :param output: what the conversation says came of it; None as long as nothing did.
    """

    name: str
    arguments: dict[str, Any]
    output: str | None


class ScriptedCall:
    """One call: the caller follows a script, the model answers from another one, and all that happens is written down.

    Providers may be given; the others follow the scripts. Needs a running event loop. Times are seconds since the call
    began, on the clock of the test, virtual or real.

    :param caller: what the caller says.
    :param answers: what the model says to it.
    :param io: the surroundings; in memory by default.
    :param streaming: whether the recogniser listens, or is given recordings.
    :param agent: builds the agent of the providers and ``options``; by default a ``VoicePipelineAgent``.
    :param options: of the agent, providers (``vad``, ``stt``, ``llm``, ``tts``) among them.
    """

    def __init__(
        self,
        caller: Sequence[Heard] = (),
        answers: Iterable[Answer | str] = (),
        *,
        io: MemorySessionIO | None = None,
        streaming: bool = True,
        agent: Callable[..., VoicePipelineAgent] | None = None,
        **options: Any,
    ) -> None:
        self.caller = tuple(caller)
        self.io = io or MemorySessionIO()
        providers: dict[str, Any] = {
            "vad": ScriptedVAD(self.caller),
            "stt": ScriptedSTT(self.caller, streaming=streaming, by_sound=streaming),
            "llm": ScriptedLLM(answers),
            "tts": ScriptedTTS(),
        }
        self.agent = (agent or VoicePipelineAgent)(**{**providers, **options})
        self.log: list[Happened] = []
        """Everything that the agent has told, in order."""
        self._began_at: float | None = None
        for event in get_args(EventTypes):
            self.agent.on(event, self._note(event))

    # --- holding it --------------------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Seconds since the call began."""
        return 0.0 if self._began_at is None else clock.monotonic() - self._began_at

    def start(self) -> None:
        """Let the call begin: the agent joins, and the caller speaks."""
        self._began_at = clock.monotonic()
        self.agent.start_with(self.io)
        if self.caller and self.io.voice is not None:
            heard = voice(self.caller, self._last_word() + QUIET_SECONDS, frame_seconds=FRAME_SECONDS)
            self.io.voice.feed(heard)

    async def until(self, at: float) -> None:
        """Let time pass until so many seconds since the call began."""
        await asyncio.sleep(max(at - self.now, 0.0))

    async def run(self, seconds: float | None = None) -> ScriptedCall:
        """Hold the whole call: begin it, if nobody has, let time pass, hang up. Returns itself.

        :param seconds: how long it is; by default until 10 s behind the caller's last word.
        """
        if self._began_at is None:
            self.start()
        await self.until(self._last_word() + QUIET_SECONDS if seconds is None else seconds)
        await self.aclose()
        return self

    async def aclose(self) -> None:
        """Hang up. Any number of times."""
        await self.agent.aclose()

    # --- what was said and done --------------------------------------------------------------------------------------

    def said(self) -> list[str]:
        """Return what the caller has said, as far as it is part of the conversation."""
        return [str(message.content) for message in self.agent.chat_ctx.messages if message.role == "user"]

    def heard(self) -> list[str]:
        """Return what the caller has heard of the agent, as the conversation says; ``"..."`` stands for a cut."""
        return [
            str(message.content)
            for message in self.agent.chat_ctx.messages
            if message.role == "assistant" and message.content
        ]

    def called(self) -> list[Called]:
        """Return the functions that the agent has called, as the conversation says."""
        messages = self.agent.chat_ctx.messages
        outputs = {each.tool_call_id: str(each.content) for each in messages if each.role == "tool"}
        return [
            Called(call.function_info.name, dict(call.arguments), outputs.get(call.tool_call_id))
            for message in messages
            for call in message.tool_calls or ()
        ]

    def at(self, event: str) -> list[float]:
        """Return when an event happened, each time, in seconds since the call began.

        :raises ConfigError: the agent has no such event.
        """
        if event not in get_args(EventTypes):
            raise ConfigError(f"an agent has no event {event!r}; it has {', '.join(get_args(EventTypes))}")
        return [each.at for each in self.log if each.event == event]

    def told(self, event: str) -> list[Any]:
        """Return what came with an event, each time."""
        self.at(event)
        return [each.told for each in self.log if each.event == event]

    def _note(self, event: str) -> Callable[..., None]:
        def note(*told: Any) -> None:
            self.log.append(Happened(round(self.now, 6), event, told[0] if told else None))

        return note

    def _last_word(self) -> float:
        return max((each.end for each in self.caller), default=0.0)
