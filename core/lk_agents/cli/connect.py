"""``connect``: develop in one room."""

from __future__ import annotations

import click

from lk_agents.cli import dev, params
from lk_agents.cli.command import CommandSpec, Invocation
from lk_agents.foundation.errors import ConfigError

__all__ = ["SPEC"]

_HELP = """Develop in one room: as dev, and take a job for that room as soon as the worker is registered.

The room is made if it does not exist.

\b
Examples:
  lk-agents connect my_agent.py --room demo
  lk-agents connect my_agent.py --room demo --participant-identity alice
"""


def _params() -> list[click.Parameter]:
    return [
        click.Option(["--room"], required=True, metavar="NAME", help="The room to join."),
        click.Option(
            ["--participant-identity"], metavar="IDENTITY", help="The participant that the job is about, if any."
        ),
        *params.logs("DEBUG"),
        *params.connection(),
        *params.env_file(".env"),
        *params.dev_options(),
    ]


def _before_load(call: Invocation) -> int | None:
    if not call.params["room"].strip():
        raise ConfigError(f"--room is {call.params['room']!r}; give the name of a room")
    return dev.before_load(call)


def _run(call: Invocation) -> int:
    return dev.launch_from(call)


SPEC = CommandSpec(
    name="connect",
    short_help="Develop in one room.",
    help=_HELP,
    params=_params,
    run=_run,
    before_load=_before_load,
)
