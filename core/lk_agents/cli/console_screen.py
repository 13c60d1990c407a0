"""The conversation on a terminal, or as plain lines where there is none.

What was said is printed and stays; below it, on a terminal, one line shows what the agent is doing and what is being
said. Nothing else of the terminal is touched, neither its modes nor its cursor: however the program ends, even killed,
the terminal is as it was.
"""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING, Final, TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console, RenderableType
from rich.text import Text

if TYPE_CHECKING:
    from lk_agents.foundation.types import AgentState
    from lk_agents.media.protocols import TextSegment

__all__ = ["ConsoleScreen"]

_CLEAR_LINE: Final = "\r\x1b[K"
_WHO: Final = {True: ("you", "cyan"), False: ("agent", "green")}
_SHOWN_IDS: Final = 1000
"""How many pieces are remembered, to print none twice."""


class ConsoleScreen:
    """Shows one conversation; see ``lk_agents.media.console.Screen``.

    :param out: where it is shown.
    :param live: whether that is a terminal on which a line may be drawn anew.
    :param width: in columns; None for the terminal's.
    :param no_color: whether everything is shown without colours.
    """

    def __init__(self, out: TextIO, *, live: bool, width: int | None = None, no_color: bool = False) -> None:
        self._out = out
        self._console = Console(  # it only makes text: one that writes ends the program when nobody reads any more
            file=io.StringIO(),
            force_terminal=live,
            width=width,
            no_color=no_color or not live,
            highlight=False,
            markup=False,
            emoji=False,
            soft_wrap=True,
        )
        self._live = live
        self._state = ""
        self._partial: tuple[bool, str] | None = None
        self._drawn = False
        self._printed: dict[str, str] = {}

    def show_text(self, segment: TextSegment, *, by_user: bool) -> None:
        """Print what is final; show what is not in the lowest line."""
        text = _harmless(segment.text)
        if not segment.final:
            self._partial = (by_user, text)
            self._draw()
            return
        self._partial = None
        if text and self._printed.get(segment.id) != text:
            self._remember(segment.id, text)
            name, style = _WHO[by_user]
            self.print(Text.assemble((f"{name}: ", f"bold {style}"), text))
        else:
            self._draw()

    def show_state(self, state: AgentState) -> None:
        """Show what the agent is doing."""
        self._state = _harmless(state)
        self._draw()

    def print(self, what: RenderableType) -> None:
        """Print something that stays, above the lowest line."""
        with self._console.capture() as captured:
            self._console.print(what)
        self.clear()
        self._write(captured.get())
        self._draw()

    def clear(self) -> None:
        """Take the lowest line away, until something is shown anew."""
        if self._drawn:
            self._write(_CLEAR_LINE)
            self._drawn = False

    def before_log(self, _: logging.LogRecord) -> bool:
        """Make place for a line of the log; a filter for its handler."""
        self.clear()
        return True

    def _draw(self) -> None:
        if not self._live:
            return
        line = f"[{self._state}] " if self._state else ""
        if self._partial is not None:
            by_user, text = self._partial
            line += f"{_WHO[by_user][0]}: {text}"
        self._write(_CLEAR_LINE + _tail(line, self._console.width - 1))
        self._drawn = True

    def _write(self, text: str) -> None:
        try:
            self._out.write(text)
            self._out.flush()
        except UnicodeEncodeError:
            self._write(text.encode("ascii", "replace").decode())
        except (OSError, ValueError):  # nobody reads it any more
            self._live = False

    def _remember(self, segment_id: str, text: str) -> None:
        self._printed[segment_id] = text
        if len(self._printed) > _SHOWN_IDS:
            del self._printed[next(iter(self._printed))]


def _harmless(text: str) -> str:
    """Return a text without what a terminal would obey: it comes from a model, or from whoever spoke to it."""
    return "".join(each if each.isprintable() else " " for each in text).strip()


def _tail(line: str, width: int) -> str:
    """Return the line, without its middle if it is too long for the terminal: what is said now stands at its end."""
    if cell_len(line) <= width:
        return line
    head = line.split(" ", 1)[0]
    rest = line[len(head) :]
    while rest and cell_len(head) + 2 + cell_len(rest) > width:
        rest = rest[max(1, (cell_len(head) + 2 + cell_len(rest) - width) // 2) :]
    return set_cell_size(f"{head} …{rest}", width)
