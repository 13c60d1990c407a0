from __future__ import annotations

import os
from pathlib import Path

import pytest

from lk_agents.cli.env_file import additions, child_environment, find_env_file
from lk_agents.foundation.errors import ConfigError


def test_what_the_environment_has_already_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LK_TEST_TAKEN", "from outside")
    file = tmp_path / ".env"
    file.write_text("LK_TEST_TAKEN=from file\nLK_TEST_NEW=new\nLK_TEST_NOTHING\n")

    assert additions(file) == {"LK_TEST_NEW": "new"}


def test_nothing_is_left_to_add_once_the_process_was_started_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / ".env"
    file.write_text("LK_TEST_NEW=new\n")
    monkeypatch.setenv("LK_TEST_NEW", "new")

    assert additions(file) == {}  # which is how a command that restarted itself knows


def test_reading_a_file_writes_no_environment(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("LK_TEST_NEW=new\n")
    before = dict(os.environ)

    environment = child_environment(additions(file))

    assert environment["LK_TEST_NEW"] == "new"
    assert dict(os.environ) == before


def test_the_current_folder_comes_before_the_agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    monkeypatch.chdir(here)
    agent = there / "my_agent.py"

    assert find_env_file(None, use_default=True, beside=agent) is None
    (there / ".env").touch()
    assert find_env_file(None, use_default=True, beside=agent) == there / ".env"
    (here / ".env").touch()
    assert find_env_file(None, use_default=True, beside=agent) == Path(".env")
    assert find_env_file(None, use_default=False, beside=agent) is None


def test_an_env_file_that_was_asked_for_must_exist() -> None:
    with pytest.raises(ConfigError, match="no env file"):
        find_env_file("missing.env", use_default=True)


def test_an_env_file_that_is_no_text_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "broken.env"
    file.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(ConfigError, match=r"broken\.env"):
        additions(file)
