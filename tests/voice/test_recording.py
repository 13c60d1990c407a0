"""A conversation on paper: what is written, when, and that nothing of it disturbs the conversation."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from lk_agents.testing import VirtualClock
from lk_agents.voice.recording import MAX_LINES, Recording, recording_path
from lk_agents.voice.records import Outcome, TurnRecord

TURN = TurnRecord(turn=1, speech="SP_1", timestamp=1.0, outcome=Outcome.SPOKEN, first_played=0.7)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "turns.jsonl"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


async def test_it_begins_with_the_conversation_and_the_time_of_day(path: Path, lk_clock: VirtualClock) -> None:
    began = lk_clock.wall_seconds()
    await Recording(path, session="AS_1").aclose()

    assert lines(path) == [{"recording": 1, "session": "AS_1", "timestamp": began}]


async def test_what_happens_is_written_with_its_moment(path: Path, lk_clock: VirtualClock) -> None:
    await asyncio.sleep(100)
    recording = Recording(path, session="AS_1")
    await asyncio.sleep(0.25)
    recording.event("user_started_speaking")
    recording.vad(0.98765)
    await asyncio.sleep(5)
    recording.turn(TURN)
    await recording.aclose()

    assert lines(path)[1:] == [
        {"at": 0.25, "event": "user_started_speaking"},
        {"at": 0.25, "vad": 0.988},
        {"at": 5.25, "turn": TURN.to_dict()},
    ]


@pytest.mark.usefixtures("lk_clock")
async def test_probabilities_are_written_ten_times_a_second_at_most(path: Path) -> None:
    recording = Recording(path, session="AS_1")
    for _ in range(100):
        recording.vad(0.5)
        await asyncio.sleep(0.032)
    await recording.aclose()

    moments = [line["at"] for line in lines(path)[1:]]
    assert 20 <= len(moments) <= 32
    assert all(later - earlier >= 0.1 - 1e-9 for earlier, later in pairwise(moments))


@pytest.mark.usefixtures("lk_clock")
async def test_what_happened_is_in_the_file_a_second_later_and_the_file_is_closed(path: Path) -> None:
    recording = Recording(path, session="AS_1")
    recording.event("agent_started_speaking")
    await asyncio.sleep(1.1)

    assert len(lines(path)) == 2
    path.rename(path.with_suffix(".old"))  # a file that is open would be written under its old name
    recording.event("agent_stopped_speaking")
    await recording.aclose()
    assert [line["event"] for line in lines(path)] == ["agent_stopped_speaking"]


async def test_it_is_written_by_another_thread(path: Path) -> None:
    writers: list[str] = []

    class Watched(type(path)):  # type: ignore[misc]
        def open(self, *args: Any, **options: Any) -> Any:
            writers.append(threading.current_thread().name)
            return super().open(*args, **options)

    recording = Recording(Watched(path), session="AS_1")
    await recording.aclose()

    assert writers
    assert threading.current_thread().name not in writers


async def test_an_older_file_is_replaced(path: Path) -> None:
    path.write_text("an older conversation\n")
    await Recording(path, session="AS_2").aclose()

    assert [line["session"] for line in lines(path)] == ["AS_2"]


async def test_after_the_end_nothing_is_recorded_and_closing_again_does_nothing(path: Path) -> None:
    recording = Recording(path, session="AS_1")
    await recording.aclose()
    recording.event("user_started_speaking")
    await recording.aclose()

    assert len(lines(path)) == 1


async def test_a_file_that_cannot_be_written_is_logged_once_and_hurts_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "lk_agents"):
        recording = Recording(tmp_path / "missing" / "turns.jsonl", session="AS_1")
        await recording.aclose()
        recording.event("user_started_speaking")
        await recording.aclose()

    assert caplog.messages == ["a recording cannot be written; nothing more is recorded"]


@pytest.mark.usefixtures("lk_clock")
async def test_what_does_not_fit_is_left_out_and_counted(path: Path) -> None:
    recording = Recording(path, session="AS_1")
    for _ in range(MAX_LINES + 4):
        recording.event("user_started_speaking")
    await asyncio.sleep(1.1)
    recording.event("user_stopped_speaking")
    await recording.aclose()

    written = lines(path)
    assert len(written) == MAX_LINES + 2
    assert written[-2]["dropped"] == 5
    assert written[-1]["event"] == "user_stopped_speaking"


@pytest.mark.usefixtures("lk_clock")
async def test_a_gap_at_the_end_is_told_too(path: Path) -> None:
    recording = Recording(path, session="AS_1")
    for _ in range(MAX_LINES + 4):
        recording.event("user_started_speaking")
    await recording.aclose()

    assert lines(path)[-1]["dropped"] == 5


@pytest.mark.parametrize(
    ("plotting", "expected"),
    [(False, None), ("", None), (True, Path("AS_1.turns.jsonl")), ("a/b.jsonl", Path("a/b.jsonl"))],
)
def test_an_agent_records_where_it_is_told_to(plotting: bool | str, expected: Path | None) -> None:
    assert recording_path(plotting, "AS_1") == expected
