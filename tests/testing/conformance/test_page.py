"""What docs/testing.md says of scripted providers and the kit is true: its examples run, its table is complete."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lk_agents.testing import conformance

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
LOOPS = ("-o", "asyncio_default_fixture_loop_scope=function")
WITHOUT_SERVER = """
from contextlib import asynccontextmanager

from lk_agents.testing.conformance.vad import VADConformance
from lk_agents.testing.providers import ScriptedVAD


class TestVAD(VADConformance):
    virtual_time = True

    @asynccontextmanager
    async def provider(self):
        yield ScriptedVAD()
"""


def section(title: str) -> str:
    return next(part for part in PAGE.split("\n## ") if part.startswith(title))


def examples(title: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", section(title), re.MULTILINE | re.DOTALL)


def run(code: str, folder: Path, *options: str) -> str:
    """Run a file of tests as an author would, and return the last line of what pytest says."""
    file = folder / "test_example.py"
    file.write_text(code, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *options, str(file)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout.splitlines()[-1]


@pytest.mark.e2e
@pytest.mark.timeout(90)
@pytest.mark.parametrize("code", [*examples("Scripted providers"), *examples("The conformance kit")])
def test_the_examples_pass_and_some_of_them_is_not_skipped(code: str, tmp_path: Path) -> None:
    assert " passed" in run(code, tmp_path, "-o", "asyncio_mode=auto", *LOOPS)


@pytest.mark.e2e
def test_the_kit_needs_no_plugin_for_asynchronous_tests(tmp_path: Path) -> None:
    assert " passed" in run(WITHOUT_SERVER, tmp_path, "-p", "no:asyncio")


def test_the_table_has_every_kit() -> None:
    folder = Path(conformance.__file__).parent
    kits = {
        f"{file.stem}.{name}"
        for file in folder.glob("*.py")
        for name in re.findall(r"^class (\w+Conformance)\b", file.read_text(encoding="utf-8"), re.MULTILINE)
    }

    assert kits == set(re.findall(r"^\| `(\w+\.\w+)` \|", section("The conformance kit"), re.MULTILINE))
