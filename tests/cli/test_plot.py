"""``plot``: from a recording to a picture, and what is said where that does not work."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from matplotlib.patches import Rectangle

from lk_agents.cli.main import build_group
from lk_agents.cli.plot_data import read_recording
from lk_agents.cli.plot_figure import FORMATS, build_figure
from lk_agents.foundation.errors import ConfigError
from lk_agents.testing.providers import Heard
from lk_agents.testing.session import ScriptedCall
from lk_agents.voice.recording import Recording
from lk_agents.voice.records import Outcome, TurnRecord

PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"
TURN = TurnRecord(
    turn=1,
    speech="SP_1",
    timestamp=1000.0,
    outcome=Outcome.SPOKEN,
    decision=0.5,
    final_text=0.3,
    llm_requested=0.5,
    first_token=0.9,
    first_audio=1.1,
    first_played=1.25,
    ended=4.0,
)
STALLED = TurnRecord(
    turn=2, speech="SP_2", timestamp=1010.0, outcome=Outcome.FAILED, decision=0.5, ended=8.0, dead_air=("tool", "tool")
)
RECORDED: list[dict[str, Any]] = [
    {"recording": 1, "session": "VS_1", "timestamp": 990.0},
    {"at": 1.0, "event": "user_started_speaking"},
    {"at": 1.1, "vad": 0.9},
    {"at": 3.0, "event": "user_stopped_speaking"},
    {"at": 3.1, "vad": 0.1, "volume": 0.2},
    {"at": 4.25, "event": "agent_started_speaking"},
    {"at": 7.0, "turn": TURN.to_dict()},
    {"at": 9.0, "event": "something else"},
]


def written(folder: Path, *lines: dict[str, Any] | str) -> Path:
    """Write a recording of these lines."""
    path = folder / "VS_1.turns.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n")
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(build_group(), ["plot", *map(str, arguments)])


@pytest.mark.parametrize(("ending", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_a_recording_becomes_a_picture(tmp_path: Path, ending: str, begins: bytes) -> None:
    output = tmp_path / f"turns.{ending}"

    result = run(written(tmp_path, *RECORDED), "--output", output)

    assert (result.exit_code, result.output) == (0, f"{output}\n")
    assert output.read_bytes().startswith(begins)
    assert len(output.read_bytes()) > 5000


def test_by_default_the_picture_lies_beside_the_recording(tmp_path: Path) -> None:
    result = run(written(tmp_path, TURN.to_dict()))

    assert result.exit_code == 0
    assert (tmp_path / "VS_1.turns.png").exists()


async def test_what_an_agent_records_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "turns.jsonl"
    recording = Recording(path, session="VS_7")
    recording.event("user_started_speaking")
    recording.vad(0.7)
    recording.turn(TURN)
    await recording.aclose()

    data = await asyncio.to_thread(read_recording, path)
    assert data.session == "VS_7"
    assert [record for _, record in data.turns] == [TURN]
    assert len(data.speech["user"]) == len(data.series["vad"]) == 1


async def test_help_and_page_name_files_as_an_agent_names_them(
    lk_session: Callable[..., ScriptedCall], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def form(name: str) -> str:
        return re.sub(r"[0-9a-f]{12}", "ID", name)

    monkeypatch.chdir(tmp_path)
    await lk_session([Heard("Hello there", 1.0, 2.0)], ["Hello."], plotting=True).run(5.0)
    (recording,) = tmp_path.iterdir()

    for text in (run("--help").output, PAGE.read_text()):
        named = set(re.findall(r"\w+\.turns\.jsonl", text))
        assert {form(name) for name in named} == {form(recording.name)}


def test_everything_has_its_place_on_the_time_line(tmp_path: Path) -> None:
    data = read_recording(written(tmp_path, *RECORDED))

    assert data.turns == [(3.0, TURN)]
    assert data.speech == {"user": [(1.0, 3.0)], "agent": [(4.25, 9.0)]}
    assert data.series == {"vad": [(1.1, 0.9), (3.1, 0.1)], "volume": [(3.1, 0.2)]}


def test_records_alone_have_no_time_line(tmp_path: Path) -> None:
    data = read_recording(written(tmp_path, TURN.to_dict(), STALLED.to_dict()))

    assert data.turns == [(None, TURN), (None, STALLED)]
    assert not data.has_timeline


def test_bars_are_as_long_as_the_stages_took_and_say_what_became_of_the_turn(tmp_path: Path) -> None:
    figure = build_figure(read_recording(written(tmp_path, TURN.to_dict(), STALLED.to_dict())))

    (axes,) = figure.axes
    bars = [bar.get_width() for bar in axes.patches if isinstance(bar, Rectangle)]
    widths = [round(width, 3) for width in bars if width]
    assert widths == [0.5, 0.4, 0.2, 0.15, 0.5]
    assert [text.get_text() for text in axes.texts] == ["1.250 s · spoken", "failed · dead air: tool, tool"]


def test_the_time_line_shows_who_spoke_and_when_turns_were_decided(tmp_path: Path) -> None:
    figure = build_figure(read_recording(written(tmp_path, *RECORDED)))

    timeline, _ = figure.axes
    assert [text.get_text() for text in timeline.texts] == ["1"]
    assert timeline.get_legend_handles_labels()[1] == ["user speaks", "agent speaks", "vad", "volume"]


def test_a_line_that_was_not_written_to_its_end_is_left_out(tmp_path: Path) -> None:
    data = read_recording(written(tmp_path, TURN.to_dict(), '{"at": 3.0, "ev'))

    assert len(data.turns) == 1


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((), "holds nothing to be drawn"),
        (({"at": 1.0, "event": "something else"},), "holds nothing to be drawn"),
        (("what is this",), "line 1, is no JSON"),
        (("nonsense", TURN.to_dict()), "line 1, is no JSON"),
        (("[1, 2]",), "line 1, is no JSON object"),
        (({"outcome": "spoken"},), "line 1, is no line of a recording"),
        (({"at": 1.0, "turn": "SP_1"},), "line 1, is no line of a recording"),
        (({"at": "soon", "vad": 0.5},), "line 1, is no line of a recording"),
    ],
)
def test_what_is_no_recording_is_an_error_that_names_the_line(
    tmp_path: Path, lines: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        read_recording(written(tmp_path, *lines))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = run(tmp_path / "missing.jsonl")

    assert result.exit_code == 1
    assert "missing.jsonl cannot be read" in result.output


def test_another_format_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    result = run(written(tmp_path, TURN.to_dict()), "--output", tmp_path / "turns.gif")

    assert result.exit_code == 1
    assert all(f".{each}" in result.output for each in FORMATS)


def test_a_picture_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    result = run(written(tmp_path, TURN.to_dict()), "--output", tmp_path / "missing" / "turns.png")

    assert result.exit_code == 1
    assert "turns.png cannot be written" in result.output


def test_without_matplotlib_the_remedy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, TURN.to_dict())
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)

    result = run(path)

    assert result.exit_code == 1
    assert "pip install 'lk-agents[plot]'" in result.output
    assert "Traceback" not in result.output
