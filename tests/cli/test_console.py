"""The command ``console``: its usage, its screen, its table of a turn."""

from __future__ import annotations

import io
import logging
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console
from tests.media.console import fake_sounddevice

from lk_agents.cli.console_host import ConsoleHost
from lk_agents.cli.console_screen import ConsoleScreen
from lk_agents.cli.main import build_group
from lk_agents.cli.turn_table import turn_table
from lk_agents.foundation.errors import InferenceError
from lk_agents.hooks import InferenceRunnerRecord
from lk_agents.hooks.registry import PluginRegistry
from lk_agents.media import TextSegment
from lk_agents.voice.records import Outcome, TurnRecord
from lk_agents.worker.options import WorkerOptions


async def entry(ctx: object) -> None: ...


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(build_group(WorkerOptions(entry)), ["console", *arguments])
    return result.exit_code, result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("--text", "--input", "a.wav"),
        ("--text", "--output", "a.wav"),
        ("--text", "--input-device", "1"),
        ("--input", "a.wav", "--input-device", "1"),
        ("--output", "a.wav", "--output-device", "1"),
    ],
)
def test_what_contradicts_itself_is_wrong_usage(arguments: tuple[str, ...]) -> None:
    code, output = run(*arguments)

    assert code == 2
    assert "exclude each other" in output


def test_without_a_file_there_is_nothing_to_talk_to() -> None:
    result = CliRunner().invoke(build_group(), ["console", "--text"])

    assert result.exit_code == 2
    assert "Missing argument 'FILE" in result.output


def test_a_missing_package_is_told_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    code, output = run()

    assert code == 1
    assert "pip install 'lk-agents[console]'" in output


def test_an_output_file_in_no_folder_is_told_before_anything_runs(tmp_path: Path) -> None:
    code, output = run("--input", "a.wav", "--output", str(tmp_path / "missing" / "b.wav"))

    assert code == 1
    assert "cannot be written" in output


def test_devices_are_listed_without_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", fake_sounddevice)
    result = CliRunner().invoke(build_group(), ["console", "--list-devices"])

    assert result.exit_code == 0
    assert [line.split() for line in result.output.splitlines()[1:]] == [
        ["0", "Fake", "Microphone", "1", "0", "input"],
        ["1", "Fake", "Speaker", "0", "2", "output"],
    ]


# --- the screen ------------------------------------------------------------------------------------------------------


class Terminal:
    """What a terminal of that width shows: a line that is drawn anew replaces itself."""

    def __init__(self, *, live: bool = True, width: int = 40) -> None:
        self.file = io.StringIO()
        self.screen = ConsoleScreen(self.file, live=live, width=width, no_color=True)

    @property
    def raw(self) -> str:
        return self.file.getvalue()

    @property
    def lines(self) -> list[str]:
        """What is to be seen."""
        lines = [line.split("\r\x1b[K")[-1] for line in self.raw.split("\n")]
        return [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in lines]


def said(text: str, *, final: bool = True, segment_id: str = "1") -> TextSegment:
    return TextSegment(participant="somebody", id=segment_id, text=text, final=final)


def test_what_is_final_stays_and_what_is_not_is_replaced() -> None:
    terminal = Terminal()
    terminal.screen.show_state("listening")
    terminal.screen.show_text(said("what", final=False), by_user=True)
    assert terminal.lines == ["[listening] you: what"]
    terminal.screen.show_text(said("what time is it"), by_user=True)
    terminal.screen.show_state("speaking")
    terminal.screen.show_text(said("It is", final=False, segment_id="2"), by_user=False)

    assert terminal.lines == ["you: what time is it", "[speaking] agent: It is"]


def test_where_there_is_no_terminal_only_what_is_final_is_written() -> None:
    terminal = Terminal(live=False)
    terminal.screen.show_state("speaking")
    terminal.screen.show_text(said("It is", final=False), by_user=False)
    terminal.screen.show_text(said("It is noon."), by_user=False)
    terminal.screen.clear()

    assert terminal.raw == "agent: It is noon.\n"


def test_a_long_answer_is_printed_whole() -> None:
    terminal = Terminal(live=False)
    text = " ".join(f"word{n}" for n in range(200))
    terminal.screen.show_text(said(text), by_user=False)

    assert terminal.raw == f"agent: {text}\n"


def test_the_lowest_line_is_never_longer_than_the_terminal_and_shows_the_newest_words() -> None:
    terminal = Terminal(width=40)
    terminal.screen.show_state("speaking")
    for count in range(1, 60):
        terminal.screen.show_text(said("漢字 " * count + "end", final=False), by_user=False)
        (line,) = terminal.lines
        assert len(line.encode("utf-16-le")) // 2 <= 39
        assert line.startswith("[speaking]")
        assert line.rstrip().endswith("end")


def test_a_piece_is_printed_once_however_often_it_is_published() -> None:
    terminal = Terminal(live=False)
    for _ in range(2):
        terminal.screen.show_text(said("hello"), by_user=True)
    terminal.screen.show_text(said("hello again"), by_user=True)

    assert terminal.raw == "you: hello\nyou: hello again\n"


def test_empty_pieces_are_not_printed() -> None:
    terminal = Terminal()
    terminal.screen.show_text(said("hm", final=False), by_user=True)
    terminal.screen.show_text(said("  "), by_user=True)

    assert terminal.lines == [""]


def test_what_was_said_cannot_command_the_terminal() -> None:
    terminal = Terminal(live=False)
    terminal.screen.show_text(said("a\x1b[2Jb\x07c\x9bd\n[red]e[/red] :smile:"), by_user=False)

    assert terminal.raw == "agent: a [2Jb c d [red]e[/red] :smile:\n"


def test_a_line_of_the_log_has_the_line_for_itself() -> None:
    terminal = Terminal()
    terminal.screen.show_state("thinking")
    assert terminal.screen.before_log(logging.makeLogRecord({}))
    terminal.file.write("a line of the log\n")
    terminal.screen.show_state("speaking")

    assert terminal.lines == ["a line of the log", "[speaking]"]


def test_what_the_output_cannot_encode_is_shown_as_well_as_it_goes() -> None:
    raw = io.BytesIO()
    screen = ConsoleScreen(io.TextIOWrapper(raw, encoding="ascii"), live=False)
    screen.show_text(said("naïve 漢"), by_user=False)

    assert raw.getvalue() == b"agent: na?ve ?\n"


def test_a_screen_that_nobody_reads_any_more_does_no_harm() -> None:
    terminal = Terminal()
    terminal.file.close()

    terminal.screen.show_state("thinking")
    terminal.screen.show_text(said("hello"), by_user=True)


# --- the table of a turn ---------------------------------------------------------------------------------------------


def test_the_table_of_a_turn_says_when_each_stage_came_and_how_long_it_took() -> None:
    record = TurnRecord(
        turn=3,
        speech="SP_1",
        timestamp=0.0,
        outcome=Outcome.SPOKEN,
        decision=0.5,
        final_text=0.31,
        llm_requested=0.5,
        first_token=1.25,
        first_played=1.4,
        tool_calls=2,
        tool_seconds=0.8,
        dead_air=("llm",),
    )
    file = io.StringIO()
    Console(file=file, width=80).print(turn_table(record))
    title, _, *rows = [line.split() for line in file.getvalue().splitlines()]

    assert title == ["turn", "3:", "spoken"]
    assert rows == [
        ["turn", "decided", "500", "ms", "500", "ms"],
        ["last", "text", "310", "ms", "0", "ms"],
        ["model", "asked", "500", "ms", "0", "ms"],
        ["first", "token", "1,250", "ms", "750", "ms"],
        ["first", "frame", "played", "1,400", "ms", "150", "ms"],
        ["2", "tool", "calls", "800", "ms"],
        ["stalled:", "llm"],
    ]


# --- what a job asks of its process ----------------------------------------------------------------------------------


class Doubler:
    loaded = 0

    def initialize(self) -> None:
        Doubler.loaded += 1

    def run(self, data: bytes) -> bytes:
        return data * 2 if data else data[1:1] + bytes([1 // len(data)])


def host_with(*records: InferenceRunnerRecord) -> ConsoleHost:
    registry = PluginRegistry()
    registry.add_own({"lk_agents_register_inference_runners": lambda: records}, name="doubling")
    return ConsoleHost(registry)


async def test_an_inference_runner_is_loaded_once_when_it_is_first_asked() -> None:
    Doubler.loaded = 0
    host = host_with(InferenceRunnerRecord("double", Doubler))
    assert Doubler.loaded == 0

    assert [await host.do_inference("double", b"ab"), await host.do_inference("double", b"c")] == [b"abab", b"cc"]
    assert Doubler.loaded == 1


async def test_an_inference_that_fails_is_an_error_that_names_the_method() -> None:
    host = host_with(InferenceRunnerRecord("double", Doubler))

    with pytest.raises(InferenceError, match="double: ZeroDivisionError"):
        await host.do_inference("double", b"")
    with pytest.raises(InferenceError, match="no inference runner for 'triple'; there are: double"):
        await host.do_inference("triple", b"x")
