"""No hook without a description, a heading in the documentation, and a test."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from lk_agents.foundation.settings import Settings
from lk_agents.hooks.markers import HOOK_PREFIX, Scope
from lk_agents.hooks.registry import PluginRegistry
from lk_agents.hooks.specs import SPEC_MODULES

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "hooks.md"
REGISTRY = PluginRegistry(Settings())


def _docstring(hook: str) -> str:
    for name in SPEC_MODULES:
        module = import_module(f"lk_agents.hooks.specs.{name}")
        if hasattr(module, hook):
            return getattr(module, hook).__doc__ or ""
    raise AssertionError(f"{hook} is in no module of {SPEC_MODULES}")


def _sections() -> dict[str, str]:
    parts = re.split(r"^### `(.+)`$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _test_names() -> Iterator[str]:
    for folder in (ROOT / "tests", *(ROOT / "plugins").glob("*/tests")):
        for path in folder.rglob("test_*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_hook_"):
                    yield node.name


@pytest.mark.parametrize("hook", REGISTRY.hooks)
def test_every_hook_is_described(hook: str) -> None:
    text = _docstring(hook)

    for part in (":returns:", "Errors:", "Called in:", "For:", "Since:", "Example::"):
        assert part in text, f"the docstring of {hook} lacks {part}"
    for parameter in REGISTRY.parameters(hook):
        assert f":param {parameter}:" in text
    scope = "every installed plugin" if REGISTRY.rules(hook).scope is Scope.INSTALLED else "plugins in use"
    assert f"For: {scope}." in text
    if REGISTRY.rules(hook).may_await:
        assert re.search(r"be a\s+coroutine\s+function", text)


@pytest.mark.parametrize("hook", REGISTRY.hooks)
def test_every_example_implements_its_hook(hook: str) -> None:
    text = _docstring(hook)
    example = text.split("Example::", 1)[1].split("\n    :", 1)[0]
    source = "\n".join(line[8:] for line in example.splitlines())

    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    function = next(node for node in functions if node.name == hook)
    assert {argument.arg for argument in function.args.args} <= set(REGISTRY.parameters(hook))
    assert [ast.unparse(mark) for mark in function.decorator_list] == ["lk_agents.hookimpl"]


@pytest.mark.parametrize("hook", REGISTRY.hooks)
def test_every_hook_has_a_heading_with_its_signature(hook: str) -> None:
    section = _sections().get(f"{hook}({', '.join(REGISTRY.parameters(hook))})")

    assert section is not None, f"{PAGE.name} has no heading with the signature of {hook}"
    called_for = re.search(r"\*\*for\*\* ([\w ]+)", section)
    assert called_for is not None
    scope = "every installed plugin" if REGISTRY.rules(hook).scope is Scope.INSTALLED else "plugins in use"
    assert called_for[1].strip() == scope
    assert ("may await" in section) == REGISTRY.rules(hook).may_await


def test_the_page_has_no_heading_of_a_hook_that_is_gone() -> None:
    assert {heading.partition("(")[0] for heading in _sections()} == set(REGISTRY.hooks)


def test_every_hook_has_a_test() -> None:
    names = list(_test_names())

    untested = [
        hook
        for hook in REGISTRY.hooks
        if not any(re.match(rf"test_hook_{hook.removeprefix(HOOK_PREFIX)}(_|$)", name) for name in names)
    ]
    assert untested == []
