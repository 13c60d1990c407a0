"""``dev``: serve while the code is being written."""

from __future__ import annotations

import click

from lk_agents.cli import env_file, params
from lk_agents.cli.command import CommandSpec, Invocation
from lk_agents.foundation.errors import ConfigError

__all__ = ["SPEC", "before_load", "launch_from"]

_HELP = """Develop: serve, and start anew whenever a source file changes.

Running jobs are carried over: the new code joins the same rooms. A file that cannot be loaded shows its error and is
tried again at the next save. Watched are the file's folder and every plugin installed in editable mode. Without
--env-file, a .env in the current folder or beside the file is read.

\b
Examples:
  lk-agents dev my_agent.py
  lk-agents dev my_agent.py --server            with a LiveKit server of its own
  lk-agents dev my_agent.py --in-process        with breakpoints
  python my_agent.py dev --no-watch --log-level INFO
"""


def _params() -> list[click.Parameter]:
    return [
        *params.logs("DEBUG"),
        *params.connection(),
        *params.env_file(".env"),
        *params.dev_options(),
    ]


def before_load(call: Invocation) -> int | None:
    """Watch, where that is asked for: the worker is then another process and its end the end of the call."""
    if call.params["reload_fd"] is not None:
        return None  # this is that other process
    env_file.hide_secret(call)
    if call.params["in_process"] or not call.params["watch"]:
        env_file.apply(call, use_default=True)
        return None
    if call.file is None:
        raise ConfigError("there is no file to watch, because the program was not started from one; use --no-watch")
    from lk_agents.cli.watch import watch

    return watch(call)


def launch_from(call: Invocation) -> int:
    """Run the worker as the development commands do."""
    from lk_agents.cli.run import Launch, run_worker

    given = call.params
    return run_worker(
        call,
        Launch(
            devmode=True,
            asyncio_debug=given["asyncio_debug"],
            in_process=given["in_process"],
            server=given["server"] and given["reload_fd"] is None,
            reload_fd=given["reload_fd"],
            room=given.get("room"),
            participant_identity=given.get("participant_identity"),
        ),
    )


SPEC = CommandSpec(
    name="dev",
    short_help="Develop: serve, and start anew when a file changes.",
    help=_HELP,
    params=_params,
    run=launch_from,
    before_load=before_load,
)
