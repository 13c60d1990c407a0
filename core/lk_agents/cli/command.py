"""How a command is described, for both of its forms, and what one call of it carries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lk_agents.cli.redaction import Redactor

if TYPE_CHECKING:
    import click

    from lk_agents.cli.app_loading import Target
    from lk_agents.worker.options import WorkerOptions

__all__ = ["CommandSpec", "Invocation"]


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """One call of a command.

    :param params: the parsed options, by their Python names.
    :param arguments: the command's arguments as they were typed, without the file's name.
    :param target: the file, where the command was given one; None inside ``run_app``.
    :param options: the file's options; None before it is loaded, and for commands called without a file.
    """

    name: str
    params: Mapping[str, Any]
    arguments: Sequence[str] = ()
    target: Target | None = None
    options: WorkerOptions | None = None
    redactor: Redactor = field(default_factory=Redactor)

    @property
    def file(self) -> Path | None:
        """The user's file, in either form."""
        from lk_agents.cli.app_loading import main_file

        if self.target is not None:
            return self.target.path
        return main_file() if self.options is not None else None


@dataclass(frozen=True, kw_only=True)
class CommandSpec:
    """One of the framework's own commands.

    :param short_help: one line for the list of commands.
    :param help: what it does, with examples; a paragraph that begins with ``\\b`` is not re-wrapped.
    :param params: makes the command's click options.
    :param run: does the work and returns the exit code; the file has been loaded.
    :param before_load: may settle the call before the file is loaded: an exit code ends it, None goes on.
    :param takes_file: whether the form of ``lk-agents`` has a file among its arguments.
    :param needs_file: whether it demands that file.
    """

    name: str
    short_help: str
    help: str
    params: Callable[[], list[click.Parameter]]
    run: Callable[[Invocation], int]
    before_load: Callable[[Invocation], int | None] = lambda _: None
    takes_file: bool = True
    needs_file: bool = True
