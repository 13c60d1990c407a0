"""The span of a turn: from the user's last sample of speech to the end of the answer, its stages as events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lk_agents.metrics.spans import write_request
from lk_agents.utils.tracing import NO_SPAN, Span, begin_span, is_traced, wall_of, write_span
from lk_agents.voice.records import MARK_ORDER, Outcome

if TYPE_CHECKING:
    from collections import deque

    from lk_agents.metrics.records import STTMetrics
    from lk_agents.voice.records import TurnRecord
    from lk_agents.voice.signals import BeginReply, TurnDecided

__all__ = ["KEPT_RECOGNITIONS", "begin_turn_span", "drop_turn_span", "end_turn_span", "write_recognitions"]

KEPT_RECOGNITIONS = 16
"""How many recognitions may wait for their turn to be decided."""


def begin_turn_span(command: BeginReply, *, spoken_until: float | None) -> Span:
    """Return the span of a turn whose answer is begun, be it before the turn is decided.

    :param spoken_until: when the user's last sample of speech was spoken, as far as is known; None if there was none.
    """
    if not is_traced():
        return NO_SPAN
    return begin_span(
        "turn",
        at=None if spoken_until is None else wall_of(spoken_until),
        attributes={"turn": command.turn, "speech": command.speech},
    )


def write_recognitions(span: Span, command: TurnDecided, kept: deque[STTMetrics], *, provider: str) -> None:
    """Put into a turn that was decided what its transcript took.

    These are the recognitions of recordings since the turn before, or the time for which a live recogniser kept the
    turn waiting.

    :param kept: the recognitions, which are taken out of it.
    :param provider: the recogniser's label.
    """
    if not is_traced():
        return
    recordings = [*kept]
    kept.clear()
    for record in recordings:
        write_request(record, within=span)
    speech_at, final_at = command.last_speech_at, command.last_final_at
    if not recordings and speech_at is not None and final_at is not None and final_at > speech_at:
        write_span(
            "stt",
            began_at=wall_of(speech_at),
            ended_at=wall_of(final_at),
            within=span,
            attributes={"provider": provider, "live": True},
        )


def end_turn_span(span: Span, record: TurnRecord) -> None:
    """End the span of a turn that is over."""
    if span is NO_SPAN:
        return
    zero = record.timestamp - (record.ended or 0.0)
    for mark in MARK_ORDER:
        if (seconds := getattr(record, mark.value)) is not None:
            span.event(mark.value, at=zero + seconds)
    span.tell(
        outcome=record.outcome.value,
        from_speech=record.from_speech,
        tool_calls=record.tool_calls,
        heard_seconds=record.heard_seconds,
        first_played_seconds=record.first_played,
        dead_air=list(record.dead_air) or None,
    )
    if record.outcome is Outcome.FAILED:
        span.fail(Outcome.FAILED.value)
    span.end(at=record.timestamp)


def drop_turn_span(span: Span) -> None:
    """End the span of an answer that was begun before the turn was decided, and not used."""
    span.tell(outcome=Outcome.DROPPED.value)
    span.end()
