"""What a conversation measures itself: how its turns went, and where nothing was heard."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lk_agents.foundation import clock
from lk_agents.metrics.publish import publish
from lk_agents.metrics.records import PipelineEOUMetrics
from lk_agents.utils.events import EventEmitter
from lk_agents.voice.announce import turn_finished
from lk_agents.voice.records import Outcome
from lk_agents.voice.signals import SpeechKind
from lk_agents.voice.speech_handle import SpeechOutcome
from lk_agents.voice.turn_span import drop_turn_span, end_turn_span
from lk_agents.voice.waterfall import dead_air_metrics, log_turn, turn_metrics

if TYPE_CHECKING:
    from lk_agents.metrics.records import AgentMetrics
    from lk_agents.voice.live_speech import LiveSpeech
    from lk_agents.voice.signals import TurnDecided
    from lk_agents.voice.watchdog import DeadAir

__all__ = ["TurnReports"]

_OUTCOMES = {
    SpeechOutcome.FINISHED: Outcome.SPOKEN,
    SpeechOutcome.INTERRUPTED: Outcome.INTERRUPTED,
    SpeechOutcome.CANCELLED: Outcome.DROPPED,
    SpeechOutcome.FAILED: Outcome.FAILED,
    SpeechOutcome.EMPTY: Outcome.SILENT,
}


class TurnReports:
    """Tells how turns went: to the program, to the plugins, to the log.

    :param emit: emits an event of the agent.
    """

    def __init__(self, emit: Callable[..., None]) -> None:
        self._emit = emit
        self._own: EventEmitter[Any] = EventEmitter()
        self._own.on("metrics_collected", self._tell)

    def turn_decided(self, command: TurnDecided) -> None:
        """A turn is over: how long that took."""
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

    def _publish(self, record: AgentMetrics) -> None:
        publish(self._own, record)

    def _tell(self, record: AgentMetrics) -> None:
        self._emit("metrics_collected", record)
