"""The server's executable is looked for in three places, in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from lk_agents.foundation.errors import ConfigError
from lk_agents_server.binary import EXECUTABLE, find_binary
from lk_agents_server.environment import child_environment, given_binary, search_path
from lk_agents_server.errors import BinaryNotFoundError


def executable(folder: Path, name: str = EXECUTABLE) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    return file


def test_the_given_one_goes_before_all_others(tmp_path: Path) -> None:
    given = executable(tmp_path / "given", "my-server")
    executable(tmp_path / "wheel")
    executable(tmp_path / "path")

    assert find_binary(given=str(given), packaged=tmp_path / "wheel", path=str(tmp_path / "path")) == given


def test_the_wheels_own_goes_before_path(tmp_path: Path) -> None:
    own = executable(tmp_path / "wheel")
    executable(tmp_path / "path")

    assert find_binary(given="", packaged=tmp_path / "wheel", path=str(tmp_path / "path")) == own


def test_path_serves_a_wheel_without_a_server(tmp_path: Path) -> None:
    on_path = executable(tmp_path / "path")

    assert find_binary(given="", packaged=tmp_path / "wheel", path=str(tmp_path / "path")) == on_path


def test_a_given_file_that_cannot_run_is_an_error_even_if_another_could(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("")
    executable(tmp_path / "wheel")

    with pytest.raises(BinaryNotFoundError, match="not an executable file"):
        find_binary(given=str(plain), packaged=tmp_path / "wheel", path="")


def test_none_at_all_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="LK_SERVER_BINARY") as caught:
        find_binary(given="", packaged=tmp_path / "wheel", path=str(tmp_path))

    assert "pip install" in str(caught.value)
    assert "PATH" in str(caught.value)


def test_the_server_gets_nothing_of_the_environment_but_what_programs_need() -> None:
    environ = {
        "HOME": "/home/a",
        "LIVEKIT_API_SECRET": "x",
        "LIVEKIT_KEYS": "a: b",
        "NODE_IP": "10.0.0.1",
        "OPENAI_API_KEY": "x",
        "PATH": "/bin",
        "REDIS_HOST": "elsewhere",
        "UDP_PORT": "1",
    }

    assert child_environment(environ) == {"HOME": "/home/a", "PATH": "/bin"}


def test_the_variable_for_the_binary_is_read_from_the_environment_given() -> None:
    assert given_binary({"LK_SERVER_BINARY": "/opt/livekit-server"}) == "/opt/livekit-server"
    assert given_binary({}) == ""
    assert search_path({"PATH": "/opt/bin"}) == "/opt/bin"
