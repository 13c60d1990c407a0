"""``plugins``: what is installed."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from lk_agents.cli import params
from lk_agents.cli.command import CommandSpec, Invocation
from lk_agents.cli.loaded_plugins import load_plugins
from lk_agents.cli.logging_setup import set_up_logging
from lk_agents.cli.plugin_rows import PluginRow, offered_by, rows_of
from lk_agents.foundation.settings import Settings

__all__ = ["SPEC"]

_HELP = """List the installed plugins: name, distribution, version, hooks, what they offer by name, files, and what is
wrong with a broken one.

With a file, it also says which of them that file uses.

\b
Examples:
  lk-agents plugins
  lk-agents plugins my_agent.py
  lk-agents plugins --json
"""


def _params() -> list[click.Parameter]:
    return [click.Option(["--json", "as_json"], is_flag=True, help="Print JSON."), *params.logs("WARNING")]


def _run(call: Invocation) -> int:
    set_up_logging(
        call.params["log_level"], call.params["log_format"], call.redactor, no_color=Settings.read().no_color
    )
    registry = load_plugins(call.options)
    rows = rows_of(registry.plugins(), decided=call.options is not None, offered=offered_by(registry))
    if call.params["as_json"]:
        click.echo(call.redactor(json.dumps([row.as_dict() for row in rows], indent=2)))
    elif not rows:
        click.echo("No plugin is installed. pip install lk-agents-NAME adds one, for instance lk-agents-server.")
    else:
        _print_table(rows, call)
    return 0


def _print_table(rows: Sequence[PluginRow], call: Invocation) -> None:
    from rich.table import Table

    from lk_agents.cli.screen import print_renderable

    table = Table("Name", "Distribution", "Version", "Hooks", "Offers", "Files", "State", box=None, pad_edge=False)
    for row in rows:
        hooks = "\n".join(hook.removeprefix("lk_agents_") for hook in row.hooks) or "-"
        state = call.redactor(row.state)
        table.add_row(row.name, row.distribution, row.version, hooks, "\n".join(row.offers) or "-", row.files, state)
    print_renderable(table)


SPEC = CommandSpec(
    name="plugins",
    short_help="List the installed plugins.",
    help=_HELP,
    params=_params,
    run=_run,
    needs_file=False,
)
