"""The options of the commands, each declared once; the docs list what stands here."""

from __future__ import annotations

from typing import Final

import click

__all__ = ["connection", "dev_options", "env_file", "file_argument", "logs"]

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def file_argument(*, required: bool) -> click.Parameter:
    """Return the file to run: ``FILE`` or ``FILE:NAME``."""
    return click.Argument(["file"], required=required, metavar="FILE[:NAME]" if required else "[FILE[:NAME]]")


def logs(default_level: str) -> list[click.Parameter]:
    """Return what every command knows of logs."""
    return [
        click.Option(
            ["--log-level"],
            type=click.Choice(LEVELS, case_sensitive=False),
            default=default_level,
            show_default=True,
            help="What to show of the logs.",
        ),
        click.Option(
            ["--log-format"],
            type=click.Choice(["json", "text"]),
            help="One JSON object a line, or lines for a person. [default: text on a terminal, else json]",
        ),
    ]


def connection() -> list[click.Parameter]:
    """Return the server's address and credentials."""
    return [
        click.Option(
            ["--url"], metavar="URL", help="The LiveKit server. [default: LIVEKIT_URL, then the file's ws_url]"
        ),
        click.Option(
            ["--api-key"], metavar="KEY", help="Its API key. [default: LIVEKIT_API_KEY, then the file's api_key]"
        ),
        click.Option(
            ["--api-secret"],
            metavar="SECRET",
            help=(
                "Its API secret; other users of the machine can read arguments, so prefer the environment or "
                "--env-file. [default: LIVEKIT_API_SECRET, then the file's api_secret]"
            ),
        ),
    ]


def env_file(default: str) -> list[click.Parameter]:
    """Return the option for a file of variables.

    :param default: what is read without the option, in words.
    """
    return [
        click.Option(
            ["--env-file"],
            metavar="PATH",
            help=f"Start with the variables of this file; those already set win. [default: {default}]",
        )
    ]


def dev_options() -> list[click.Parameter]:
    """Return what the development commands add."""
    return [
        click.Option(
            ["--watch/--no-watch"],
            default=True,
            show_default=True,
            help="Start anew when a source file changes; running jobs go on with the new code.",
        ),
        click.Option(
            ["--watch-polling"],
            is_flag=True,
            help="Look for changes by reading the files: for network and container file systems that report none.",
        ),
        click.Option(
            ["--asyncio-debug/--no-asyncio-debug"],
            default=False,
            show_default=True,
            help="Run the event loops in debug mode.",
        ),
        click.Option(
            ["--in-process"],
            is_flag=True,
            help="Run jobs in threads of this one process, without watching: breakpoints work.",
        ),
        click.Option(
            ["--server"],
            is_flag=True,
            help="Start a LiveKit server for this run; a plugin such as lk-agents-server offers it.",
        ),
        click.Option(["--reload-fd"], type=int, hidden=True, help="Set by the watcher for the worker it starts."),
    ]
