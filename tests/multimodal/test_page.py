"""The page about speech-to-speech agents cannot drift from the code: its examples run, its tables are complete."""

from __future__ import annotations

import asyncio
import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest

from lk_agents.media import EndPolicy
from lk_agents.media.surroundings import GRACE_SECONDS, use_session_io
from lk_agents.multimodal import EventTypes, MultimodalAgent
from lk_agents.multimodal.settings import MultimodalOptions, MultimodalSettings
from lk_agents.testing.session_io import MemorySessionIO

PAGE = Path(__file__).resolve().parents[2] / "docs" / "multimodal.md"
TEXT = PAGE.read_text(encoding="utf-8")
PROGRAM, TEST = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def table(name: str) -> list[list[str]]:
    """Return the cells of a table's rows, without its head."""
    text = TEXT.partition(f"<!-- {name}: begin -->\n")[2].partition(f"<!-- {name}: end -->")[0]
    rows = [line.strip().strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip().replace("`", "") for cell in row] for row in rows[2:]]


def test_every_option_is_in_the_table_with_its_default() -> None:
    found = {name: default for name, default, _ in table("options")}

    signature = {name: one.default for name, one in inspect.signature(MultimodalAgent).parameters.items()}
    expected = {name: str(default) for name, default in signature.items() if name != "more"}
    expected["model"] = "required"
    options = MultimodalOptions()
    settings = list(MultimodalSettings.__annotations__)
    expected |= {name: str(getattr(options, name, getattr(options.turn, name, None))) for name in settings}
    expected |= {"transcription": "AgentTranscriptionOptions()", "dead_air_policy": "DeadAirPolicy()"}
    expected |= {"end_policy": f'"{EndPolicy.MANUAL}"', "grace_seconds": str(GRACE_SECONDS)}
    assert found == expected


def test_every_event_is_in_the_table() -> None:
    found = [name for row in table("events") for name in row[0].split(", ")]

    assert sorted(found) == sorted(get_args(EventTypes))


async def test_the_first_program_greets(lk_clock: object) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(PROGRAM, "docs/multimodal.md", "exec"), names)
    io = MemorySessionIO()

    class Context:
        room = SimpleNamespace(name="harbour")

        async def connect(self) -> None:
            return

        async def wait_for_participant(self) -> str:
            return "caller"

    with use_session_io(lambda request: io):
        await names["entrypoint"](Context())
        await asyncio.sleep(3.0)
    io.end("the user has left")
    await asyncio.sleep(0.1)

    assert [segment.text for segment in io.text.shown] == ["Good morning, how can I help?"]
    assert io.closed


@pytest.mark.e2e
def test_the_example_of_a_test_passes(tmp_path: Path) -> None:
    file = tmp_path / "test_example.py"
    file.write_text(TEST, encoding="utf-8")
    options = ["-q", "-W", "error", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto"]
    loops = ["-o", "asyncio_default_fixture_loop_scope=function"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *loops, str(file)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
