"""docs/testing.md has a section on every fixture, and the examples in it run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import lk_agents.testing
from lk_agents.testing import plugin

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in PAGE.split("\n## ")[1:]}
FIXTURES = sorted(name for name in plugin.__all__ if name.startswith("lk_"))
ELSEWHERE = ("Scripted vendors", "Leaks", "Scripted providers", "The conformance kit")
"""Sections whose examples are run beside what they are about."""


@pytest.mark.parametrize("fixture", FIXTURES)
def test_every_fixture_has_a_heading_of_its_own_and_is_in_the_table(fixture: str) -> None:
    assert [title for title in SECTIONS if title.endswith(f": `{fixture}`")] != []
    assert f"\n| [`{fixture}`](#" in PAGE


@pytest.mark.parametrize("fixture", FIXTURES)
def test_the_package_names_every_fixture(fixture: str) -> None:
    assert f"``{fixture}``" in (lk_agents.testing.__doc__ or "")


EXAMPLES = [
    pytest.param(code, id=title)
    for title, text in SECTIONS.items()
    for code in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    if not title.startswith(ELSEWHERE)
]


def test_every_fixture_but_the_one_for_leaks_has_an_example() -> None:
    assert len(EXAMPLES) >= len(FIXTURES) - 1


@pytest.mark.e2e  # each in a process of its own, some with a real server
@pytest.mark.timeout(90)
@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_runs_as_an_author_would_run_it_and_none_is_skipped(code: str, tmp_path: Path) -> None:
    (tmp_path / "test_example.py").write_text(code, encoding="utf-8")
    options = ["-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function", "-W", "error"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, "test_example.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=80, check=False)
    summary = (done.stdout.splitlines() or [""])[-1]

    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in summary
    assert "skipped" not in summary
