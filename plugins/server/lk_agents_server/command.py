"""``lk-agents server``: the embedded server in the foreground."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import IO, Any, Final, cast, get_args

import click

from lk_agents.foundation.errors import LkAgentsError
from lk_agents.foundation.settings import Settings
from lk_agents_server.binary import find_binary
from lk_agents_server.config import LogLevel, ServerOptions
from lk_agents_server.server import LiveKitServer

__all__ = ["server"]

USUAL_PORT: Final = 7880

_HELP = """Run a LiveKit server on this machine, until Ctrl-C.

It is a complete LiveKit server, reachable from this machine only. On a terminal, standard output gets the lines that
tell other programs where it is and with which keys; everything else, the server's log too, goes to standard error.

\b
Examples:
  lk-agents server                           port 7880, random keys
  lk-agents server --port 0                  any free port
  lk-agents server --print-env > server.env  the lines with the secret into a file of yours
  lk-agents server --keys-from-env           keep LIVEKIT_API_KEY and LIVEKIT_API_SECRET of the environment
  lk-agents server --redis 127.0.0.1:6379    one of several servers that share a Redis
  lk-agents server --path                    where the livekit-server program is

In another terminal, paste the printed lines, then: lk-agents dev my_agent.py

Exit codes: 0 ended as asked (Ctrl-C, SIGTERM), 1 the server did not start or ended by itself, 2 wrong usage.
"""


@click.command(help=_HELP)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=USUAL_PORT,
    show_default=True,
    help="Port for HTTP and websockets; 0 takes any free one.",
)
@click.option(
    "--log-level",
    type=click.Choice(get_args(LogLevel), case_sensitive=False),
    default="info",
    show_default=True,
    help="What the server logs.",
)
@click.option(
    "--log-file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Append the server's log to FILE instead of showing it.",
)
@click.option("--redis", default="", metavar="HOST:PORT", help="Share a Redis, and so the rooms, with other servers.")
@click.option("--tcp", is_flag=True, help="Offer media over TCP too; that port is open to the network.")
@click.option("--keys-from-env", is_flag=True, help="Use LIVEKIT_API_KEY and LIVEKIT_API_SECRET, not random keys.")
@click.option(
    "--print-env/--no-print-env",
    default=None,
    help="Print the lines to export, with the secret, on standard output. [default: if that is a terminal]",
)
@click.option("--path", "path_only", is_flag=True, help="Print where the livekit-server program is, and stop.")
def server(
    *, path_only: bool, log_file: Path | None, print_env: bool | None, keys_from_env: bool, **options: Any
) -> None:
    """Run the server until it ends or a signal asks for its end."""
    try:
        if path_only:
            click.echo(find_binary())
            return
        with _log_sink(log_file) as sink:
            _serve(_server_options(keys_from_env=keys_from_env, **options), sink=sink, print_env=print_env)
    except LkAgentsError as error:
        raise click.ClickException(str(error)) from error


def _server_options(*, port: int, log_level: str, redis: str, tcp: bool, keys_from_env: bool) -> ServerOptions:
    key = secret = ""
    if keys_from_env:
        settings = Settings.read()
        key, secret = settings.api_key, settings.api_secret
        if not key or not secret:
            raise click.UsageError("--keys-from-env: LIVEKIT_API_KEY and LIVEKIT_API_SECRET are not both set")
    return ServerOptions(
        port=port, log_level=cast(LogLevel, log_level), redis=redis, tcp=tcp, api_key=key, api_secret=secret
    )


def _serve(options: ServerOptions, *, sink: Callable[[str], None], print_env: bool | None) -> None:
    """Run the server; returns when a signal asked for its end.

    :raises click.ClickException: the server ended by itself.
    """
    with _ended_by_signals(), contextlib.suppress(KeyboardInterrupt), LiveKitServer(options, on_log=sink) as running:
        _introduce(running, print_env=sys.stdout.isatty() if print_env is None else print_env)
        running.wait()
        raise click.ClickException("the server ended by itself:\n" + "\n".join(running.log[-5:]))


def _introduce(running: LiveKitServer, *, print_env: bool) -> None:
    """Say where the server is; the secret only on standard output, and only if asked for."""
    click.echo(f"LiveKit server at {running.url}, API key {running.api_key}. Ctrl-C ends it.", err=True)
    if not print_env:
        click.echo("Its secret is not shown; --print-env prints the lines to export.", err=True)
        return
    click.echo("Paste these lines where your agent runs:", err=True)
    with contextlib.suppress(BrokenPipeError):  # as in `| head -3`: who reads no further has what they want
        click.echo(export_lines(running.env()))


def export_lines(variables: Mapping[str, str], *, system: str = os.name) -> str:
    """Return the lines that set ``variables`` in a shell: a POSIX one, or PowerShell where ``system`` is ``"nt"``."""
    if system == "nt":
        return "\n".join(f'$env:{name} = "{value}"' for name, value in variables.items())
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())


@contextlib.contextmanager
def _log_sink(file: Path | None) -> Iterator[Callable[[str], None]]:
    """Give the function that takes the server's log lines."""
    if file is None:
        yield lambda line: click.echo(line, err=True)
        return
    try:
        opened: IO[str] = file.open("a", encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"--log-file {file} cannot be written: {error.strerror}") from error
    with opened:

        def write(line: str) -> None:
            opened.write(f"{line}\n")
            opened.flush()

        yield write


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Treat SIGTERM, and a closed terminal, as Ctrl-C while the block lasts; ours to do on the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    wanted = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    heeded = [number for number in wanted if signal.getsignal(number) is not signal.SIG_IGN]  # nohup means it
    before = {number: signal.signal(number, interrupt) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
