from __future__ import annotations

import json
from pathlib import Path

import pytest
from watchfiles import Change

from lk_agents.cli.source_filter import SourceFilter
from lk_agents.cli.watch_paths import editable_folders, editable_root, without_nested


class Installed:
    """An installed distribution, as far as its origin goes."""

    def __init__(self, direct_url: str | None) -> None:
        self._direct_url = direct_url

    def read_text(self, filename: str) -> str | None:
        return self._direct_url if filename == "direct_url.json" else None


def origin(url: str, *, editable: bool) -> str:
    return json.dumps({"url": url, "dir_info": {"editable": editable}})


@pytest.mark.parametrize(
    ("direct_url", "root"),
    [
        (origin("file:///home/me/my%20plugin", editable=True), Path("/home/me/my plugin")),
        (origin("file:///home/me/plugin", editable=False), None),
        (json.dumps({"url": "https://h/x.whl", "archive_info": {}}), None),
        (origin("https://h/x", editable=True), None),
        (None, None),
        ("no json", None),
    ],
)
def test_only_an_editable_installation_has_a_folder_to_watch(direct_url: str | None, root: Path | None) -> None:
    assert editable_root(Installed(direct_url)) == root


def test_this_very_package_is_watched_and_not_the_whole_project() -> None:
    folders = editable_folders()

    assert [folder.name for folder in folders if folder.name == "lk_agents"] == ["lk_agents"]


def test_folders_inside_others_are_left_out(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)

    assert without_nested([inner, tmp_path / "a", tmp_path / "gone"]) == [(tmp_path / "a").resolve()]


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        ("/p/agent.py", True),
        ("/p/fast.pyx", True),
        ("/p/notes.txt", False),
        ("/p/__pycache__/agent.cpython-311.pyc", False),
        ("/p/.venv/lib/x.py", False),
    ],
)
def test_python_sources_count(path: str, counts: bool) -> None:
    assert SourceFilter()(Change.modified, path) is counts


def test_the_env_file_counts(tmp_path: Path) -> None:
    file = tmp_path / ".env"

    assert SourceFilter(file)(Change.modified, str(file))
    assert not SourceFilter()(Change.modified, str(file))
