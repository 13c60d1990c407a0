"""Nothing in the repository grows past what can be read in a few minutes.

A file may have 400 lines (of tests 500), a class 300, a function 50, a constructor 8 parameters. What must be larger
is listed in ``ALLOWED`` with its reason.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("core", "plugins", "examples", "benchmarks", "tests")
TEST_FILE_LINES = 500
FILE_LINES, CLASS_LINES, FUNCTION_LINES, PARAMETERS = 400, 300, 50, 8

# "file: what" -> why it may be larger
ALLOWED: dict[str, str] = {
    "core/lk_agents/pipeline/agent.py: the constructor": "its keywords are the interface that is carried",
    "core/lk_agents/pipeline/agent.py: function __init__": "its keywords are the interface that is carried",
    "core/lk_agents/transcription/tts_forwarder.py: the constructor": "its keywords are the interface that is carried",
    "plugins/deepgram/lk_agents_deepgram/stt.py: the constructor": "its keywords are the interface that is carried",
    "plugins/openai/lk_agents_openai/llm.py: the constructor": "its keywords are the interface that is carried",
    "plugins/openai/lk_agents_openai/realtime/model.py: the constructor": "its keywords are the carried interface",
    "plugins/openai/lk_agents_openai/stt.py: the constructor": "its keywords are the interface that is carried",
}


def python_files() -> list[Path]:
    """Return every Python file of ours; what a build or an environment has put there does not count."""
    ignored = {".venv", "__pycache__", "build", "dist", "node_modules"}
    return sorted(
        path
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        if not ignored.intersection(path.relative_to(ROOT).parts)
    )


def oversized(path: Path, source: str) -> Iterator[str]:
    """Yield a sentence for each thing in ``source`` that is too large."""
    name = path.relative_to(ROOT).as_posix()
    most = TEST_FILE_LINES if "tests" in path.parts else FILE_LINES
    if (lines := len(source.splitlines())) > most:
        yield f"{name}: {lines} lines (at most {most})"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            limit, kind = CLASS_LINES, "class"
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            limit, kind = FUNCTION_LINES, "function"
        else:
            continue
        if (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > limit:
            yield f"{name}: {kind} {node.name} has {lines} lines (at most {limit})"
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            given = len([*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]) - 1
            if given > PARAMETERS:
                yield f"{name}: the constructor in line {node.lineno} has {given} parameters (at most {PARAMETERS})"


def test_files_functions_classes_and_constructors_stay_small() -> None:
    found = [finding for path in python_files() for finding in oversized(path, path.read_text(encoding="utf-8"))]

    unexpected = [finding for finding in found if not any(finding.startswith(place) for place in ALLOWED)]

    assert not unexpected, "split these:\n" + "\n".join(unexpected)


def test_each_allowance_is_still_needed() -> None:
    found = [finding for path in python_files() for finding in oversized(path, path.read_text(encoding="utf-8"))]

    stale = [place for place in ALLOWED if not any(finding.startswith(place) for finding in found)]

    assert not stale, f"no longer too large, remove from ALLOWED: {stale}"


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("x = 1\n" * 401, "401 lines"),
        ("def f():\n" + "    x = 1\n" * 50, "function f has 51 lines"),
        ("async def f():\n" + "    x = 1\n" * 50, "function f has 51 lines"),
        ("class C:\n" + "    x = 1\n" * 300, "class C has 301 lines"),
        ("class C:\n    def __init__(self, a, b, c, d, e, *, f, g, h, i): ...\n", "9 parameters"),
    ],
)
def test_what_is_too_large_is_named(source: str, complaint: str) -> None:
    assert any(complaint in finding for finding in oversized(ROOT / "core" / "made_up.py", source))


def test_what_is_just_small_enough_is_let_pass() -> None:
    source = "def f():\n" + "    x = 1\n" * 49 + "class C:\n    def __init__(self, a, b, c, d, e, f, g, h): ...\n"

    assert list(oversized(ROOT / "core" / "made_up.py", source)) == []
