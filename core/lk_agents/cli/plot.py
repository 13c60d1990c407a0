"""``plot``: a picture of recorded turns."""

from __future__ import annotations

from pathlib import Path

import click

from lk_agents.cli.command import CommandSpec, Invocation
from lk_agents.foundation.recordings import SESSION_PREFIX, recording_name

__all__ = ["SPEC"]

_EXAMPLE = recording_name(f"{SESSION_PREFIX}5b0c9e3f71a2")
_HELP = f"""Draw the turns of a recorded conversation: who spoke when, and where the time of each answer went.

An agent with plotting=True, or plotting="PATH", records; any file of turn records, one JSON object a line, will do.
Needs matplotlib: pip install 'lk-agents[plot]'.

\b
Examples:
  lk-agents plot {_EXAMPLE}
  lk-agents plot {_EXAMPLE} --output turns.svg
  python my_agent.py plot {_EXAMPLE}
"""


def _params() -> list[click.Parameter]:
    return [
        click.Argument(["recording"], metavar="RECORDING"),
        click.Option(
            ["--output"],
            metavar="PATH",
            help="Where to draw, as .png or .svg. [default: the recording's name with .png]",
        ),
    ]


def _run(call: Invocation) -> int:
    from lk_agents.cli.plot_data import read_recording
    from lk_agents.cli.plot_figure import draw

    recording = Path(call.params["recording"])
    output = Path(call.params["output"] or recording.with_suffix(".png"))
    draw(read_recording(recording), output)
    click.echo(str(output))
    return 0


SPEC = CommandSpec(
    name="plot",
    short_help="Draw the turns of a recorded conversation.",
    help=_HELP,
    params=_params,
    run=_run,
    takes_file=False,
    needs_file=False,
)
