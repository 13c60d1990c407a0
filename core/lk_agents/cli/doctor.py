"""``doctor``: what is missing before a worker can run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from lk_agents.cli import env_file, params
from lk_agents.cli.command import CommandSpec, Invocation
from lk_agents.cli.doctor_machine import machine_checks, plugin_checks
from lk_agents.cli.findings import Check, Status
from lk_agents.cli.loaded_plugins import load_plugins
from lk_agents.cli.logging_setup import set_up_logging
from lk_agents.cli.plugin_rows import rows_of
from lk_agents.cli.run import with_connection
from lk_agents.cli.serve import FAILED, FINE
from lk_agents.foundation.errors import ConfigError, LkAgentsError
from lk_agents.foundation.settings import Settings
from lk_agents.hooks.discovery import require_known

if TYPE_CHECKING:
    from lk_agents.worker.options import WorkerOptions

__all__ = ["SPEC"]

_HELP = """Find out what keeps a worker from running: versions, limits, credentials, server, plugins, files.

Secrets are never printed. With a file, its options are checked too. Each finding comes with its remedy, and the exit
code is 1 if there is one.

\b
Examples:
  lk-agents doctor
  lk-agents doctor my_agent.py --env-file .env
  lk-agents doctor --url wss://example.livekit.cloud --json
"""

_SIGNS = {Status.OK: "ok", Status.ADVICE: "advice", Status.PROBLEM: "PROBLEM"}
_STYLES = {Status.OK: "green", Status.ADVICE: "yellow", Status.PROBLEM: "bold red"}


def _params() -> list[click.Parameter]:
    return [
        click.Option(["--json", "as_json"], is_flag=True, help="Print JSON."),
        click.Option(["--no-server"], is_flag=True, help="Leave out what needs the server."),
        *params.connection(),
        *params.env_file("none"),
        *params.logs("ERROR"),
    ]


def _before_load(call: Invocation) -> None:
    env_file.hide_secret(call)
    env_file.apply(call, use_default=False)


def _run(call: Invocation) -> int:
    settings = Settings.read()
    set_up_logging(call.params["log_level"], call.params["log_format"], call.redactor, no_color=settings.no_color)
    checks = list(_all_checks(call, settings))
    problems = sum(check.status is Status.PROBLEM for check in checks)
    if call.params["as_json"]:
        content = {"problems": problems, "checks": [check.as_dict() for check in checks]}
        click.echo(call.redactor(json.dumps(content, indent=2)))
    else:
        _print(checks, problems, call)
    return FAILED if problems else FINE


def _all_checks(call: Invocation, settings: Settings) -> Iterator[Check]:
    yield from machine_checks(call.options)
    yield from _plugins(call)
    if call.options is not None:
        yield _options(call.options, settings, call)
    credentials = list(_credentials(call, settings))
    yield from credentials
    if not call.params["no_server"] and all(check.status is Status.OK for check in credentials):
        yield from _server(call, settings)


def _plugins(call: Invocation) -> Iterator[Check]:
    try:
        registry = load_plugins(call.options)
    except LkAgentsError as error:
        yield Check.problem("plugins", str(error), "correct WorkerOptions.plugins, or install the plugin")
        return
    try:
        require_known(registry.plugins(), registry.settings)
    except LkAgentsError as error:
        yield Check.problem("names of plugins", str(error), "correct the variable, or install the plugin")
    yield from plugin_checks(rows_of(registry.plugins(), decided=call.options is not None))


def _options(options: WorkerOptions, settings: Settings, call: Invocation) -> Check:
    """Check everything but the credentials, which have checks of their own."""
    from dataclasses import replace

    from lk_agents.worker.config import resolve

    stand_in = replace(with_connection(options, call.params, settings), api_key="stand-in", api_secret="stand-in" * 4)
    try:
        resolve(stand_in, settings, devmode=False)
    except ConfigError as error:
        return Check.problem("options", str(error), "correct the WorkerOptions of the file")
    return Check.ok("options", "the file's WorkerOptions can work")


def _credentials(call: Invocation, settings: Settings) -> Iterator[Check]:
    for name, variable, flag in (
        ("ws_url", "LIVEKIT_URL", "url"),
        ("api_key", "LIVEKIT_API_KEY", "api_key"),
        ("api_secret", "LIVEKIT_API_SECRET", "api_secret"),
    ):
        in_code = getattr(call.options, name, None)
        where = (
            f"--{flag.replace('_', '-')}"
            if call.params[flag]
            else variable
            if getattr(settings, flag)
            else f"WorkerOptions.{name}"
        )
        value = call.params[flag] or getattr(settings, flag) or in_code
        if value:
            shown = f"{value} " if name == "ws_url" else ""
            yield Check.ok(flag, f"{shown}from {where}")
        else:
            yield Check.problem(flag, "not set", f"set {variable} or WorkerOptions.{name}, or use --env-file")


def _server(call: Invocation, settings: Settings) -> Sequence[Check]:
    from lk_agents.cli.doctor_server import server_checks

    options = call.options
    url = call.params["url"] or settings.url or getattr(options, "ws_url", "")
    key = call.params["api_key"] or settings.api_key or getattr(options, "api_key", "")
    secret = call.params["api_secret"] or settings.api_secret or getattr(options, "api_secret", "")

    async def look() -> list[Check]:
        return [check async for check in server_checks(url, key, secret)]

    with asyncio.Runner() as runner:
        return runner.run(look())


def _print(checks: Sequence[Check], problems: int, call: Invocation) -> None:
    from rich.table import Table
    from rich.text import Text

    from lk_agents.cli.screen import print_renderable

    table = Table("", "What", "Found", box=None, pad_edge=False)
    for check in checks:
        found = call.redactor(check.detail)
        if check.remedy:
            found += f"\n→ {call.redactor(check.remedy)}"
        table.add_row(Text(_SIGNS[check.status], style=_STYLES[check.status]), check.name, found)
    print_renderable(table)
    click.echo("Nothing is wrong." if not problems else f"{problems} problem{'s' if problems > 1 else ''} found.")


SPEC = CommandSpec(
    name="doctor",
    short_help="Find out what keeps a worker from running.",
    help=_HELP,
    params=_params,
    run=_run,
    before_load=_before_load,
    needs_file=False,
)
