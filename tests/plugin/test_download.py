"""Fetching the files of all plugins: in parallel, again without harm, with every failure named."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from lk_agents import Plugin
from lk_agents.foundation.errors import PluginError
from lk_agents.plugin import download_all, verify_sha256


class FilePlugin(Plugin):
    """Keeps one file; ``work`` is done at each download that finds it missing."""

    def __init__(self, path: Path, work: Callable[[], object] = lambda: None, *, writes: bool = True) -> None:
        super().__init__(path.name, "1.0", path.name)
        self._path = path
        self._work = work
        self._writes = writes
        self.fetched = 0

    def missing_files(self) -> Sequence[str]:
        return () if self._path.exists() else (self._path.name,)

    def download_files(self) -> None:
        if not self.missing_files():
            return
        self._work()
        self.fetched += 1
        if self._writes:
            self._path.write_bytes(b"model")


def test_downloads_run_beside_each_other(tmp_path: Path) -> None:
    together = threading.Barrier(3, timeout=10)
    plugins = [FilePlugin(tmp_path / str(number), lambda: together.wait()) for number in range(3)]

    assert download_all(plugins) == []
    assert all(not plugin.missing_files() for plugin in plugins)


def test_a_second_round_fetches_nothing(tmp_path: Path) -> None:
    plugins = [FilePlugin(tmp_path / str(number)) for number in range(6)]

    assert download_all(plugins) == download_all(plugins) == []

    assert [plugin.fetched for plugin in plugins] == [1] * 6


@pytest.mark.parametrize("error", [OSError("no network"), SystemExit("no network")])
def test_each_failure_is_named_and_stops_no_other(tmp_path: Path, error: BaseException) -> None:
    def fail() -> None:
        raise error

    good, bad, worse = (
        FilePlugin(tmp_path / "good"),
        FilePlugin(tmp_path / "bad", fail),
        FilePlugin(tmp_path / "worse", fail),
    )

    failures = download_all([bad, good, worse])

    assert [failure.plugin for failure in failures] == [bad, worse]
    assert "no network" in str(failures[0].error)
    assert not good.missing_files()


def test_files_that_are_still_missing_are_a_failure(tmp_path: Path) -> None:
    (failure,) = download_all([FilePlugin(tmp_path / "model.onnx", writes=False)])

    assert "still missing after the download: model.onnx" in str(failure.error)


def test_progress_is_told_on_the_calling_thread(tmp_path: Path) -> None:
    told: list[tuple[str, str, int]] = []

    def fail() -> None:
        raise OSError("no network")

    plugins = [FilePlugin(tmp_path / "good"), FilePlugin(tmp_path / "bad", fail)]
    download_all(plugins, lambda plugin, state: told.append((plugin.title, state, threading.get_ident())))

    assert {each[2] for each in told} == {threading.get_ident()}
    assert [state for title, state, _ in told if title == "good"] == ["started", "done"]
    assert [state for title, state, _ in told if title == "bad"] == ["started", "failed"]


def test_a_download_without_end_is_given_up(tmp_path: Path) -> None:
    release = threading.Event()
    plugins = [FilePlugin(tmp_path / str(number), lambda: release.wait(30)) for number in range(6)]
    try:
        failures = download_all(plugins, deadline_seconds=0.2)
    finally:
        release.set()

    assert [failure.plugin for failure in failures] == plugins
    assert "did not end within 0.2 s" in str(failures[0].error)


def test_nothing_to_fetch_is_no_failure() -> None:
    assert download_all([]) == []


def test_a_file_is_checked_against_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"model")
    right = hashlib.sha256(b"model").hexdigest()

    verify_sha256(path, right.upper())

    with pytest.raises(PluginError, match=rf"model.onnx has the sha256 {right}, expected 00"):
        verify_sha256(path, "00" * 32)
    with pytest.raises(PluginError, match="cannot be checked"):
        verify_sha256(tmp_path / "gone", right)
