"""The timeline that the demo prints."""

import io

import pytest
from rich.console import Console

from demo.timeline import STEPS, missing_steps, read_timeline, timeline_table

COMPLETE = {step.mark: 100.0 + number / 10 for number, step in enumerate(STEPS)}


def printed(times: dict[str, float]) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(timeline_table(times))
    output = console.file
    assert isinstance(output, io.StringIO)
    return output.getvalue()


def test_a_logged_timeline_becomes_times_by_name() -> None:
    assert read_timeline([{"name": "offered", "at": 100.5}, {"name": "accepted", "at": 101}]) == {
        "offered": 100.5,
        "accepted": 101.0,
    }


def test_the_first_of_two_equal_marks_counts() -> None:
    assert read_timeline([{"name": "heard", "at": 1}, {"name": "heard", "at": 2}]) == {"heard": 1.0}


@pytest.mark.parametrize("entry", [{"name": "offered"}, {"at": 1}, {"name": "offered", "at": "soon"}])
def test_an_entry_that_is_no_mark_is_shown(entry: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="which is no mark"):
        read_timeline([entry])


def test_what_did_not_happen_is_named_in_order() -> None:
    times = {mark: at for mark, at in COMPLETE.items() if mark not in {"connected", "first_frame_back"}}

    assert [step.label for step in missing_steps(times)] == ["connected", "first frame back"]
    assert missing_steps(COMPLETE) == []


def test_the_table_counts_from_the_offer() -> None:
    rows = printed(COMPLETE).splitlines()

    assert any("offered" in row and " 0 ms" in row for row in rows)
    assert any("connected" in row and " 500 ms" in row for row in rows)


def test_a_process_that_was_ready_before_the_offer_was_warm() -> None:
    assert "warm before" in printed(COMPLETE | {"process_ready": 42.0})


def test_a_step_that_never_happened_is_in_the_table() -> None:
    rows = printed({"offered": 1.0}).splitlines()

    assert sum("never" in row for row in rows) == len(STEPS) - 1
