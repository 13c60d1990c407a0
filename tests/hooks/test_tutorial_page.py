"""The tutorial shows the files of its plugin as they are, and what else it shows works."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from lk_agents.testing import VirtualClock
from lk_agents.testing.providers import ScriptedTTS
from lk_agents.testing.vendor import Script, VendorServer, chunks

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
PLUGIN = ROOT / "examples" / "plugins" / "lk-agents-parrot"
BLOCK = re.compile(r"^`(?P<name>[\w./]+)`[^\n]*:\n\n```\w+\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
BETWEEN_PARTS = "\n\n\n"


def shown() -> dict[str, str]:
    """Return the files that the page shows, each put together from its parts."""
    parts: dict[str, list[str]] = defaultdict(list)
    for match in BLOCK.finditer(PAGE):
        parts[match["name"]].append(match["text"].strip("\n"))
    return {name: BETWEEN_PARTS.join(texts) + "\n" for name, texts in parts.items()}


def of_the_plugin() -> dict[str, str]:
    """Return the files of the plugin that hold code."""
    files = [path for path in PLUGIN.rglob("*") if path.suffix in {".py", ".toml"}]
    return {path.relative_to(PLUGIN).as_posix(): path.read_text(encoding="utf-8") for path in files}


def test_the_page_shows_every_file_of_code() -> None:
    assert set(shown()) == set(of_the_plugin())


@pytest.mark.parametrize("name", sorted(of_the_plugin()))
def test_a_file_is_shown_as_it_is(name: str) -> None:
    assert shown()[name] == of_the_plugin()[name]


def test_the_page_lists_all_files() -> None:
    tree = PAGE.split("## The package\n\n```text\n", 1)[1].partition("```")[0]
    listed = {line.split()[0] for line in tree.splitlines() if not line.split()[0].endswith("/")}
    files = [path for path in PLUGIN.rglob("*") if path.is_file() and "__pycache__" not in path.parts]

    assert listed == {path.name for path in files}


def run_snippet(word: str) -> dict[str, Any]:
    """Run the snippet with that word and return its names."""
    code = next(code for code in re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL) if word in code)
    names: dict[str, Any] = {"__name__": "snippet"}
    exec(compile(code, "docs/plugins.md", "exec"), names)
    return names


async def test_the_test_in_virtual_time_passes(lk_clock: VirtualClock) -> None:
    names = run_snippet("class Owl(")

    await names["test_an_owl_that_faints_is_asked_again"](lk_clock)


async def test_the_synthesizer_speaks(lk_no_leaks: None) -> None:
    sound = bytes(range(200)) * 100
    script = Script().http("POST", "/say", chunks(sound[:3_333], sound[3_333:]))
    stream_class = run_snippet("class CockatooStream(")["CockatooStream"]
    async with (
        VendorServer(script) as vendor,
        aiohttp.ClientSession() as session,
        ScriptedTTS() as someone,
        stream_class(someone, "hello", f"{vendor.url}/say", session) as stream,
    ):
        heard = [audio async for audio in stream]

    assert b"".join(bytes(audio.frame.data) for audio in heard) == sound
    assert [audio.is_final for audio in heard] == [False] * (len(heard) - 1) + [True]
    assert vendor.journal[0].json() == {"text": "hello"}
