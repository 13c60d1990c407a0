"""``console``: talk to the agent here, without a server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lk_agents.cli import env_file, params
from lk_agents.cli.command import CommandSpec, Invocation
from lk_agents.foundation.errors import ConfigError

if TYPE_CHECKING:
    from lk_agents.cli.console_run import ConsoleWishes

__all__ = ["SPEC"]

_HELP = """Talk to the agent here, without a server: by microphone and speaker, by keyboard, or with files.

The job runs in this process, in a room called "console" with one participant, "console-user"; breakpoints work. On a
terminal, what you type is a message to the agent, too. Microphone and speaker need: pip install 'lk-agents[console]'.
Without --env-file, a .env in the current folder or beside the file is read.

\b
Examples:
  lk-agents console my_agent.py
  lk-agents console my_agent.py --text                        type and read
  lk-agents console my_agent.py --input a.wav --output b.wav  no device at all
  lk-agents console --list-devices
  echo 'What time is it?' | python my_agent.py console --text
"""


def _params() -> list[click.Parameter]:
    return [
        click.Option(["--text"], is_flag=True, help="Type to the agent, and read what it says."),
        click.Option(
            ["--input", "source"],
            metavar="WAV",
            help="Speak what is in this file; the words of the agent are shown, and heard in --output.",
        ),
        click.Option(["--output", "sink"], metavar="WAV", help="Write the agent's voice to this file."),
        click.Option(
            ["--record"], metavar="WAV", help="Write the conversation to this file: you on the left, the agent right."
        ),
        click.Option(["--input-device"], metavar="DEVICE", help="The microphone: its number, or a part of its name."),
        click.Option(["--output-device"], metavar="DEVICE", help="The speaker, in the same way."),
        click.Option(["--list-devices"], is_flag=True, help="List the sound devices, and do nothing else."),
        click.Option(
            ["--echo-cancellation/--no-echo-cancellation"],
            default=True,
            show_default=True,
            help="Take the agent's own voice out of what the microphone hears.",
        ),
        click.Option(
            ["--end-silence"],
            type=click.FloatRange(min=0.0),
            default=5.0,
            show_default=True,
            metavar="SECONDS",
            help="With --input or a pipe: end when all was said and the agent has been silent for so long.",
        ),
        click.Option(
            ["--begin-within"],
            type=click.FloatRange(min=0.0),
            default=30.0,
            show_default=True,
            metavar="SECONDS",
            help="With a pipe: fail when the agent has begun no conversation so long after the last line.",
        ),
        *params.logs("WARNING"),
        *params.env_file(".env"),
    ]


def _before_load(call: Invocation) -> int | None:
    if call.params["list_devices"]:
        return _list_devices()
    if call.target is None and call.options is None:
        raise click.UsageError("Missing argument 'FILE[:NAME]'.")
    _refuse_contradictions(call.params)
    wishes = _wishes(call.params)
    for path in (wishes.sink, wishes.record):
        if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
            raise ConfigError(f"the file {str(path)!r} cannot be written: its folder does not exist, or it is one")
    if wishes.needs_microphone or wishes.needs_speaker:
        from lk_agents.media.console import load_sounddevice

        load_sounddevice()  # what is missing is said before anything runs
    env_file.apply(call, use_default=True)
    return None


def _refuse_contradictions(given: Mapping[str, Any]) -> None:
    for one, others in {
        "text": ("source", "sink", "record", "input_device", "output_device"),
        "source": ("input_device", "output_device"),
        "sink": ("output_device",),
    }.items():
        for other in others:
            if given[one] and given[other]:
                raise click.UsageError(f"{_option(one)} and {_option(other)} exclude each other.")


def _option(name: str) -> str:
    return "--" + {"source": "input", "sink": "output"}.get(name, name).replace("_", "-")


def _wishes(given: Mapping[str, Any]) -> ConsoleWishes:
    from lk_agents.cli.console_run import ConsoleWishes

    path: Callable[[str], Path | None] = lambda name: Path(given[name]) if given[name] else None  # noqa: E731
    return ConsoleWishes(
        text=given["text"],
        source=path("source"),
        sink=path("sink"),
        record=path("record"),
        input_device=given["input_device"],
        output_device=given["output_device"],
        echo_cancellation=given["echo_cancellation"],
        end_silence=given["end_silence"],
        begin_within=given["begin_within"],
    )


def _list_devices() -> int:
    from rich.table import Table

    from lk_agents.cli.screen import print_renderable
    from lk_agents.media.console import list_devices

    table = Table("number", "device", "inputs", "outputs", "default for", box=None)
    for each in list_devices():
        table.add_row(str(each.number), each.name, str(each.inputs), str(each.outputs), ", ".join(each.default))
    print_renderable(table)
    return 0


def _run(call: Invocation) -> int:
    from lk_agents.cli.console_run import run_console

    return run_console(call, _wishes(call.params))


SPEC = CommandSpec(
    name="console",
    short_help="Talk to the agent here, without a server.",
    help=_HELP,
    params=_params,
    run=_run,
    before_load=_before_load,
    needs_file=False,
)
