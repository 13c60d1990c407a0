"""Names of a package that are loaded when they are first used."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PACKAGE = """
from lk_agents.foundation.lazy import load_name

def __getattr__(name):
    return load_name(__name__, name, {"first": ("one", "two"), "second": ("three",)}, submodules=("own",))
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A package that uses it, just imported."""
    folder = tmp_path / "lazy_example"
    folder.mkdir()
    (folder / "__init__.py").write_text(PACKAGE)
    (folder / "first.py").write_text("one = 1\ntwo = 2\n")
    (folder / "second.py").write_text("three = 3\n")
    (folder / "own.py").write_text("four = 4\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield __import__("lazy_example")
    for name in [name for name in sys.modules if name.partition(".")[0] == "lazy_example"]:
        del sys.modules[name]


def test_a_name_loads_the_module_that_defines_it_and_no_other(package: Any) -> None:
    assert not any(name.startswith("lazy_example.") for name in sys.modules)

    assert (package.one, package.two) == (1, 2)

    assert {name for name in sys.modules if name.startswith("lazy_example.")} == {"lazy_example.first"}


def test_a_name_is_looked_for_once(package: Any) -> None:
    assert "three" not in vars(package)

    assert package.three == 3

    assert vars(package)["three"] == 3


def test_a_submodule_is_a_name_too(package: Any) -> None:
    assert package.own.four == 4


def test_an_unknown_name_is_an_attribute_error(package: Any) -> None:
    with pytest.raises(AttributeError, match="module 'lazy_example' has no attribute 'five'"):
        _ = package.five
