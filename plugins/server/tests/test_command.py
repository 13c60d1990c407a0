"""``lk-agents server``."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from lk_agents_server.binary import find_binary
from lk_agents_server.command import export_lines, server
from lk_agents_server.config import Keys
from lk_agents_server.health import is_ready

END_SECONDS = 15


def test_help_has_examples_and_exit_codes() -> None:
    told = CliRunner().invoke(server, ["--help"])

    assert told.exit_code == 0
    assert "Examples:" in told.output
    assert "Exit codes:" in told.output


def test_wrong_usage_exits_with_2() -> None:
    assert CliRunner().invoke(server, ["--port", "70000"]).exit_code == 2
    assert CliRunner().invoke(server, ["--log-level", "loud"]).exit_code == 2


def test_a_redis_without_port_exits_with_1_and_the_remedy() -> None:
    told = CliRunner().invoke(server, ["--redis", "localhost"])

    assert told.exit_code == 1
    assert "127.0.0.1:6379" in told.output


def test_keys_of_the_environment_must_be_there() -> None:
    told = CliRunner().invoke(server, ["--keys-from-env"], env={"LIVEKIT_API_KEY": "k", "LIVEKIT_API_SECRET": None})

    assert told.exit_code == 2
    assert "LIVEKIT_API_SECRET" in told.output


def test_a_log_file_that_cannot_be_written_is_wrong_usage(tmp_path: Path) -> None:
    told = CliRunner().invoke(server, ["--log-file", str(tmp_path / "missing" / "log")])

    assert told.exit_code == 2
    assert "cannot be written" in told.output


def test_without_a_server_the_path_cannot_be_told(tmp_path: Path) -> None:
    told = CliRunner().invoke(server, ["--path"], env={"LK_SERVER_BINARY": str(tmp_path / "none")})

    assert told.exit_code == 1
    assert "LK_SERVER_BINARY" in told.output


def test_a_shell_can_read_the_exported_lines() -> None:
    lines = export_lines({"A": "it's", "B": "x"}, system="posix")

    assert [shlex.split(line) for line in lines.splitlines()] == [["export", "A=it's"], ["export", "B=x"]]
    assert export_lines({"A": "x"}, system="nt") == '$env:A = "x"'


def run(*arguments: str, **environ: str) -> subprocess.Popen[str]:
    code = "from lk_agents_server.command import server\nserver(prog_name='lk-agents server')"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def first_lines(process: subprocess.Popen[str], count: int) -> dict[str, str]:
    assert process.stdout
    lines = [process.stdout.readline().removeprefix("export ").strip() for _ in range(count)]
    return dict(line.split("=", 1) for line in lines)


@pytest.mark.e2e
@pytest.mark.timeout(60)
def test_the_path_is_that_of_the_server() -> None:
    with run("--path") as process:
        assert process.communicate(timeout=END_SECONDS)[0].strip() == str(find_binary())


@pytest.mark.e2e
@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_ends_the_server_and_the_command_with_0(number: signal.Signals, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with run("--port", "0", "--print-env", "--log-file", str(log)) as process:
        told = first_lines(process, 3)
        assert is_ready(
            int(told["LIVEKIT_URL"].rpartition(":")[2]), Keys(told["LIVEKIT_API_KEY"], told["LIVEKIT_API_SECRET"])
        )
        (child,) = psutil.Process(process.pid).children()
        process.send_signal(number)
        output, errors = process.communicate(timeout=END_SECONDS)

    assert process.returncode == 0
    assert not child.is_running()
    assert output == ""
    assert told["LIVEKIT_URL"] in errors
    assert told["LIVEKIT_API_SECRET"] not in errors + log.read_text()
    assert "starting LiveKit server" in log.read_text()


@pytest.mark.e2e
@pytest.mark.timeout(60)
def test_the_secret_is_shown_only_if_asked_for_and_the_log_goes_to_standard_error() -> None:
    secret = "kept-in-the-environment-and-nowhere-else"
    with run("--port", "0", "--keys-from-env", LIVEKIT_API_KEY="mine", LIVEKIT_API_SECRET=secret) as process:
        assert process.stderr
        seen = ""
        while "Ctrl-C" not in seen:
            seen += process.stderr.readline()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=END_SECONDS)

    assert process.returncode == 0
    assert "API key mine" in seen
    assert "starting LiveKit server" in seen
    assert secret not in output + seen + errors


@pytest.mark.e2e
@pytest.mark.timeout(60)
def test_a_server_that_ends_by_itself_exits_with_1() -> None:
    with run("--port", "0", "--print-env", "--log-level", "error") as process:
        first_lines(process, 3)
        (child,) = psutil.Process(process.pid).children()
        child.kill()
        errors = process.communicate(timeout=END_SECONDS)[1]

    assert process.returncode == 1
    assert "ended by itself" in errors


@pytest.mark.e2e
@pytest.mark.timeout(60)
def test_a_taken_port_exits_with_1_and_says_which() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with run("--port", str(port)) as process:
            errors = process.communicate(timeout=END_SECONDS)[1]

    assert process.returncode == 1
    assert f"port {port} is taken" in errors
