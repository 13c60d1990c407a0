"""What is measured in a conversation: the records of its providers, with the speech they belong to, and its own."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from lk_agents.foundation import clock
from lk_agents.metrics.publish import publish
from lk_agents.metrics.records import (
    LLMMetrics,
    PipelineEOUMetrics,
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
from lk_agents.voice.announce import turn_finished
from lk_agents.voice.conversation import current_speech
from lk_agents.voice.records import Outcome
from lk_agents.voice.signals import SpeechKind
from lk_agents.voice.speech_handle import SpeechOutcome
from lk_agents.voice.turn_span import KEPT_RECOGNITIONS, drop_turn_span, end_turn_span, write_recognitions
from lk_agents.voice.waterfall import dead_air_metrics, log_turn, turn_metrics

if TYPE_CHECKING:
    from lk_agents.metrics.records import AgentMetrics
    from lk_agents.voice.conversation import Conversation
    from lk_agents.voice.live_speech import LiveSpeech
    from lk_agents.voice.signals import TurnDecided
    from lk_agents.voice.watchdog import DeadAir

__all__ = ["Measuring"]

_OUTCOMES = {
    SpeechOutcome.FINISHED: Outcome.SPOKEN,
    SpeechOutcome.INTERRUPTED: Outcome.INTERRUPTED,
    SpeechOutcome.CANCELLED: Outcome.DROPPED,
    SpeechOutcome.FAILED: Outcome.FAILED,
    SpeechOutcome.EMPTY: Outcome.SILENT,
}


class Measuring:
    """Hands the records of the providers on as ``metrics_collected``, and adds those of the conversation.

    Records of a model and of a synthesizer count where they belong to a speech; another program may use the same ones.
    """

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._emit = conversation.emit
        providers = conversation.providers
        self._own: EventEmitter[Any] = EventEmitter()
        self._own.on("metrics_collected", self._tell)
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
        if command.last_speech_at is None:
            return
        transcription = 0.0 if command.last_final_at is None else command.last_final_at - command.last_speech_at
        self._publish(
            PipelineEOUMetrics(
                sequence_id=command.speech,
                timestamp=clock.wall_seconds(),
                end_of_utterance_delay=command.decided_at - command.last_speech_at,
                transcription_delay=max(transcription, 0.0),
            )
        )

    def speech_over(self, live: LiveSpeech) -> None:
        """A speech is over; the reply to a turn tells how the turn went."""
        if live.handle.kind is not SpeechKind.REPLY:
            return
        if not live.decided or live.waterfall is None:
            drop_turn_span(live.span)
            return
        outcome = live.handle.outcome
        assert outcome is not None
        utterance = live.utterance
        record = live.waterfall.finish(
            clock.monotonic(),
            _OUTCOMES[outcome],
            agent_characters=0 if utterance is None else len(utterance.full_text),
            heard_seconds=0.0 if utterance is None else utterance.played_seconds,
        )
        end_turn_span(live.span, record)
        log_turn(record)
        self._publish(turn_metrics(record))
        turn_finished(record)
        self._emit("turn_finished", record)

    def dead_air(self, alarm: DeadAir) -> None:
        """Nothing was heard."""
        self._publish(dead_air_metrics(alarm))

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

    def _publish(self, record: AgentMetrics) -> None:
        publish(self._own, record)

    def _tell(self, record: AgentMetrics) -> None:
        self._emit("metrics_collected", record)


def _as(kind: type[Any], record: Any, **more: Any) -> Any:
    return kind(**{each.name: getattr(record, each.name) for each in fields(record)}, **more)
