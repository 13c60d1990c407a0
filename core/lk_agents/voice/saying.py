"""What the program says of itself: where it comes in line, and who else is told of it."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import TYPE_CHECKING

from lk_agents.foundation import clock
from lk_agents.foundation.log import logger
from lk_agents.llm.chat_context import ChatMessage
from lk_agents.llm.stream import LLMStream
from lk_agents.utils.aio import itertools
from lk_agents.voice.call_context import AgentCallContext
from lk_agents.voice.conversation import current_speech
from lk_agents.voice.signals import SpeechAdded, SpeechKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from livekit import rtc

    from lk_agents.voice.attention import Attention
    from lk_agents.voice.conversation import Talk
    from lk_agents.voice.live_speech import LiveSpeech
    from lk_agents.voice.speech_handle import SpeechHandle
    from lk_agents.voice.speeches import Speeches
    from lk_agents.voice.turn import TurnMachine
    from lk_agents.voice.utterance_production import RecordedAudio
    from lk_agents.voice.utterance_source import SpeechSource

__all__ = ["Saying"]


class Saying:
    """Puts what the program says in line.

    :param machine: knows who speaks.
    """

    def __init__(
        self,
        conversation: Talk,
        speeches: Speeches,
        attention: Attention,
        *,
        machine: TurnMachine,
        new_id: Callable[[], str],
    ) -> None:
        self._conversation = conversation
        self._speeches = speeches
        self._attention = attention
        self._machine = machine
        self._new_id = new_id

    async def say(
        self,
        source: SpeechSource,
        *,
        allow_interruptions: bool = True,
        add_to_chat_ctx: bool = True,
        audio: RecordedAudio | None = None,
    ) -> SpeechHandle:
        """Say something behind what is heard, and what that brings with it; returns once it is in line.

        In a function that a model has called, the model is shown it: pieces are read to their end before this returns.
        """
        context = self._call_context() if add_to_chat_ctx else None
        pieces: AsyncIterator[str] | None = None
        if context is not None and isinstance(source, AsyncIterable) and not isinstance(source, LLMStream):
            source, pieces = itertools.tee(source, 2)
        live = self._create(allow_interruptions=allow_interruptions, add_to_chat_ctx=add_to_chat_ctx)
        parent, first = self._place()
        self._begin(live, source, audio=audio, parent=parent, first=first)
        if context is not None:
            await _show_model(context, source, pieces)
        return live.handle

    def say_recorded(
        self, audio: Sequence[rtc.AudioFrame], *, under: str | None, allow_interruptions: bool
    ) -> SpeechHandle:
        """Say something that was recorded, before the audio of a speech, to bridge a silence; it is not remembered."""
        live = self._create(allow_interruptions=allow_interruptions, add_to_chat_ctx=False)
        live.is_filler = True
        self._begin(live, "", audio=audio, parent=under, first=True)
        return live.handle

    def _create(self, *, allow_interruptions: bool, add_to_chat_ctx: bool) -> LiveSpeech:
        return self._speeches.create(
            self._new_id(),
            SpeechKind.SAY,
            turn=self._machine.turn.number,
            allow_interruptions=allow_interruptions,
            add_to_chat_ctx=add_to_chat_ctx,
        )

    def _begin(
        self, live: LiveSpeech, source: SpeechSource, *, audio: RecordedAudio | None, parent: str | None, first: bool
    ) -> None:
        above = None if parent is None else self._speeches.get(parent)
        if above is not None:
            above.handle.add_nested_speech(live.handle)
        self._attention.due(live)
        self._speeches.speak(live, source, audio=audio)
        interruptible = live.handle.allow_interruptions
        self._conversation.post(
            SpeechAdded(clock.monotonic(), live.id, SpeechKind.SAY, interruptible, parent=parent, first=first)
        )

    def _place(self) -> tuple[str | None, bool]:
        """Return under which speech something goes that is said now, and whether before its audio."""
        within = current_speech(self._conversation)
        if within is not None and self._machine.floor.get(within) is not None:
            live = self._speeches.get(within)
            return within, live is not None and live.utterance is None
        active = self._machine.floor.active
        return (None if active is None else active.speech), False

    def _call_context(self) -> AgentCallContext | None:
        try:
            context = AgentCallContext.get_current()
        except LookupError:
            return None
        return context if context.agent is self._conversation.agent else None


async def _show_model(context: AgentCallContext, source: SpeechSource, pieces: AsyncIterator[str] | None) -> None:
    """Let the model know, when it is asked about the function, what was said meanwhile."""
    if isinstance(source, LLMStream):
        logger.warning("the model is not shown what a function says by another answer of a model")
        return
    text = source if isinstance(source, str) else ""
    if pieces is not None:
        text = "".join([piece async for piece in pieces])
    if text.strip():
        context.add_extra_chat_message(ChatMessage.create(text=text, role="assistant"))
