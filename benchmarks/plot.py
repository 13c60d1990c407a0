"""The figures as a picture: an SVG of bars, written by hand so that no library is needed for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from benchmarks.figures import Spread, written
from benchmarks.question import Measure
from benchmarks.results import Results

__all__ = ["svg"]

COLOURS: Final = ("#1a7f5a", "#b08a4b", "#7a6f9b")
INK: Final = "#222222"
WANTED: Final = "#c0392b"
WIDTH, LEFT, BARS_WIDTH = 860, 20, 620
TITLE_HEIGHT, BAR_HEIGHT, BAR_STEP, GAP = 22, 12, 16, 18
HEAD_HEIGHT: Final = 48


def svg(measures: Sequence[Measure], frameworks: Sequence[str], results: Results) -> str:
    """Return the picture: a group of bars for each measure, each group with a scale of its own.

    A bar is the median, the line on it reaches from minimum to maximum, the red line is what is wanted of the first
    framework.
    """
    names = [frameworks[:1] if measure.own else frameworks for measure in measures]
    heights = [TITLE_HEIGHT + BAR_STEP * len(shown) + GAP for shown in names]
    height = HEAD_HEIGHT + sum(heights)
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12" fill="{INK}">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        *_legend(frameworks),
    ]
    top = HEAD_HEIGHT
    for measure, shown, step in zip(measures, names, heights, strict=True):
        parts += _group(measure, [results.spread(measure.key, name) for name in shown], top)
        top += step
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend(frameworks: Sequence[str]) -> Iterator[str]:
    for number, name in enumerate(frameworks):
        left = LEFT + number * 180
        yield f'<rect x="{left}" y="16" width="12" height="12" fill="{COLOURS[number % len(COLOURS)]}"/>'
        yield f'<text x="{left + 18}" y="26">{escape(name)}</text>'
    left = LEFT + len(frameworks) * 180
    yield f'<line x1="{left}" x2="{left}" y1="14" y2="30" stroke="{WANTED}" stroke-width="2"/>'
    yield f'<text x="{left + 8}" y="26">wanted of {escape(frameworks[0])}</text>'


def _group(measure: Measure, spreads: Sequence[Spread | None], top: int) -> Iterator[str]:
    most = max([spread.high for spread in spreads if spread] + [measure.wanted or 0.0])
    scale = BARS_WIDTH / most if most > 0 else 0.0
    unit = f", {measure.unit}" if measure.unit else ""
    yield f'<text x="{LEFT}" y="{top + 14}" font-weight="bold">{escape(measure.title + unit)}</text>'
    for number, spread in enumerate(spreads):
        yield from _bar(spread, COLOURS[number % len(COLOURS)], scale, top + TITLE_HEIGHT + number * BAR_STEP)
    if measure.wanted:
        at, end = LEFT + measure.wanted * scale, top + TITLE_HEIGHT + BAR_STEP * len(spreads)
        yield _line(at, at, top + TITLE_HEIGHT - 3, end, WANTED, 2)


def _bar(spread: Spread | None, colour: str, scale: float, top: int) -> Iterator[str]:
    middle = top + BAR_HEIGHT / 2
    if spread is None:
        yield f'<text x="{LEFT}" y="{top + 10}">not measured</text>'
        return
    width = max(spread.median * scale, 1.0)
    yield f'<rect x="{LEFT}" y="{top}" width="{width:.1f}" height="{BAR_HEIGHT}" fill="{colour}"/>'
    yield _line(LEFT + spread.low * scale, LEFT + spread.high * scale, middle, middle, INK, 1)
    end = LEFT + max(spread.high * scale, 1.0) + 8
    yield f'<text x="{end:.1f}" y="{top + 10}" font-size="11">{written(spread.median)}</text>'


def _line(left: float, right: float, top: float, bottom: float, colour: str, width: int) -> str:
    ends = f'x1="{left:.1f}" x2="{right:.1f}" y1="{top:.1f}" y2="{bottom:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{width}"/>'
