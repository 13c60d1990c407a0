"""The demo as a command: plays the scene and prints what happened."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from demo.scenario import ECHO_AGENT, HEARD_AT_LEAST, OTHER_BELOW, Result, play
from demo.timeline import timeline_table

__all__ = ["run"]


def run(arguments: Sequence[str]) -> int:
    """Play, print, and return the exit code: 0 if all happened, 1 if something did not.

    :param arguments: the agent's file, if it is not the echo agent.
    :raises KeyboardInterrupt: Ctrl-C or SIGTERM; whatever was started has been ended.
    """
    agent = Path(arguments[0]).resolve() if arguments else ECHO_AGENT
    console = Console(highlight=False)
    try:
        result = asyncio.run(_until_interrupted(console, agent))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    _print(console, result)
    return 1 if result.failures else 0


async def _until_interrupted(console: Console, agent: Path) -> Result:
    """Play; SIGTERM ends it as Ctrl-C does: in order, with nothing left behind."""
    playing = asyncio.current_task()
    if sys.platform != "win32" and playing is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, playing.cancel)
    return await play(lambda step: console.print(f"[dim]·[/dim] {escape(step)}"), agent=agent)


def _print(console: Console, result: Result) -> None:
    console.print()
    if result.times:
        console.print(timeline_table(result.times))
    if result.own and result.other:
        console.print(
            f"The caller's own voice: correlation [bold]{result.own.score:.2f}[/bold] over "
            f"{result.own.length_seconds:g} s of speech (at least {HEARD_AT_LEAST}). "
            f"Somebody else's: {result.other.score:.2f} (less than {OTHER_BELOW})."
        )
    for failure in result.failures:
        console.print(f"[bold red]✗[/bold red] {escape(failure)}", soft_wrap=True)
    if not result.failures:
        console.print("[bold green]✓[/bold green] A real server gave a room to a worker, and its agent answered.")
