"""Each known defect of the older framework has a test that names it, so that none comes back unseen."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent

DEFECTS = {
    1: "a drain skipped processes and was over while jobs still ran",
    2: "a drain that took too long was an error that nobody caught, and the worker was never closed",
    3: "a server that closes each connection at once was called again without any pause",
    4: "a load function that raised cost the connection",
    5: "the path of the server's URL was lost",
    6: "closing the pool while a process was starting never ended",
    7: "an idle process that died was not replaced, and the job that was given to it was lost",
    8: "a process whose prewarm raised lived on, and the worker heard of an error that was not the user's",
    9: "a thread whose prewarm raised was offered as ready",
    10: "a prewarm that always fails was tried again without a pause, and jobs waited for it for ever",
    11: "an entrypoint that raised before it connected left a job that never ended, or ended as a success",
    12: "at the end of a job its entrypoint was neither awaited nor cancelled",
    13: "one failing shutdown callback cut off the others, and there was no limit to them all",
    14: "bound methods, partials and callable objects failed as shutdown callbacks",
    15: "several participant entrypoints disturbed each other, their errors were silent, late ones saw nobody",
    16: "waiting for a participant went on after the room was gone, and left its listeners behind",
    17: "the attributes that were given with the yes never reached the job",
    18: "the delay that was warned about was the worker's own, not that of the process",
    19: "an assignment that came too late was swallowed, and the server took the job for running",
    20: "a worker that was draining or full asked the user all the same, who could answer several times",
    21: "the last statuses of jobs were not sent, because the connection was closed before the pool",
    22: "a callback for once got every argument and could not be taken off again",
    23: "the hook for slow callbacks was put upon itself with each call",
    24: "closing a connection pool did not cancel what it was opening in advance",
    25: "a worker that failed ended with the exit code 0",
    26: "one answer too many ended inference, and a dead process was not replaced and left its callers waiting",
    27: "an expired token ended what carries jobs over a reload",
    28: "a reload killed jobs long before their time to end was over",
    29: "the log said an object where it should have said the threshold",
    30: "credentials given in code did not reach the API of a job",
    31: "a job that waited for a process kept the closing worker waiting for ever",
}
"""Number -> what went wrong there. The numbers are those of ``test_xNN_…``."""

NAME = re.compile(r"test((?:_x\d+)+)_\w+")


def numbers(name: str) -> list[str]:
    """Return the numbers of the defects that a test names, as it writes them."""
    match = NAME.fullmatch(name)
    return re.findall(r"\d+", match[1]) if match else []


def named(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield number and test for each defect that a test of the folder names; nothing is imported."""
    for path in sorted(folder.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from ((number, f"{path.name}: {node.name}") for number in numbers(node.name))


def test_every_known_defect_has_a_test_that_names_it() -> None:
    there = {number for number, _ in named(TESTS)}

    missing = [f"test_x{number:02}_…: {what}" for number, what in DEFECTS.items() if f"{number:02}" not in there]
    assert not missing, "no test names these:\n" + "\n".join(missing)


def test_every_test_that_names_a_defect_names_a_known_one_with_two_digits() -> None:
    known = {f"{number:02}" for number in DEFECTS}

    assert [test for number, test in named(TESTS) if number not in known] == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("test_x07_dead_idle_process_is_replaced", ["07"]),
        ("test_x17_x27_jobs_are_resumed", ["17", "27"]),
        ("test_x7_a_process", ["7"]),
        ("test_x_y", []),
        ("test_an_x07_b", []),
        ("x07_a", []),
    ],
)
def test_numbers_are_read_from_the_names_of_tests(name: str, expected: list[str]) -> None:
    assert numbers(name) == expected
