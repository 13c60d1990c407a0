"""Draws recorded turns: a time line, and the stages of each turn as bars."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lk_agents.cli.plot_data import PlotData
from lk_agents.foundation.errors import ConfigError
from lk_agents.voice.records import MARK_ORDER, Mark, TurnRecord
from lk_agents.voice.waterfall import rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FORMATS", "build_figure", "draw"]

FORMATS: Final = ("png", "svg")
INCHES_WIDE: Final = 12.0
INCHES_OF_TIMELINE: Final = 3.0
INCHES_OF_TURN: Final = 0.35
MOST_INCHES: Final = 100.0
"""Of a higher picture the bars are thinner; PNG viewers give up soon above it."""

STAGE_COLOURS: Final = {
    Mark.DECISION: "#4e79a7",
    Mark.FINAL_TEXT: "#a0cbe8",
    Mark.LLM_REQUESTED: "#bab0ac",
    Mark.FIRST_TOKEN: "#f28e2b",
    Mark.FIRST_SENTENCE: "#ffbe7d",
    Mark.FIRST_AUDIO: "#59a14f",
    Mark.FIRST_PLAYED: "#8cd17d",
}
SPEAKERS: Final = {"user": ("#4e79a7", 0.55), "agent": ("#59a14f", 0.05)}
"""Colour, and where the bar begins between 0 and 1."""


def draw(data: PlotData, path: Path) -> None:
    """Write the picture; the file's ending says in which format.

    :raises ConfigError: there is no such format, matplotlib is not installed, or the file cannot be written.
    """
    if path.suffix.lower().removeprefix(".") not in FORMATS:
        raise ConfigError(f"{path} ends in none of {', '.join(f'.{each}' for each in FORMATS)}; name a picture so")
    figure = build_figure(data)
    try:
        figure.savefig(path, dpi=100)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error}") from error


def build_figure(data: PlotData) -> Figure:
    """Return the picture: the time line where there is one, and a bar for each turn.

    :raises ConfigError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError(f"plotting needs matplotlib: pip install 'lk-agents[plot]' ({error})") from error
    heights = [INCHES_OF_TIMELINE] if data.has_timeline else []
    if data.turns:
        heights.append(1.5 + INCHES_OF_TURN * len(data.turns))
    figure = Figure(figsize=(INCHES_WIDE, min(sum(heights), MOST_INCHES)), layout="constrained")
    parts: list[Axes] = list(figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0])
    if data.has_timeline:
        _draw_timeline(parts[0], data)
    if data.turns:
        _draw_turns(parts[-1], [record for _, record in data.turns])
    if data.session:
        figure.suptitle(data.session)
    return figure


def _draw_timeline(axes: Axes, data: PlotData) -> None:
    for who, (colour, bottom) in SPEAKERS.items():
        spans = [(since, until - since) for since, until in data.speech[who]]
        axes.broken_barh(spans, (bottom, 0.4), color=colour, alpha=0.35, label=f"{who} speaks")
    for name, colour in (("vad", SPEAKERS["user"][0]), ("volume", SPEAKERS["agent"][0])):
        if points := data.series[name]:
            axes.plot(*zip(*points, strict=True), color=colour, linewidth=0.8, label=name)
    for zero, record in data.turns:
        if zero is None:
            continue
        if record.decision is not None:
            axes.axvline(zero + record.decision, color="black", linewidth=0.6, linestyle=":")
            axes.annotate(str(record.turn), (zero + record.decision, 1.0), fontsize=7, ha="center", va="bottom")
    axes.set(ylim=(0, 1.08), xlabel="seconds since the beginning; dotted: the turn was decided")
    axes.legend(loc="upper right", fontsize=8)


def _draw_turns(axes: Axes, records: Sequence[TurnRecord]) -> None:
    for place, record in enumerate(records):
        left = 0.0
        for row in rows(record):
            axes.barh(place, row.took_seconds, left=left, height=0.7, color=STAGE_COLOURS[row.stage])
            left += row.took_seconds
        axes.annotate(
            _said_of(record), (left, place), xytext=(4, 0), textcoords="offset points", fontsize=8, va="center"
        )
    for stage in MARK_ORDER:
        axes.barh(0, 0, color=STAGE_COLOURS[stage], label=stage.value.replace("_", " "))
    axes.set_yticks(range(len(records)), [f"turn {record.turn}" for record in records], fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.4)
    axes.set(xlabel="seconds from the user's last sample of speech to the first frame of the answer")
    axes.legend(loc="lower right", fontsize=8)


def _said_of(record: TurnRecord) -> str:
    """Return what stands beside a turn's bar."""
    told = [] if record.first_played is None else [f"{record.first_played:.3f} s"]
    told.append(record.outcome.value)
    if record.tool_calls:
        told.append(f"{record.tool_calls} functions, {record.tool_seconds:.1f} s")
    if record.dead_air:
        told.append(f"dead air: {', '.join(record.dead_air)}")
    return " · ".join(told)
