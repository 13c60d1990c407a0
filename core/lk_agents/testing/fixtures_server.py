"""The fixture ``lk_server``: a real LiveKit server, from whichever installed plugin offers one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from lk_agents.hooks.records import ServerInfo

__all__ = ["lk_server"]

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 15.0


@pytest.fixture(scope="session")
def lk_server() -> Iterator[ServerInfo]:
    """Start a real LiveKit server, once for all tests, and give its address and credentials.

    It comes from an installed plugin that implements ``lk_agents_dev_server`` (lk-agents-server is one); where there is
    none, the test is skipped. Use rooms with names of their own: all tests share the server.
    """
    server = _offered_server()
    if server is None:
        pytest.skip("no installed plugin offers a server (hook lk_agents_dev_server): pip install lk-agents-server")
    with _ThreadedServer(server) as info:
        yield info


def _offered_server() -> AbstractAsyncContextManager[ServerInfo] | None:
    """Return the server of the first installed plugin that can offer one."""
    from lk_agents.hooks.current import current_registry

    for implementation in current_registry().implementations("lk_agents_dev_server"):
        server: AbstractAsyncContextManager[ServerInfo] | None = implementation.call({})
        if server is not None:
            return server
    return None


class _ThreadedServer:
    """Runs the server's context manager in a thread with a loop of its own, so that tests of any loop can share it."""

    def __init__(self, server: AbstractAsyncContextManager[ServerInfo]) -> None:
        self._server = server
        self._started: Future[ServerInfo] = Future()
        self._ended: Future[None] = Future()
        self._stop: Callable[[], object] = lambda: None
        self._thread = threading.Thread(target=self._run, name="lk_server", daemon=True)

    def __enter__(self) -> ServerInfo:
        self._thread.start()
        return self._started.result(timeout=START_SECONDS)

    def __exit__(self, *_: object) -> None:
        self._stop()
        self._ended.result(timeout=STOP_SECONDS)

    def _run(self) -> None:
        import asyncio

        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001  whoever waits for the server gets it
            failed = self._ended if self._started.done() else self._started
            failed.set_exception(error)
        else:
            self._ended.set_result(None)

    async def _serve(self) -> None:
        import asyncio

        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        self._stop = lambda: loop.call_soon_threadsafe(stop.set)
        async with self._server as info:
            self._started.set_result(info)
            await stop.wait()
