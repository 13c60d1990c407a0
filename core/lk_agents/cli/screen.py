"""Tables for a terminal, and the same as plain text where there is none."""

from __future__ import annotations

import sys

from rich.console import Console, RenderableType

from lk_agents.foundation.settings import Settings

__all__ = ["print_renderable"]

_PLAIN_WIDTH = 160
"""Where the output is a file or a pipe: wide enough that ordinary rows are not broken."""


def print_renderable(what: RenderableType) -> None:
    """Print to the standard output; colours and width follow the terminal if there is one."""
    terminal = sys.stdout.isatty()
    console = Console(
        file=sys.stdout,
        width=None if terminal else _PLAIN_WIDTH,
        no_color=Settings.read().no_color or not terminal,
        highlight=False,
        markup=False,
        emoji=False,
    )
    console.print(what)
