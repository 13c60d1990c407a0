"""``download-files``: fetch what plugins need before they run."""

from __future__ import annotations

import click

from lk_agents.cli import params
from lk_agents.cli.command import CommandSpec, Invocation

__all__ = ["SPEC"]

_HELP = """Download the files that plugins need, such as models: at image build, so that no job waits for them.

Without names, those of every installed plugin. What is there already is not fetched again.

\b
Examples:
  lk-agents download-files
  lk-agents download-files silero
  python my_agent.py download-files
"""


def _params() -> list[click.Parameter]:
    return [click.Argument(["names"], nargs=-1, metavar="[NAME]..."), *params.logs("WARNING")]


def _run(call: Invocation) -> int:
    from lk_agents.cli.downloading import download

    return download(call)


SPEC = CommandSpec(
    name="download-files",
    short_help="Download the files that plugins need.",
    help=_HELP,
    params=_params,
    run=_run,
    takes_file=False,
    needs_file=False,
)
