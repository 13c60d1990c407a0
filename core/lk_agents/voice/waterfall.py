"""From the user's last sample of speech to the first frame that is heard: where the time of a turn goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lk_agents.foundation.clock import wall_seconds
from lk_agents.foundation.log import logger
from lk_agents.metrics.records import DeadAirMetrics, PipelineTurnMetrics
from lk_agents.voice.records import MARK_ORDER, Mark, Outcome, TurnRecord

if TYPE_CHECKING:
    from lk_agents.voice.watchdog import DeadAir

__all__ = ["Row", "Waterfall", "dead_air_metrics", "log_turn", "rows", "turn_metrics"]

DIGITS = 6
"""Of seconds, in records: differences of clock readings carry noise behind these."""


class Waterfall:
    """Collects the moments of one turn, and makes the record of it.

    All moments are seconds of ``foundation.clock.monotonic()``. It begins with the reply, which may be before the turn
    is decided; the answers that functions call for belong to the same turn.

    :param turn: counts the user's turns.
    :param speech: the id of the reply.
    :param user_characters: length of what the user said.
    """

    def __init__(self, *, turn: int, speech: str, user_characters: int = 0) -> None:
        self.turn = turn
        self.speech = speech
        self.user_characters = user_characters
        self._marks: dict[Mark, float] = {}
        self._last_speech_at: float | None = None
        self._tools_open = 0
        self._tools_began_at = 0.0
        self._tool_calls = 0
        self._tool_seconds = 0.0
        self._dead_air: list[str] = []

    def mark(self, mark: Mark, at: float) -> None:
        """Note that a stage was reached. The first time counts, but for the text: it is complete at the last time."""
        if mark is Mark.TEXT_COMPLETE:
            self._marks[mark] = at
        else:
            self._marks.setdefault(mark, at)

    def restarted(self) -> None:
        """The reply is generated anew, of which nothing was heard: what the stages of the model took, counts anew."""
        for mark in (Mark.LLM_REQUESTED, Mark.FIRST_TOKEN, Mark.FIRST_SENTENCE, Mark.FIRST_AUDIO, Mark.TEXT_COMPLETE):
            self._marks.pop(mark, None)

    def decided(self, decided_at: float, *, last_speech_at: float | None, last_final_at: float | None) -> None:
        """The turn is over. Decided again, since the user went on before the reply was heard, the last time counts.

        :param last_speech_at: when the last sample of speech was spoken; None if there was no speech.
        :param last_final_at: when the last text came; None if there was none.
        """
        self._last_speech_at = last_speech_at
        self._marks[Mark.DECISION] = decided_at
        self._marks.pop(Mark.FINAL_TEXT, None)
        if last_final_at is not None:
            self._marks[Mark.FINAL_TEXT] = last_final_at

    def tool_started(self, at: float) -> None:
        """A function begins; several may run at the same time."""
        if not self._tools_open:
            self._tools_began_at = at
        self._tools_open += 1
        self._tool_calls += 1

    def tool_finished(self, at: float) -> None:
        """A function has ended, however."""
        if not self._tools_open:
            return
        self._tools_open -= 1
        if not self._tools_open:
            self._tool_seconds += at - self._tools_began_at

    def dead_air(self, alarm: DeadAir) -> None:
        """Note an alarm of the watchdog about this turn."""
        self._dead_air.append(alarm.stage.value)

    def finish(
        self, at: float, outcome: Outcome, *, agent_characters: int = 0, heard_seconds: float = 0.0
    ) -> TurnRecord:
        """Return the record of the turn.

        :param at: when it ended; functions that still run are counted until here.
        :param agent_characters: length of what the agent was to say.
        :param heard_seconds: how much of it was heard.
        """
        running = at - self._tools_began_at if self._tools_open else 0.0
        return TurnRecord(
            turn=self.turn,
            speech=self.speech,
            timestamp=wall_seconds(),
            outcome=outcome,
            from_speech=self._last_speech_at is not None,
            user_characters=self.user_characters,
            agent_characters=agent_characters,
            heard_seconds=round(heard_seconds, DIGITS),
            tool_calls=self._tool_calls,
            tool_seconds=round(self._tool_seconds + running, DIGITS),
            dead_air=tuple(self._dead_air),
            **self._stages(at),
        )

    def _stages(self, at: float) -> dict[str, float]:
        zero = self._marks.get(Mark.DECISION, min(self._marks.values(), default=at))
        if self._last_speech_at is not None:
            zero = self._last_speech_at
        moments = {mark.value: moment for mark, moment in self._marks.items()} | {"ended": at}
        return {name: round(moment - zero, DIGITS) for name, moment in moments.items()}


@dataclass(frozen=True)
class Row:
    """One line of a turn's table.

    :param stage: what was reached.
    :param at_seconds: when, in seconds since the user's last sample of speech.
    :param took_seconds: how long after what was reached before it; 0 for what was done ahead.
    """

    stage: Mark
    at_seconds: float
    took_seconds: float


def rows(record: TurnRecord) -> list[Row]:
    """Return a turn as lines of a table: the stages that were reached, in their order; the durations add up to the end.

    A stage that was done ahead, while something before it was still waited for, took no time: what was waited for did.
    """
    found, latest = [], 0.0
    for mark in MARK_ORDER:
        moment: float | None = getattr(record, mark.value)
        if moment is None:
            continue
        found.append(Row(mark, moment, round(max(moment - latest, 0.0), DIGITS)))
        latest = max(latest, moment)
    return found


def log_turn(record: TurnRecord) -> None:
    """Write the line ``turn finished``, with the record as its extra fields; stages that were not reached are left out.

    The record's ``timestamp`` is left out as well, since the line has its own.
    """
    told = {name: value for name, value in record.to_dict().items() if value is not None and name != "timestamp"}
    logger.info("turn finished", extra=told)


def turn_metrics(record: TurnRecord) -> PipelineTurnMetrics:
    """Return a turn as a measurement, to be given to ``metrics.publish``."""
    return PipelineTurnMetrics(
        sequence_id=record.speech,
        timestamp=record.timestamp,
        turn=record.turn,
        outcome=record.outcome.value,
        tool_seconds=record.tool_seconds,
        heard_seconds=record.heard_seconds,
        **{mark.value: getattr(record, mark.value) for mark in MARK_ORDER},
    )


def dead_air_metrics(alarm: DeadAir) -> DeadAirMetrics:
    """Return an alarm of the watchdog as a measurement, to be given to ``metrics.publish``."""
    return DeadAirMetrics(
        sequence_id=alarm.speech,
        timestamp=wall_seconds(),
        turn=alarm.turn,
        stage=alarm.stage.value,
        seconds=round(alarm.seconds, DIGITS),
        count=alarm.count,
    )
