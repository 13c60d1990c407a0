"""What may wake an event loop from outside: threads, executor calls, sockets. The virtual clock waits for them."""

from __future__ import annotations

import asyncio
import concurrent.futures.thread
import contextvars
import functools
import selectors
import socket
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Final

__all__ = ["IGNORED_THREADS", "Outside"]

IGNORED_THREADS: Final = ("lk_agents_machine_load", "pytest_timeout")
"""How the names of threads begin that never call into a loop, although they live beside one."""


class Outside:
    """Lists what is open outside of one loop. Use it from the loop's thread, except where it says otherwise."""

    def __init__(self) -> None:
        self.ignored_threads: list[str] = list(IGNORED_THREADS)
        self._old_threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet(threading.enumerate())
        self._calls: dict[asyncio.Future[Any], str] = {}
        self._declared: dict[object, str] = {}
        self._pipes: weakref.WeakSet[asyncio.BaseTransport] = weakref.WeakSet()

    def add_call(self, future: asyncio.Future[Any], function: Callable[..., Any]) -> None:
        """Count a call in an executor until ``future`` is done."""
        self._calls[future] = f"executor call of {_name(function)}"
        future.add_done_callback(lambda done: self._calls.pop(done, None))

    def add_pipe(self, transport: asyncio.BaseTransport) -> None:
        """Count a pipe until it closes."""
        self._pipes.add(transport)

    def add_caller(self, thread: threading.Thread) -> None:
        """Count a thread that has called into the loop, for as long as it lives; safe from that thread."""
        self._old_threads.discard(thread)

    def declare(self, name: str) -> Callable[[], None]:
        """Count something under ``name`` until the function that is returned is called."""
        key = object()
        self._declared[key] = name

        def end() -> None:
            self._declared.pop(key, None)

        return end

    def list(
        self, selector: selectors.BaseSelector, own_fd: int, transports: list[asyncio.BaseTransport]
    ) -> dict[object, str]:
        """Return what is open now, in words, each under a key of its own.

        :param own_fd: the descriptor by which the loop is woken, which is not counted.
        :param transports: the socket transports that the loop knows.
        """
        found: dict[object, str] = dict(self._declared)
        found.update((future, name) for future, name in self._calls.items())
        for thread in self._open_threads():
            found[thread] = f"thread {thread.name!r}"
        for key in list(selector.get_map().values()):
            if key.fd != own_fd:
                found[key.fd] = _describe_file(key.fileobj)
        for transport in [*transports, *self._pipes]:
            if not transport.is_closing():
                described = transport.get_extra_info("socket") or transport.get_extra_info("pipe")
                found.setdefault(_fd(described), _describe_file(described))
        return found

    def _open_threads(self) -> Iterator[threading.Thread]:
        frames = sys._current_frames()  # noqa: SLF001  documented, in spite of its name
        own = threading.current_thread()
        for thread in threading.enumerate():
            if thread is own or thread in self._old_threads or thread.name.startswith(tuple(self.ignored_threads)):
                continue
            if not _is_idle_worker(thread, frames.get(thread.ident or 0)):
                yield thread


def _is_idle_worker(thread: threading.Thread, frame: Any) -> bool:
    """Return whether this is a pool's thread that waits for work: its uppermost Python frame is the pool's own loop."""
    queue = getattr(concurrent.futures.thread, "_threads_queues", {}).get(thread)
    if queue is None or frame is None or not queue.empty():
        return False
    return bool(frame.f_code.co_name == "_worker" and frame.f_code.co_filename == concurrent.futures.thread.__file__)


def _fd(file: Any) -> object:
    try:
        return file if isinstance(file, int) else file.fileno()
    except (AttributeError, OSError, ValueError):  # closed in the meantime
        return id(file)


def _describe_file(file: Any) -> str:
    if hasattr(file, "getsockname"):
        return _describe_socket(file)
    if isinstance(file, int):
        try:
            known = socket.socket(fileno=file)
        except OSError:  # a pipe, or what tells of a child process
            return f"file descriptor {file}"
        try:
            return _describe_socket(known)
        finally:
            known.detach()  # it stays open: it is not ours
    return repr(file)


def _describe_socket(sock: Any) -> str:
    try:
        here = sock.getsockname()
    except OSError:
        return f"socket {sock!r}"
    try:
        return f"socket {_address(here)} connected to {_address(sock.getpeername())}"
    except OSError:  # listening, or not connected
        return f"socket {_address(here)}"


def _address(address: Any) -> str:
    if isinstance(address, tuple):
        return f"{address[0]}:{address[1]}"
    return str(address) or "(no name)"


def _name(function: Callable[..., Any]) -> str:
    """Name a function, also one wrapped in a partial or, as by ``asyncio.to_thread``, in a context's ``run``."""
    while isinstance(function, functools.partial):
        runs_another = isinstance(getattr(function.func, "__self__", None), contextvars.Context) and function.args
        function = function.args[0] if runs_another else function.func
    return str(getattr(function, "__qualname__", None) or repr(function))
