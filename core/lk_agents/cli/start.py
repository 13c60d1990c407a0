"""``start``: serve."""

from __future__ import annotations

import click

from lk_agents.cli import env_file, params
from lk_agents.cli.command import CommandSpec, Invocation

__all__ = ["SPEC"]

_HELP = """Serve: register with the LiveKit server and run its jobs.

The first SIGINT or SIGTERM drains: no new jobs, running ones go on for --drain-timeout seconds and are then ended
with their shutdown callbacks. A second signal ends everything within 5 seconds.

\b
Examples:
  lk-agents start my_agent.py
  python my_agent.py start
  lk-agents start my_agent.py --drain-timeout 600
  lk-agents start agents.py:sales --env-file production.env
"""


def _params() -> list[click.Parameter]:
    return [
        *params.logs("INFO"),
        *params.connection(),
        click.Option(
            ["--drain-timeout"],
            type=click.IntRange(min=0),
            default=60,
            show_default=True,
            metavar="SECONDS",
            help="How long running jobs may go on after the first signal; 0 ends them at once.",
        ),
        *params.env_file("none"),
    ]


def _before_load(call: Invocation) -> None:
    env_file.hide_secret(call)
    env_file.apply(call, use_default=False)


def _run(call: Invocation) -> int:
    from lk_agents.cli.run import Launch, run_worker

    return run_worker(call, Launch(devmode=False, drain_seconds=call.params["drain_timeout"]))


SPEC = CommandSpec(name="start", short_help="Serve.", help=_HELP, params=_params, run=_run, before_load=_before_load)
