"""``lk-agents``: finds the command, in its two forms, and turns what goes wrong into words and an exit code.

``lk-agents start my_agent.py`` loads the file as ``__main__``, where ``run_app`` takes over and parses the same
options again: from there on both forms are one.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from lk_agents.cli import connect, console, dev, doctor, download, plot, plugins, start
from lk_agents.cli.app_loading import Target, chosen_options, load_target, loaded_under_another_name, take_over
from lk_agents.cli.command import CommandSpec, Invocation
from lk_agents.cli.logging_setup import temporary_logging
from lk_agents.cli.params import file_argument
from lk_agents.cli.plugin_commands import PluginCommands
from lk_agents.cli.redaction import Redactor
from lk_agents.cli.serve import FAILED
from lk_agents.foundation.errors import ConfigError, LkAgentsError
from lk_agents.foundation.settings import Settings
from lk_agents.foundation.version import __version__

if TYPE_CHECKING:
    from lk_agents.worker.options import WorkerOptions

__all__ = ["build_group", "main", "run_for"]

SPECS: Sequence[CommandSpec] = (
    start.SPEC,
    dev.SPEC,
    connect.SPEC,
    console.SPEC,
    download.SPEC,
    plugins.SPEC,
    doctor.SPEC,
    plot.SPEC,
)

_HELP = """Run programs that join LiveKit rooms.

\b
Examples:
  lk-agents console my_agent.py        talk to it here, without a server
  lk-agents dev my_agent.py            develop: starts anew when a file changes
  lk-agents start my_agent.py          serve
  lk-agents doctor my_agent.py         find out what is missing
  python my_agent.py start             the same as lk-agents start my_agent.py

Exit codes: 0 fine, 1 the set-up is wrong, the worker failed or there is a finding, 2 wrong usage of this command.
"""


class _Command(click.Command):
    """A command that keeps its arguments as they were typed."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_ARGUMENTS] = list(args)
        return super().parse_args(ctx, args)


_ARGUMENTS = "lk_agents.arguments"


class _Group(click.Group):
    """The framework's commands, and those of plugins, which are looked for only when they are needed."""

    def __init__(self, commands: dict[str, click.Command]) -> None:
        super().__init__(name="lk-agents", commands=commands, help=_HELP, no_args_is_help=True)
        self._from_plugins = PluginCommands(taken=frozenset(commands))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, cmd_name) or self._from_plugins.build(cmd_name)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  the base class's signature
        return [*self.commands, *sorted(self._from_plugins.helps())]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  as above
        own = [(name, command.get_short_help_str(80)) for name, command in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(own)
        if added := self._from_plugins.helps():
            with formatter.section("Commands of plugins"):
                formatter.write_dl(sorted(added.items()))


def build_group(given: WorkerOptions | None = None) -> click.Group:
    """Return all commands: for ``run_app`` with its options, without them for ``lk-agents``."""
    make = _command_for(given) if given is not None else _command_with_file
    group = _Group({spec.name: make(spec) for spec in SPECS})
    group.params.append(
        click.Option(
            ["--version"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_print_version,
            help="Show the version.",
        )
    )
    return group


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command ``lk-agents``; ends the process."""
    build_group().main(args=arguments if arguments is None else list(arguments), prog_name="lk-agents")
    sys.exit(0)


def run_for(given: WorkerOptions) -> None:
    """Run the command that ``sys.argv`` names for a user's file; ends the process.

    Where the file is loaded for its functions only, by a process that runs jobs, this does nothing.
    """
    if loaded_under_another_name():
        return
    take_over()
    with _in_words(Redactor()):
        _refuse_wrong_place()
        options = chosen_options(_checked(given))
    build_group(options).main(prog_name=f"python {Path(sys.argv[0]).name}")
    sys.exit(0)


def _refuse_wrong_place() -> None:
    """Refuse to run beside a running event loop or in a thread: loop and signals are to be the command's own."""
    import asyncio

    instead = "or run `async with Worker(options)` there instead"
    if (thread := threading.current_thread()) is not threading.main_thread():
        raise ConfigError(f"run_app was called in the thread {thread.name!r}; call it on the main thread, {instead}")
    with suppress(RuntimeError):  # there is no loop, and all is well
        asyncio.get_running_loop()
        raise ConfigError(f"run_app was called while an event loop runs; call it outside of asyncio.run(), {instead}")


def _checked(given: object) -> WorkerOptions:
    from lk_agents.worker.options import WorkerOptions

    if not isinstance(given, WorkerOptions):
        raise ConfigError(f"run_app was given {given!r}; give it a WorkerOptions")
    return given


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"lk-agents {__version__}")
        ctx.exit()


def _command_for(options: WorkerOptions) -> Callable[[CommandSpec], click.Command]:
    """Return what makes the form ``python my_agent.py NAME``."""

    def make(spec: CommandSpec) -> click.Command:
        def call(**params: Any) -> None:
            _finish(spec, Invocation(name=spec.name, params=params, options=options, arguments=_typed()))

        return _Command(spec.name, callback=call, params=spec.params(), help=spec.help, short_help=spec.short_help)

    return make


def _command_with_file(spec: CommandSpec) -> click.Command:
    """Return the form ``lk-agents NAME FILE``."""

    def call(file: str | None = None, **params: Any) -> None:
        typed = _typed()
        if file is not None:
            typed.remove(file)
        with _in_words(Redactor()):
            target = None if file is None else Target.parse(file)
        _finish(spec, Invocation(name=spec.name, params=params, target=target, arguments=typed))

    files = [file_argument(required=spec.needs_file)] if spec.takes_file else []
    return _Command(
        spec.name, callback=call, params=[*files, *spec.params()], help=spec.help, short_help=spec.short_help
    )


def _typed() -> list[str]:
    return list(click.get_current_context().meta[_ARGUMENTS])


def _finish(spec: CommandSpec, call: Invocation) -> NoReturn:
    """Do what was asked for and leave with its exit code."""
    settings = Settings.read()
    call.redactor.add(settings.api_secret, call.params.get("api_secret"))
    if call.options is not None:
        call.redactor.add(call.options.api_secret)
    with _in_words(call.redactor):
        code = spec.before_load(call)
        if code is None:
            code = spec.run(_loaded(call, settings))
    sys.exit(code)


def _loaded(call: Invocation, settings: Settings) -> Invocation:
    """Return the call with the file's options; a file that calls ``run_app`` does not come back from here."""
    if call.target is None:
        return call
    arguments = [call.name, *call.arguments]
    level, log_format = str(call.params["log_level"]), call.params["log_format"]
    with temporary_logging(level, log_format, call.redactor, no_color=settings.no_color):
        try:
            options = load_target(call.target, arguments)
        except (LkAgentsError, SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001  whatever the user's file raises is shown
            _show_failure_of(call.target.path, error, call.redactor)
            sys.exit(FAILED)
    call.redactor.add(options.api_secret)
    return replace(call, options=options)


def _show_failure_of(path: Path, error: BaseException, redactor: Redactor) -> None:
    """Print the traceback from the user's file on; our own frames above it tell nobody anything.

    Of what Python cannot even read, the place and the line say all.
    """
    if isinstance(error, SyntaxError):
        line = f": {error.text.strip()!r}" if error.text else ""
        place = f"{error.filename or path}, line {error.lineno or 1}"
        click.echo(redactor(f"Error: {place}: SyntaxError: {error.msg}{line}; correct it and start again"), err=True)
        return
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != str(path):
        trace = trace.tb_next
    text = "".join(traceback.format_exception(type(error), error, trace))
    click.echo(redactor(f"{text}{path} could not be loaded."), err=True)


@contextmanager
def _in_words(redactor: Redactor) -> Iterator[None]:
    """Turn errors that were raised on purpose into a message and an exit code."""
    try:
        yield
    except LkAgentsError as error:
        click.echo(redactor(f"Error: {error}"), err=True)
        sys.exit(FAILED)
