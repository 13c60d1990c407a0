"""What the commands say of themselves, and that the documentation says the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from lk_agents.cli.main import SPECS, build_group
from lk_agents.worker.options import WorkerOptions

PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"
NAMES = [spec.name for spec in SPECS]


async def entry(ctx: object) -> None: ...


def with_file() -> click.Group:
    return build_group()


def inside() -> click.Group:
    return build_group(WorkerOptions(entry))


def section(name: str) -> str:
    """Return what the page says under the command's heading."""
    parts = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)
    return next(part for part in parts if part.startswith(f"`{name}`"))


def options(command: click.Command) -> Iterator[click.Option]:
    for param in command.params:
        if isinstance(param, click.Option) and not param.hidden:
            yield param


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_documented_with_exactly_its_options(name: str) -> None:
    real = {flag for option in options(with_file().commands[name]) for flag in [*option.opts, *option.secondary_opts]}
    documented = set(re.findall(r"^\| `(--[\w-]+)", section(name), flags=re.MULTILINE)) | set(
        re.findall(r"^\| `--[\w-]+[^`]*`, `(--[\w-]+)`", section(name), flags=re.MULTILINE)
    )

    assert documented == real


@pytest.mark.parametrize("name", NAMES)
def test_documented_defaults_are_the_real_ones(name: str) -> None:
    text = section(name)
    for option in options(with_file().commands[name]):
        if option.show_default and not option.is_flag:
            row = next(line for line in text.splitlines() if line.startswith(f"| `{option.opts[0]}"))
            assert f"| `{option.default}` |" in row


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("group", [with_file, inside])
def test_the_help_of_every_command_has_examples(group: object, name: str) -> None:
    result = CliRunner().invoke(group(), [name, "--help"])  # type: ignore[operator]

    assert result.exit_code == 0
    assert "Examples:" in result.output
    assert f" {name}" in result.output


def test_both_forms_have_the_same_commands_and_options() -> None:
    for name in NAMES:
        ours, theirs = with_file().commands[name], inside().commands[name]
        assert [option.name for option in options(ours)] == [option.name for option in options(theirs)]
    assert not any(isinstance(param, click.Argument) for param in inside().commands["start"].params)


def test_without_a_command_there_is_help_and_an_exit_code_for_wrong_usage() -> None:
    result = CliRunner().invoke(with_file(), [])

    assert result.exit_code == 2
    assert "Examples:" in result.output


def test_the_version_can_be_asked_for() -> None:
    from lk_agents.foundation.version import __version__

    assert CliRunner().invoke(with_file(), ["--version"]).output == f"lk-agents {__version__}\n"


@pytest.mark.parametrize("value", ["-1", "soon"])
def test_a_drain_time_that_is_none_is_refused(value: str) -> None:
    result = CliRunner().invoke(inside(), ["start", "--drain-timeout", value])

    assert result.exit_code == 2
    assert "--drain-timeout" in result.output


@pytest.mark.parametrize("arguments", [["start"], ["start", "a.py", "b.py"]])
def test_no_file_or_one_too_many_is_wrong_usage(arguments: list[str]) -> None:
    assert CliRunner().invoke(with_file(), arguments).exit_code == 2


@pytest.mark.parametrize("arguments", [["start", "missing.py"], ["dev", "."]])
def test_a_file_that_is_not_there_is_a_wrong_set_up(arguments: list[str]) -> None:
    assert CliRunner().invoke(with_file(), arguments).exit_code == 1


def test_the_page_shows_every_command_and_no_other() -> None:
    shown = set(re.findall(r"^\$ (?:lk-agents|python my_agent\.py) (\S+)", PAGE.read_text(), flags=re.MULTILINE))

    assert shown == {*NAMES}
