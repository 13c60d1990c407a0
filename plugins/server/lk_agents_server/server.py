"""The embedded LiveKit server: from options to a running server, and its end."""

from __future__ import annotations

import asyncio
import enum
import json
import os
import secrets
import socket
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from lk_agents.foundation.clock import SystemClock
from lk_agents.foundation.log import logger
from lk_agents_server.binary import find_binary
from lk_agents_server.config import LOOPBACK, Keys, Ports, ServerOptions, server_config
from lk_agents_server.environment import child_environment
from lk_agents_server.errors import ServerError, ServerStartError
from lk_agents_server.health import is_ready
from lk_agents_server.process import ServerProcess

__all__ = ["LiveKitServer"]

KEPT_LINES: Final = 1000
START_ATTEMPTS: Final = 5
POLL_SECONDS: Final = 0.01
FIRST_SIGNAL_SECONDS: Final = 0.25
KILLED_SECONDS: Final = 5.0

_CLOCK: Final = SystemClock()  # a real process takes real time, whatever clock a test has set


class _Phase(enum.Enum):
    NEW = "not started"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"


class LiveKitServer:
    """A real livekit-server as a child of this process, reachable from this machine only.

    ::

        async with LiveKitServer() as server:
            print(server.url, server.api_key)

    ``with`` does the same without an event loop. The server belongs to no loop: tests that each run their own may share
    it. It starts with free ports and random keys, and is ready when the block begins. Leaving the block ends it within
    ``stop_timeout``; on Linux it also ends, at once, when this process does. An object serves once.

    :param options: how it shall be; by default everything random, nothing kept.
    :param on_log: called with each line of the server's log, from a thread of the server's own.
    """

    def __init__(self, options: ServerOptions | None = None, *, on_log: Callable[[str], None] | None = None) -> None:
        self._options = options or ServerOptions()
        self._keys = Keys(
            self._options.api_key or f"API{secrets.token_hex(6)}",
            self._options.api_secret or secrets.token_urlsafe(36),
        )
        self._on_log = on_log
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._lock = threading.Lock()  # of _phase: start, stop and kill may come from different threads
        self._phase = _Phase.NEW
        self._ports: Ports | None = None
        self._process: ServerProcess | None = None

    def __repr__(self) -> str:
        where = f" at {self.url}" if self._ports else ""
        return f"<LiveKitServer {self._phase.value}{where} api_key={self.api_key!r}>"

    # what its users need

    @property
    def url(self) -> str:
        """The websocket URL that workers, agents and clients connect to.

        :raises ServerError: the server has not been started.
        """
        return f"ws://{LOOPBACK}:{self._bound.http}"

    @property
    def http_url(self) -> str:
        """The URL of the server's HTTP API.

        :raises ServerError: the server has not been started.
        """
        return f"http://{LOOPBACK}:{self._bound.http}"

    @property
    def api_key(self) -> str:
        """The API key that the server accepts."""
        return self._keys.api_key

    @property
    def api_secret(self) -> str:
        """The secret of the key. Do not log it."""
        return self._keys.api_secret

    @property
    def pid(self) -> int:
        """The id of the server's process.

        :raises ServerError: the server has not been started.
        """
        if self._process is None:
            raise ServerError(f"the server is {self._phase.value}: use it in a `with` or `async with` block")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the server is ready and has not ended."""
        return self._phase is _Phase.RUNNING and self._process is not None and not self._process.wait(0)

    @property
    def log(self) -> list[str]:
        """The last 1,000 lines that the server wrote, the oldest first; the secret is blotted out."""
        return list(self._lines)

    def env(self) -> dict[str, str]:
        """Return the three ``LIVEKIT_*`` variables that workers and SDKs read, secret included.

        :raises ServerError: the server has not been started.
        """
        return {"LIVEKIT_URL": self.url, "LIVEKIT_API_KEY": self.api_key, "LIVEKIT_API_SECRET": self.api_secret}

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the server has ended, ``timeout`` seconds at most (None: for ever); tell whether it has."""
        return self._process is None or self._process.wait(timeout)

    def kill(self) -> None:
        """End the server as a crash would, and return at once; :meth:`wait` tells when it is gone.

        One that has not been started will not start any more.
        """
        with self._lock:
            self._phase = _Phase.STOPPED
        if self._process:
            self._process.kill()

    # its life

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    async def __aenter__(self) -> Self:
        await self._in_thread(self._start, name="lk-server-start")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._in_thread(self._stop, name="lk-server-stop")

    async def _in_thread(self, work: Callable[[], None], *, name: str) -> None:
        """Run blocking work off the loop; a cancellation kills the server and waits, bounded, for the work to end."""
        task = asyncio.create_task(asyncio.to_thread(work), name=name)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            self.kill()
            await asyncio.wait({task}, timeout=KILLED_SECONDS)
            if task.done() and not task.cancelled():
                task.exception()  # the cancellation is what the caller hears of
            raise

    def _start(self) -> None:
        """Start the server and return when it is ready; leave nothing behind if that fails."""
        self._move(_Phase.NEW, _Phase.STARTING)
        deadline = _CLOCK.monotonic() + self._options.start_timeout
        try:
            binary = str(find_binary())
            for attempt in range(1, START_ATTEMPTS + 1):
                process = self._spawn(binary)
                if self._await_ready(process, deadline):
                    self._move(_Phase.STARTING, _Phase.RUNNING)
                    return
                self._check_retry(attempt, process)
        except BaseException:
            self.kill()
            self.wait(KILLED_SECONDS)
            raise

    def _spawn(self, binary: str) -> ServerProcess:
        self._lines.clear()
        ports = self._ports = self._choose_ports()
        config = json.dumps(server_config(self._options, ports, self._keys))
        environment = child_environment()
        command = [binary]
        if os.name == "nt":
            environment["LIVEKIT_CONFIG"] = config  # Windows has no path that names a program's own standard input
        else:
            command += ["--config", "/dev/stdin"]  # so that no file, argument or environment ever holds the secret
        process = ServerProcess(
            command, standard_input=config.encode(), environment=environment, on_line=self._note_line
        )
        self._process = process
        process.start()
        return process

    def _choose_ports(self) -> Ports:
        options = self._options
        return Ports(
            http=options.port or _free_port(socket.SOCK_STREAM),
            rtc_udp=options.udp_port or _free_port(socket.SOCK_DGRAM),
            rtc_tcp=_free_port(socket.SOCK_STREAM) if options.tcp else 0,
        )

    def _await_ready(self, process: ServerProcess, deadline: float) -> bool:
        """Return whether the server became ready; False if it ended instead."""
        while not process.wait(POLL_SECONDS):
            if self._phase is not _Phase.STARTING:
                raise ServerError("the server was killed while it was starting")
            if is_ready(self._bound.http, self._keys):
                return True
            if _CLOCK.monotonic() > deadline:
                raise ServerStartError(self._told(f"not ready after {self._options.start_timeout:g} s"))
        return False

    def _check_retry(self, attempt: int, process: ServerProcess) -> None:
        """Return if another try makes sense: the ports were free when we looked, but somebody else was quicker."""
        if self._phase is not _Phase.STARTING:
            raise ServerError("the server was killed while it was starting")
        conflicts = [line for line in self.log if "address already in use" in line or "Only one usage" in line]
        if not conflicts:
            status = f"it ended by itself with status {process.returncode}"  # 0 even for fatal errors
            raise ServerStartError(self._told(status))
        for name, port in {"port": self._options.port, "udp_port": self._options.udp_port}.items():
            if port and any(f":{port}:" in line for line in conflicts):
                what = f"{name} {port} is taken by another program: choose another, or 0 for any free one"
                raise ServerStartError(self._told(what))
        if attempt == START_ATTEMPTS:
            raise ServerStartError(self._told(f"no free ports in {START_ATTEMPTS} attempts"))

    def _stop(self) -> None:
        """End the server; when this returns it is gone, or has been sent SIGKILL."""
        process = self._process
        with self._lock:
            asked_for = self._phase is not _Phase.RUNNING
            self._phase = _Phase.STOPPING
        if process is None or not process.owned:
            return
        if process.wait(0):
            if not asked_for:
                logger.warning(
                    "the embedded LiveKit server ended by itself",
                    extra={"status": process.returncode, "last_lines": self.log[-5:]},
                )
        else:
            self._end(process)
        with self._lock:
            self._phase = _Phase.STOPPED

    def _end(self, process: ServerProcess) -> None:
        """Terminate, and kill when ``stop_timeout`` is over.

        livekit-server takes two signals. The first asks participants to leave and waits for that, the second does not
        wait; in the first 100 ms after its start was done, one is noted and forgotten.
        """
        patience = min(FIRST_SIGNAL_SECONDS, self._options.stop_timeout)
        try:
            for seconds in (patience, self._options.stop_timeout - patience):
                process.terminate()
                if process.wait(seconds):
                    return
        finally:  # also where a second Ctrl-C comes in
            process.kill()
        if not process.wait(KILLED_SECONDS):
            logger.error("the embedded LiveKit server does not die", extra={"pid": process.pid})

    # small things

    @property
    def _bound(self) -> Ports:
        if self._ports is None:
            raise ServerError(f"the server is {self._phase.value}: use it in a `with` or `async with` block")
        return self._ports

    def _move(self, before: _Phase, after: _Phase) -> None:
        with self._lock:
            if self._phase is not before:
                raise ServerError(f"the server is {self._phase.value}: make a new LiveKitServer, each serves once")
            self._phase = after

    def _note_line(self, line: str) -> None:
        line = line.replace(self.api_secret, "…")
        self._lines.append(line)
        if self._on_log is None:
            return
        try:
            self._on_log(line)
        except Exception:  # noqa: BLE001  somebody else's function, and the log must be read on or the server blocks
            self._on_log = None
            logger.exception("on_log of the embedded LiveKit server failed and is not called again")

    def _told(self, what: str) -> str:
        told = "\n".join(f"  {line}" for line in self.log[-20:])
        return f"the embedded LiveKit server did not start: {what}. It wrote:\n{told or '  nothing'}"


def _free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
