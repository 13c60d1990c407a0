"""Whoever reads a line of the log finds it on the page for those who run workers."""

from __future__ import annotations

import ast
from pathlib import Path

FOLDER = Path(__file__).parent
PAGE = FOLDER.parent.parent / "docs" / "operations.md"


def messages() -> set[str]:
    """Return every message that a fault of this folder is told by."""
    calls = [
        node
        for path in FOLDER.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Said"
    ]
    texts = [call.args[1].value for call in calls if isinstance(call.args[1], ast.Constant)]
    return {text for text in texts if isinstance(text, str)}


def test_every_message_of_a_fault_stands_in_the_table_of_faults() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("## What faults look like")[2].partition("\n## ")[0]

    assert len(messages()) > 20
    assert {message for message in messages() if f"`{message}`" not in table} == set()
