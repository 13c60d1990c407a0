"""The server's process: one thread starts it, reads what it says, and reaps it.

The three belong to one thread for a reason. Linux offers to kill a child when its parent dies, but "parent" means the
*thread* that started it: a server started from a short-lived thread would die with that thread. This one lives exactly
as long as the server.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from lk_agents_server.errors import ServerStartError

__all__ = ["ServerProcess"]

LONGEST_LINE: Final = 64 * 1024
SPAWN_SECONDS: Final = 30.0

# Runs between fork and the server: a program of its own, because Python code between fork and exec can deadlock in a
# process that has threads. It undoes a signal mask that we may have inherited, asks to be killed with the parent, makes
# sure that the parent did not die before that, and becomes the server. A Python without ctypes cannot ask; then the
# server only ends with the block or the interpreter, as on other systems.
_BECOME_SERVER: Final = """\
import os, signal, sys
signal.pthread_sigmask(signal.SIG_SETMASK, ())
try:
    import ctypes
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
except (ImportError, OSError, AttributeError):
    pass
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


class ServerProcess:
    """One run of a command, from start to reaping.

    :param command: the program and its arguments.
    :param standard_input: what it reads; the pipe is closed behind it.
    :param environment: all of its environment.
    :param on_line: called with each line that it writes, from this object's own thread.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        standard_input: bytes,
        environment: Mapping[str, str],
        on_line: Callable[[str], None],
    ) -> None:
        self._command = list(command)
        self._standard_input = standard_input
        self._environment = dict(environment)
        self._on_line = on_line
        self._process: subprocess.Popen[bytes] | None = None
        self._error: OSError | None = None
        self._abandoned = False
        self._owner = os.getpid()
        self._spawned = threading.Event()
        self._ended = threading.Event()

    @property
    def pid(self) -> int:
        """The process's id, 0 before the start."""
        return self._process.pid if self._process else 0

    @property
    def returncode(self) -> int | None:
        """The exit status once it has ended (negative: the signal), else None."""
        return self._process.returncode if self._process and self._ended.is_set() else None

    def start(self) -> None:
        """Start the process; returns when it runs.

        :raises ServerStartError: the program cannot be started.
        """
        threading.Thread(target=self._keep, name="lk-server-keeper", daemon=True).start()
        if not self._spawned.wait(SPAWN_SECONDS):
            self._abandoned = True
            raise ServerStartError(f"{self._command[0]} could not be started within {SPAWN_SECONDS:g} s")
        if self._error:
            raise ServerStartError(f"{self._command[0]} cannot be started: {self._error}") from self._error

    def wait(self, timeout: float | None = None) -> bool:
        """Block until it has ended and all its lines are read, ``timeout`` seconds at most; tell whether it has."""
        return self._ended.wait(timeout)

    def terminate(self) -> None:
        """Ask it to end; does nothing if it has."""
        if self._process and self._is_ours():
            self._process.terminate()

    def kill(self) -> None:
        """End it at once; does nothing if it has ended."""
        if self._process and self._is_ours():
            self._process.kill()

    @property
    def owned(self) -> bool:
        """Whether this process started it. A fork leaves our blocks and runs our atexit callbacks too."""
        return os.getpid() == self._owner

    def _is_ours(self) -> bool:
        return self.owned and not self._ended.is_set()

    def _keep(self) -> None:
        try:
            process = self._process = self._spawn()
        except OSError as error:
            self._error = error
            self._ended.set()
            return
        finally:
            self._spawned.set()
        atexit.register(self.kill)  # for systems where nothing ends the child with us
        if self._abandoned:
            process.kill()
        try:
            self._feed(process)
            self._read(process)
        finally:
            process.wait()
            self._ended.set()
            atexit.unregister(self.kill)

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = self._command
        frozen = getattr(sys, "frozen", False)  # then sys.executable is the application and no Python
        if sys.platform == "linux" and sys.executable and not frozen:
            command = [sys.executable, "-I", "-S", "-c", _BECOME_SERVER, str(os.getpid()), *command]
        return subprocess.Popen(
            command,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C in the terminal is for us to act on
        )

    def _feed(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdin is None:
            return
        try:
            with process.stdin as pipe:
                pipe.write(self._standard_input)
        except BrokenPipeError:
            pass  # it ended without reading: its output says why

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdout is None:
            return
        with process.stdout as output:
            while line := output.readline(LONGEST_LINE):
                self._on_line(line.decode(errors="replace").rstrip())
