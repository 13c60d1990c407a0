"""Variables from an env file, without ever writing the environment of a running process.

They are the environment of a process from its start: the watcher of ``dev`` gives them to the worker that it
starts; without a watcher the command replaces itself by the same command with the fuller environment. So the user's
file, the plugins and every library find them, whenever they look. What the environment has already wins.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from lk_agents.cli.logging_setup import temporary_logging
from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.log import logger

if TYPE_CHECKING:
    from lk_agents.cli.command import Invocation

__all__ = ["additions", "apply", "child_environment", "find_env_file", "hide_secret", "own_command", "restart_with"]

DEFAULT_NAME = ".env"
_SECRET_FLAG: Final = "--api-secret"  # noqa: S105  the flag, not what follows it


def find_env_file(asked: str | None, *, use_default: bool, beside: Path | None = None) -> Path | None:
    """Return the env file to read, None for none.

    :param use_default: look for ``.env`` in the current folder, then beside the agent's file.
    :raises ConfigError: if the one asked for does not exist.
    """
    if asked is not None:
        path = Path(asked)
        if not path.is_file():
            raise ConfigError(f"there is no env file {asked!r}; correct --env-file or leave it out")
        return path
    if not use_default:
        return None
    folders = [Path()] if beside is None else [Path(), beside.parent]
    return next((folder / DEFAULT_NAME for folder in folders if (folder / DEFAULT_NAME).is_file()), None)


def additions(path: Path) -> dict[str, str]:
    """Return what the file adds to the environment; variables that exist already are left out.

    :raises ConfigError: if it cannot be read.
    """
    from dotenv import dotenv_values

    try:
        values = dotenv_values(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the env file {str(path)!r} cannot be read: {error}") from error
    return {name: value for name, value in values.items() if value is not None and name not in os.environ}  # noqa: TID251  which names are taken, no setting


def own_command(*more: str) -> list[str]:
    """Return the command line that started this process, interpreter options included, with ``more`` at its end."""
    return [sys.executable, *sys.orig_argv[1:], *more]


def child_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a child: ours, and ``extra``."""
    return {**os.environ, **extra}  # noqa: TID251  handed on whole


def restart_with(extra: Mapping[str, str], command: Sequence[str] | None = None) -> NoReturn:
    """Replace this process by the same command with ``extra`` in its environment."""
    command = own_command() if command is None else list(command)
    sys.stdout.flush()
    sys.stderr.flush()
    environment = child_environment(extra)
    if sys.platform.startswith("win"):  # there exec returns to the shell at once, so wait for a child instead
        sys.exit(subprocess.run(command, env=environment, check=False).returncode)
    os.execve(sys.executable, command, environment)


def hide_secret(call: Invocation) -> None:
    """Start the command anew without ``--api-secret``, and with the secret in its environment instead.

    Arguments can be read by every user of the machine, for as long as the process lives; an environment cannot.
    """
    command = own_command()
    hidden = _without_secret(command)
    if not call.params["api_secret"] or call.params.get("server") or hidden == command:
        return  # nothing to hide, a contradiction that is told later, or called from within a program
    level, log_format = str(call.params["log_level"]), call.params["log_format"]
    with temporary_logging(level, log_format, call.redactor):
        logger.warning(
            "the API secret was an argument, which every user of this machine could read; it has been taken away",
            extra={"remedy": "set LIVEKIT_API_SECRET or use --env-file"},
        )
    restart_with({"LIVEKIT_API_SECRET": call.params["api_secret"]}, hidden)


def _without_secret(command: Sequence[str]) -> list[str]:
    kept: list[str] = []
    arguments = iter(command)
    for argument in arguments:
        if argument == _SECRET_FLAG:
            next(arguments, None)
        elif not argument.startswith(f"{_SECRET_FLAG}="):
            kept.append(argument)
    return kept


def apply(call: Invocation, *, use_default: bool) -> None:
    """Go on if the environment has all that the env file says; else start the command anew with it.

    :raises ConfigError: if the file does not exist or cannot be read.
    """
    path = find_env_file(call.params["env_file"], use_default=use_default, beside=call.file)
    if path is not None and (extra := additions(path)):
        restart_with(extra)
