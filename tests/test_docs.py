"""The documentation cannot drift from the code: links lead somewhere, snippets are right, settings are described."""

import ast
import dataclasses
import importlib
import json
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from lk_agents.foundation import settings
from lk_agents.worker.options import WorkerOptions

ROOT = Path(__file__).resolve().parent.parent
ADDRESS = re.compile(r"^(https?:|mailto:)")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>[\w+-]*)[^\n]*\n(?P<code>.*?)^(?P=indent)```", re.MULTILINE | re.DOTALL
)


class Snippet(NamedTuple):
    """A fenced block and where it stands."""

    page: Path
    line: int
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Return every page that we write for others."""
    found = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    for pattern in ("docs/**/*.md", "changelog/*.md", "examples/**/*.md", "plugins/*/README.md"):
        found += sorted(ROOT.glob(pattern))
    return found


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def snippets(*languages: str) -> list[Snippet]:
    """Return the fenced blocks in one of ``languages``."""
    found = []
    for page in pages():
        for match in FENCE.finditer(text_of(page)):
            if match["language"] in languages:
                width = len(match["indent"])
                code = "\n".join(line[width:] for line in match["code"].splitlines())
                line = text_of(page).count("\n", 0, match.start()) + 1
                found.append(Snippet(page, line, match["language"], code))
    return found


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as both the code host and the documentation builder make them."""
    prose = FENCE.sub("", text_of(page))
    found = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", prose, re.MULTILINE):
        plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        found.add(re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", plain).strip()))
    return found


def links(page: Path) -> Iterator[str]:
    yield from LINK.findall(re.sub(r"`[^`\n]*`", "", FENCE.sub("", text_of(page))))


def imported_names(code: str) -> Iterator[tuple[str, str]]:
    """Yield module and name of each import from one of our own packages."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in OUR_PACKAGES:
            yield from ((node.module, alias.name) for alias in node.names)


OUR_PACKAGES = {"lk_agents", "lk_agents_server"}


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_pages_and_headings_that_exist(page: Path) -> None:
    broken = []
    for link in links(page):
        if ADDRESS.match(link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            broken.append(link)

    assert not broken


@pytest.mark.parametrize("snippet", snippets("python", "py"), ids=str)
def test_python_snippets_compile_and_import_what_exists(snippet: Snippet) -> None:
    compile(snippet.code, str(snippet), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    missing = [
        f"{module}.{name}"
        for module, name in imported_names(snippet.code)
        if not hasattr(importlib.import_module(module), name) and not _is_module(f"{module}.{name}")
    ]

    assert not missing


def _is_module(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return False
    return True


@pytest.mark.parametrize("snippet", snippets("toml", "json"), ids=str)
def test_data_snippets_can_be_read(snippet: Snippet) -> None:
    parsed = tomllib.loads(snippet.code) if snippet.language == "toml" else json.loads(snippet.code)

    assert parsed


def test_every_page_is_in_the_table_of_contents() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    listed = set(re.findall(r": ([\w./-]+\.md)$", navigation, re.MULTILINE))

    assert listed == {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}


def test_every_option_of_the_worker_is_described() -> None:
    described = set(re.findall(r"^\| `(\w+)` \|", text_of(ROOT / "docs/configuration.md"), re.MULTILINE))

    assert {field.name for field in dataclasses.fields(WorkerOptions)} <= described


def test_every_environment_variable_is_described() -> None:
    known = set(re.findall(r"``([A-Z_]+)``", settings.__doc__ or ""))
    described = set(re.findall(r"^\| `([A-Z_]+)` \|", text_of(ROOT / "docs/configuration.md"), re.MULTILINE))

    assert known
    assert described == known


def test_every_make_target_that_is_mentioned_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    mentioned = {
        (str(page.relative_to(ROOT)), target)
        for page in pages()
        for target in re.findall(r"(?:`|^|\s)make ([a-z]+)(?:`|$|  )", text_of(page), re.MULTILINE)
    }

    assert mentioned
    assert {(page, target) for page, target in mentioned if target not in targets} == set()


def test_the_first_program_in_the_readme_is_the_hello_example() -> None:
    snippet = next(snippet for snippet in snippets("python") if snippet.page == ROOT / "README.md")
    example = (ROOT / "examples/hello.py").read_text(encoding="utf-8")

    def functions(code: str) -> dict[str, str]:
        """Return each function's code without its docstring."""
        found = {}
        for node in ast.parse(code).body:
            if isinstance(node, ast.AsyncFunctionDef):
                if ast.get_docstring(node) is not None:
                    node.body = node.body[1:]
                found[node.name] = ast.unparse(node)
        return found

    assert functions(snippet.code) == functions(example)
