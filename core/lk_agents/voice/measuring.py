"""What is measured in a conversation: the records of its providers, with the speech they belong to, and its own."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from lk_agents.metrics.records import (
    LLMMetrics,
    PipelineLLMMetrics,
    PipelineSTTMetrics,
    PipelineTTSMetrics,
    PipelineVADMetrics,
    STTMetrics,
    TTSMetrics,
    VADMetrics,
)
from lk_agents.metrics.spans import keep_recognitions
from lk_agents.utils.events import EventEmitter
from lk_agents.voice.conversation import current_speech
from lk_agents.voice.turn_reports import TurnReports
from lk_agents.voice.turn_span import KEPT_RECOGNITIONS, write_recognitions

if TYPE_CHECKING:
    from lk_agents.metrics.records import AgentMetrics
    from lk_agents.voice.conversation import Conversation
    from lk_agents.voice.live_speech import LiveSpeech
    from lk_agents.voice.signals import TurnDecided

__all__ = ["Measuring"]


class Measuring(TurnReports):
    """Hands the records of the providers on as ``metrics_collected``, and adds those of the conversation.

    Records of a model and of a synthesizer count where they belong to a speech; another program may use the same ones.
    """

    def __init__(self, conversation: Conversation) -> None:
        super().__init__(conversation.emit)
        self._conversation = conversation
        providers = conversation.providers
        self._sources: list[EventEmitter[Any]] = [providers.stt, providers.vad, providers.llm, providers.tts]
        for source in self._sources:
            source.on("metrics_collected", self._collected)
        self._stt_label = providers.stt.label
        self._recognitions: deque[STTMetrics] = deque(maxlen=KEPT_RECOGNITIONS)

    def begin(self, hearing: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """Begin to hear, and return the task: what is recognised in it belongs to the turn that is decided next."""
        with keep_recognitions(self._recognitions):
            return asyncio.get_running_loop().create_task(hearing, name=name)

    def decided(self, command: TurnDecided, live: LiveSpeech | None) -> None:
        """A turn is over: how long that took.

        :param live: the reply to it.
        """
        if live is not None:
            write_recognitions(live.span, command, self._recognitions, provider=self._stt_label)
        self.turn_decided(command)

    def close(self) -> None:
        """Hand nothing on any more. Any number of times."""
        for source in self._sources:
            source.off("metrics_collected", self._collected)
        self._sources = []

    def _collected(self, record: AgentMetrics) -> None:
        speech = current_speech(self._conversation)
        if isinstance(record, STTMetrics):
            self._tell(_as(PipelineSTTMetrics, record))
        elif isinstance(record, VADMetrics):
            self._tell(_as(PipelineVADMetrics, record))
        elif speech is not None and isinstance(record, LLMMetrics):
            self._tell(_as(PipelineLLMMetrics, record, sequence_id=speech))
        elif speech is not None and isinstance(record, TTSMetrics):
            self._tell(_as(PipelineTTSMetrics, record, sequence_id=speech))


def _as(kind: type[Any], record: Any, **more: Any) -> Any:
    return kind(**{each.name: getattr(record, each.name) for each in fields(record)}, **more)
