"""Where the time of a turn went, as a table for a terminal."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from lk_agents.voice.records import TurnRecord

__all__ = ["logged_turn", "turn_table"]

_STAGES: Final = {
    "decision": "turn decided",
    "final_text": "last text",
    "llm_requested": "model asked",
    "first_token": "first token",
    "first_sentence": "first sentence",
    "first_audio": "first audio",
    "first_played": "first frame played",
}


def turn_table(record: TurnRecord) -> Table:
    """Return the stages of a turn, each with when it was reached and how long after the one before."""
    from lk_agents.voice.waterfall import rows

    since = "since the last word" if record.from_speech else "since the decision"
    table = Table(title=f"turn {record.turn}: {record.outcome.value}", title_justify="left", box=None, padding=(0, 2))
    table.add_column("stage")
    table.add_column(since, justify="right")
    table.add_column("took", justify="right")
    for row in rows(record):
        table.add_row(_STAGES[row.stage.value], f"{_ms(row.at_seconds)} ms", f"{_ms(row.took_seconds)} ms")
    if record.tool_calls:
        table.add_row(f"{record.tool_calls} tool calls", "", f"{_ms(record.tool_seconds)} ms")
    for stage in record.dead_air:
        table.add_row(f"stalled: {stage}", "", "")
    return table


def logged_turn(fields: Mapping[str, Any], *, colours: bool) -> str | None:
    """Return the table of a turn whose record stands in the extra fields of a log line; None if it does not.

    :param colours: whether it is for a terminal with colours.
    """
    from lk_agents.voice.records import TurnRecord

    try:
        record = TurnRecord.from_dict({"timestamp": 0.0, **fields})
        text = io.StringIO()
        Console(file=text, force_terminal=colours, no_color=not colours, highlight=False).print(turn_table(record))
    except (ValueError, TypeError):  # somebody else's line of the same words
        return None
    return text.getvalue().rstrip("\n")


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.0f}"
