from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest

from lk_agents.cli.app_loading import Target, load_target
from lk_agents.foundation.errors import ConfigError

AGENT = """
from lk_agents.worker.options import WorkerOptions

async def entry(ctx): ...

"""


@contextmanager
def put_back() -> Iterator[None]:
    """Keep what a loaded file changes of this interpreter to the block."""
    argv, path, main = sys.argv, sys.path[:], sys.modules["__main__"]
    try:
        yield
    finally:
        sys.argv, sys.path[:] = argv, path
        sys.modules["__main__"] = main


def load(folder: Path, text: str, name: str | None = None) -> tuple[object, types.ModuleType, list[str]]:
    file = folder / "my_agent.py"
    file.write_text(AGENT + dedent(text))
    with put_back():
        options = load_target(Target(file, name), ["start", "--log-level", "INFO"])
        return options, sys.modules["__main__"], sys.argv


def test_the_only_options_of_a_file_are_taken(tmp_path: Path) -> None:
    options, module, _ = load(tmp_path, "options = WorkerOptions(entry, agent_name='one')")

    assert options is module.options


def test_a_second_name_of_the_same_options_is_not_a_second_choice(tmp_path: Path) -> None:
    options, module, _ = load(tmp_path, "options = alias = WorkerOptions(entry)")

    assert options is module.options


def test_a_named_one_is_taken_from_several(tmp_path: Path) -> None:
    options, module, _ = load(tmp_path, "a = WorkerOptions(entry)\nb = WorkerOptions(entry)", "b")

    assert options is module.b


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("", None, "neither calls lk_agents.cli.run_app"),
        ("a = WorkerOptions(entry)\nb = WorkerOptions(entry)", None, r"several WorkerOptions \(a, b\)"),
        ("a = WorkerOptions(entry)", "wrong", "no WorkerOptions named 'wrong' at module level; it has a"),
        ("", "wrong", "it has none"),
    ],
)
def test_a_choice_that_cannot_be_made_says_what_there_is(
    tmp_path: Path, text: str, name: str | None, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, text, name)


def test_the_file_runs_as_main_with_its_folder_and_arguments(tmp_path: Path) -> None:
    (tmp_path / "beside_the_agent.py").write_text("VALUE = 5")
    _, module, argv = load(
        tmp_path,
        """
        import sys
        from beside_the_agent import VALUE
        seen = (__name__, sys.argv, __file__, VALUE, sys.modules["__main__"].__dict__ is globals())
        options = WorkerOptions(entry)
        """,
    )
    file = str(tmp_path / "my_agent.py")

    assert module.seen == ("__main__", [file, "start", "--log-level", "INFO"], file, 5, True)
    assert argv[0] == file
    assert module.entry.__module__ == "__main__"


def test_what_the_file_raises_comes_through(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        load(tmp_path, "1 / 0")


@pytest.mark.parametrize(("suffix", "name"), [("", None), (":sales", "sales")])
def test_a_target_is_a_file_and_perhaps_a_name(tmp_path: Path, suffix: str, name: str | None) -> None:
    file = tmp_path / "my_agent.py"
    file.touch()

    assert Target.parse(f"{file}{suffix}") == Target(file, name)


def test_a_colon_in_a_file_name_is_part_of_it(tmp_path: Path) -> None:
    file = tmp_path / "odd:name"
    file.touch()

    assert Target.parse(str(file)) == Target(file)


@pytest.mark.parametrize(("text", "message"), [("missing.py", "no file 'missing.py'"), (".", "is a folder")])
def test_a_target_that_is_no_file_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Target.parse(text)
