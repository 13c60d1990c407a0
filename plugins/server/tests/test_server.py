"""The real server: it starts, serves, ends, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from lk_agents_server import LiveKitServer, ServerError, ServerOptions, ServerStartError, find_binary
from lk_agents_server.config import Keys
from lk_agents_server.health import is_ready

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
END_SECONDS = 10.0


def serves(server: LiveKitServer) -> bool:
    return is_ready(int(server.url.rpartition(":")[2]), Keys(server.api_key, server.api_secret))


@pytest.fixture(autouse=True)
def _known_children() -> Iterator[None]:
    """Leave out of :func:`children` what other tests of the same run share, such as their server."""
    KNOWN.update(psutil.Process().children(recursive=True))
    yield
    KNOWN.clear()


KNOWN: set[psutil.Process] = set()


def children() -> list[psutil.Process]:
    return [each for each in psutil.Process().children(recursive=True) if each not in KNOWN]


def gone(pid: int) -> bool:
    """Wait until the process is gone or a zombie that its new parent has not yet seen."""
    try:
        process = psutil.Process(pid)
        _, alive = psutil.wait_procs([process], timeout=END_SECONDS)
        return not alive or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def test_it_serves_while_the_asynchronous_block_lasts() -> None:
    async with LiveKitServer() as server:
        assert await asyncio.to_thread(serves, server)
        assert server.env() == {
            "LIVEKIT_URL": server.url,
            "LIVEKIT_API_KEY": server.api_key,
            "LIVEKIT_API_SECRET": server.api_secret,
        }
        pid = server.pid

    assert not server.running
    assert not psutil.pid_exists(pid)


def test_it_serves_while_the_plain_block_lasts() -> None:
    with LiveKitServer() as server:
        assert server.running
        assert serves(server)
        assert server.http_url == server.url.replace("ws://", "http://")
        pid = server.pid

    assert not psutil.pid_exists(pid)


async def test_starting_and_ending_do_not_block_the_loop() -> None:
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            longest = max(longest, time.monotonic() - before)

    watcher = asyncio.create_task(watch())
    begun = time.monotonic()
    async with LiveKitServer():
        pass
    took = time.monotonic() - begun
    watcher.cancel()

    assert longest < took / 2  # a blocked loop would have missed all of the start, or all of the end


def test_two_servers_stand_side_by_side_and_do_not_know_each_others_keys() -> None:
    with LiveKitServer() as one, LiveKitServer() as other:
        assert one.url != other.url
        assert serves(one)
        assert serves(other)
        assert not is_ready(int(one.url.rpartition(":")[2]), Keys(other.api_key, other.api_secret))


def test_it_can_be_had_again_on_the_same_port_with_the_same_keys() -> None:
    with LiveKitServer() as first:
        options = ServerOptions(
            port=int(first.url.rpartition(":")[2]), api_key=first.api_key, api_secret=first.api_secret
        )

    with LiveKitServer(options) as second:
        assert second.env() == first.env()
        assert serves(second)


def test_an_object_serves_once() -> None:
    server = LiveKitServer()
    with server:
        pass

    with pytest.raises(ServerError, match="make a new LiveKitServer"), server:
        pass


def test_the_server_is_not_known_before_it_starts() -> None:
    server = LiveKitServer()

    assert not server.running
    assert repr(server) == f"<LiveKitServer not started api_key={server.api_key!r}>"
    with pytest.raises(ServerError, match="with"):
        server.env()
    with pytest.raises(ServerError, match="with"):
        _ = server.pid


def test_the_secret_is_not_in_repr_or_log() -> None:
    with LiveKitServer(ServerOptions(log_level="debug")) as server:
        assert server.api_secret not in repr(server)

    assert server.log
    assert not [line for line in server.log if server.api_secret in line]


@on_linux
def test_neither_arguments_nor_environment_hold_the_secret_or_what_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEKIT_KEYS", "wrong: wrong-wrong-wrong-wrong-wrong-wrong")
    monkeypatch.setenv("LIVEKIT_PORT", "1")
    monkeypatch.setenv("NODE_IP", "192.0.2.1")
    monkeypatch.setenv("REDIS_HOST", "192.0.2.1:6379")
    monkeypatch.setenv("OPENAI_API_KEY", "somebody's credential")
    with LiveKitServer() as server:
        folder = Path(f"/proc/{server.pid}")
        arguments, environment = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
        assert serves(server)

    assert b"livekit-server" in arguments
    assert server.api_secret.encode() not in arguments + environment
    for name in (b"LIVEKIT", b"NODE_IP", b"REDIS_HOST", b"OPENAI"):
        assert name not in environment


@on_linux
def test_only_the_loopback_address_is_bound() -> None:
    with LiveKitServer() as server:
        bound = {connection.laddr.ip for connection in psutil.Process(server.pid).net_connections()}

    assert bound == {"127.0.0.1"}


@pytest.mark.parametrize(("option", "kind"), [("port", socket.SOCK_STREAM), ("udp_port", socket.SOCK_DGRAM)])
def test_a_taken_port_that_was_asked_for_is_named(option: str, kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            holder.listen()
        port = holder.getsockname()[1]
        options = ServerOptions(port=port) if option == "port" else ServerOptions(udp_port=port)

        with pytest.raises(ServerStartError, match=f"{option} {port} is taken"), LiveKitServer(options):
            pass

    assert not children()


def test_a_configuration_that_the_server_refuses_is_told_in_its_own_words() -> None:
    with (
        pytest.raises(ServerStartError, match="field no_such_key not found"),
        LiveKitServer(ServerOptions(extra_config={"no_such_key": 1})),
    ):
        pass

    assert not children()


@pytest.mark.parametrize("milliseconds", [0, 5, 20, 60])
async def test_a_cancelled_start_leaves_no_process(milliseconds: int) -> None:
    server = LiveKitServer()

    async def run() -> None:
        async with server:
            await asyncio.Event().wait()

    task = asyncio.create_task(run())
    await asyncio.sleep(milliseconds / 1000)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await asyncio.to_thread(server.wait, END_SECONDS)
    assert not children()


async def test_a_start_that_is_cancelled_before_it_had_its_turn_never_happens() -> None:
    busy = threading.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))
    blocker = loop.run_in_executor(None, busy.wait, END_SECONDS)
    server = LiveKitServer()

    starting = asyncio.create_task(server.__aenter__())
    await asyncio.sleep(0.05)
    starting.cancel()
    await asyncio.sleep(0.05)
    busy.set()
    await blocker
    with pytest.raises(asyncio.CancelledError):
        await starting

    await asyncio.to_thread(bool)  # behind the start in the queue
    assert not children()
    assert not server.running


async def test_a_cancelled_end_kills_at_once() -> None:
    server = LiveKitServer()
    entered = asyncio.Event()

    async def run() -> None:
        async with server:
            entered.set()

    task = asyncio.create_task(run())
    await entered.wait()
    await asyncio.sleep(0)  # into __aexit__
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task

    assert await asyncio.to_thread(server.wait, END_SECONDS)
    assert not children()


def test_ending_right_after_readiness_keeps_the_deadline() -> None:
    server = LiveKitServer(ServerOptions(stop_timeout=5))
    with server:
        begun = time.monotonic()

    assert time.monotonic() - begun < 5
    assert server.wait(0)


def test_an_end_of_its_own_is_noticed_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    with LiveKitServer() as server:
        psutil.Process(server.pid).kill()
        assert server.wait(END_SECONDS)
        assert not server.running

    assert [record.message for record in caplog.records] == ["the embedded LiveKit server ended by itself"]


def test_kill_is_a_crash_on_purpose(caplog: pytest.LogCaptureFixture) -> None:
    with LiveKitServer() as server:
        server.kill()
        assert server.wait(END_SECONDS)

    assert not caplog.records


def test_it_outlives_the_thread_that_started_it() -> None:
    server = LiveKitServer()
    starter = threading.Thread(target=server.__enter__)
    starter.start()
    starter.join()

    assert not server.wait(0.3)
    assert serves(server)
    server.__exit__(None, None, None)
    assert server.wait(0)


def test_log_lines_are_handed_on_and_a_failing_receiver_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    def note(line: str) -> None:
        seen.append(line)
        if len(seen) == 2:
            raise ValueError("enough")

    with LiveKitServer(on_log=note) as server:
        assert serves(server)

    assert len(seen) == 2
    assert len(server.log) > 2
    assert [record.message for record in caplog.records] == [
        "on_log of the embedded LiveKit server failed and is not called again"
    ]


def python(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


@on_linux
def test_a_killed_parent_takes_the_server_with_it() -> None:
    code = (
        "import time\nfrom lk_agents_server import LiveKitServer\n"
        "with LiveKitServer() as server:\n    print(server.pid, flush=True)\n    time.sleep(60)"
    )
    with python(code) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        parent.kill()

    assert gone(pid)


def test_a_program_that_forgets_the_end_leaves_no_server() -> None:
    code = "from lk_agents_server import LiveKitServer\nserver = LiveKitServer().__enter__()\nprint(server.pid)"
    with python(code) as parent:
        told = parent.communicate(timeout=60)[0]

    assert parent.returncode == 0
    assert gone(int(told))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_of_the_owner_does_not_end_the_server() -> None:
    code = (
        "import os\nfrom lk_agents_server import LiveKitServer\n"
        "with LiveKitServer() as server:\n"
        "    if not (child := os.fork()):\n        raise SystemExit(0)\n"  # leaves the block, then runs atexit
        "    os.waitpid(child, 0)\n"
        "    print(server.running and not server.wait(0.5))"
    )
    with python(code) as parent:
        told = parent.communicate(timeout=60)[0]

    assert told == "True\n"


# What the real server does not do on demand, small programs in its place do.


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Make a program the livekit-server of this test."""
    program = folder / "livekit-server"
    program.write_text(f"#!{sys.executable}\n{code}")
    program.chmod(0o755)
    monkeypatch.setenv("LK_SERVER_BINARY", str(program))


def test_a_server_that_never_becomes_ready_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch, "import time\nprint('thinking', flush=True)\ntime.sleep(60)")

    with (
        pytest.raises(ServerStartError, match=r"(?s)not ready after 1 s.*thinking"),
        LiveKitServer(ServerOptions(start_timeout=1)),
    ):
        pass

    assert not children()


def test_a_port_lost_to_somebody_quicker_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, tries = find_binary(), tmp_path / "tries"
    stand_in(
        tmp_path,
        monkeypatch,
        "import os, sys\n"
        f"tries = open({str(tries)!r}, 'a+')\n"
        "tries.write('x'); tries.seek(0)\n"
        "if len(tries.read()) < 3: sys.exit('listen tcp 127.0.0.1:1: bind: address already in use')\n"
        f"os.execv({str(real)!r}, [{str(real)!r}, *sys.argv[1:]])",
    )

    with LiveKitServer() as server:
        assert serves(server)

    assert tries.read_text() == "xxx"


def test_a_server_that_will_not_end_is_killed_at_its_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(
        tmp_path,
        monkeypatch,
        "import http.server, json, signal\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "port = json.load(open('/dev/stdin'))['port']\n"
        "class Yes(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n        self.send_response(200)\n        self.end_headers()\n"
        "http.server.ThreadingHTTPServer(('127.0.0.1', port), Yes).serve_forever()",
    )

    with LiveKitServer(ServerOptions(stop_timeout=0.5)) as server:
        begun = time.monotonic()

    assert 0.5 <= time.monotonic() - begun < END_SECONDS
    assert not psutil.pid_exists(server.pid)


def test_a_program_that_cannot_run_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "livekit-server"
    program.write_text("no program")
    program.chmod(0o755)
    monkeypatch.setenv("LK_SERVER_BINARY", str(program))

    with pytest.raises(ServerStartError), LiveKitServer():
        pass

    assert not children()
