"""What docs/testing.md says of scripted vendors and leaks is true: its examples run, its table is complete."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from lk_agents.testing.vendor import FaultKind

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "testing.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return next(part for part in PAGE.split("\n## ") if part.startswith(title))


EXAMPLES = [
    code
    for title in ("Scripted vendors", "Leaks")
    for code in re.findall(r"^```python\n(.*?)^```", section(title), re.MULTILINE | re.DOTALL)
]


@pytest.mark.parametrize("code", EXAMPLES)
async def test_the_examples_run(code: str) -> None:
    namespace: dict[str, object] = {"__name__": "example"}
    exec(compile(code, "docs/testing.md", "exec"), namespace)
    tests = [value for name, value in namespace.items() if name.startswith("test_")]

    assert tests
    for test in tests:
        assert inspect.iscoroutinefunction(test)
        await test(**dict.fromkeys(inspect.signature(test).parameters))


def test_the_table_has_every_kind_of_fault() -> None:
    listed = re.findall(r"^\| `([A-Z_]+)` \|", section("Scripted vendors"), re.MULTILINE)

    assert listed == [kind.name for kind in FaultKind]
