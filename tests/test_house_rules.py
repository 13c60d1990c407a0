"""Core code has one source of time, ids, chance and environment, so that a test can own it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CORE = Path(__file__).resolve().parent.parent / "core" / "lk_agents"

HOMES = {
    "time": {"foundation/clock.py"},
    "uuid": {"foundation/ids.py"},
    "random": {"foundation/ids.py"},
    "secrets": {"foundation/ids.py"},
}
"""Modules that core code may not import, and the files that may."""

NOW = {"now", "utcnow", "today"}
"""What of ``datetime`` reads the clock; the rest only computes."""

ENVIRONMENT = {"environ", "environb", "getenv", "putenv", "unsetenv"}
ENVIRONMENT_HOMES = {"foundation/settings.py"}

ALLOWED: dict[str, str] = {
    "cli/env_file.py: os.environ": "a child process gets the environment whole, with what the env file adds",
    "testing/conformance/plugin_probe.py: os.environ": "it looks at what loading a plugin changes, in its own process",
}
"""``file: what`` -> why this one place may."""


def findings(tree: ast.AST, file: str) -> Iterator[str]:
    """Yield ``file: what`` for each thing that the file takes from elsewhere than the foundation."""
    for node in ast.walk(tree):
        for name in _imported(node):
            if file not in HOMES.get(name, {file}):
                yield f"{file}: {name}"
        if isinstance(node, ast.Attribute) and node.attr in NOW and _last_name(node.value) in {"datetime", "date"}:
            yield f"{file}: {ast.unparse(node)}"
        for name in _environment(node):
            if file not in ENVIRONMENT_HOMES:
                yield f"{file}: {name}"


def _last_name(node: ast.expr) -> str:
    return ast.unparse(node).rpartition(".")[2]


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [(node.module or "").partition(".")[0]]
    return []


def _environment(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Attribute) and node.attr in ENVIRONMENT:
        return [f"{ast.unparse(node)}"] if isinstance(node.value, ast.Name) and node.value.id == "os" else []
    if isinstance(node, ast.ImportFrom) and node.module == "os":
        return [f"os.{alias.name}" for alias in node.names if alias.name in ENVIRONMENT]
    return []


def found_in_core() -> set[str]:
    return {
        finding
        for path in sorted(CORE.rglob("*.py"))
        for finding in findings(ast.parse(path.read_text(encoding="utf-8")), path.relative_to(CORE).as_posix())
    }


def test_time_ids_chance_and_environment_come_from_the_foundation() -> None:
    unexpected = sorted(found_in_core() - ALLOWED.keys())

    assert not unexpected, "ask lk_agents.foundation (clock, ids, settings) instead of:\n" + "\n".join(unexpected)


def test_each_exception_from_the_rule_is_still_needed() -> None:
    assert set(ALLOWED) <= found_in_core()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import time", {"x.py: time"}),
        ("import os, random as r", {"x.py: random"}),
        ("datetime.datetime.now(tz)", {"x.py: datetime.datetime.now"}),
        ("datetime.utcnow()", {"x.py: datetime.utcnow"}),
        ("from datetime import datetime\ndatetime.fromtimestamp(0)", set()),
        ("self.now()", set()),
        ("def f():\n    import uuid", {"x.py: uuid"}),
        ("import timeit, lk_agents.time", set()),
        ("from lk_agents.foundation import clock", set()),
        ("import os\nos.environ['A']", {"x.py: os.environ"}),
        ("import os\nos.getenv('A')", {"x.py: os.getenv"}),
        ("from os import environ", {"x.py: os.environ"}),
        ("settings.environ", set()),
    ],
)
def test_the_rule_finds_what_it_forbids(source: str, expected: set[str]) -> None:
    assert set(findings(ast.parse(source), "x.py")) == expected
