"""The HTTP endpoint that tells an orchestrator whether the worker lives and whether it takes jobs.

======================  =============================================================================================
``GET /``               liveness: 200 ``OK`` as long as the event loop answers
``GET /ready``          readiness: 200 ``OK``, or 503 with one reason a line, its code first (see :class:`HealthState`)
``GET /worker``         what the worker is and does, as JSON
``GET /metrics``        figures for Prometheus; 501 with the remedy where the package for it is not installed
======================  =============================================================================================

``HEAD`` works for each; other paths are 404, other methods 405.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.log import logger
from lk_agents.foundation.version import __version__

if TYPE_CHECKING:
    from aiohttp import web

    from lk_agents.metrics.exporter import Page

__all__ = ["HealthServer", "HealthState"]

CLOSE_SECONDS: Final = 1.0
"""How long requests that are being answered may take when the server closes."""


@dataclass(frozen=True, kw_only=True)
class HealthState:
    """The worker at one moment, as far as the endpoint tells it.

    :param id: the id that the server gave to the worker; "" before it has registered.
    :param state: the worker's state in a word, such as ``"running"`` or ``"draining"``.
    :param registered: whether the server knows the worker now.
    :param draining: whether the worker takes no more jobs.
    :param pool_broken: why processes cannot be started, or None.
    :param worker_load: 0 for idle, 1 for full.
    :param load_signal: which signal of the load is the highest.
    """

    id: str
    state: str
    registered: bool
    draining: bool = False
    pool_broken: str | None = None
    worker_type: str = ""
    agent_name: str = ""
    active_jobs: int = 0
    worker_load: float = 0.0
    load_signal: str = ""

    def reasons(self) -> list[str]:
        """Return why the worker takes no jobs: ``not_registered``, ``draining``, ``pool_broken: …``; or nothing."""
        found = []
        if not self.registered:
            found.append("not_registered")
        if self.draining:
            found.append("draining")
        if self.pool_broken is not None:
            found.append(f"pool_broken: {' '.join(self.pool_broken.split())}")
        return found


class HealthServer:
    """Serves the endpoint on the running event loop.

    :param host: address to listen on; "" for all interfaces.
    :param port: 0 for any free one.
    :param state: returns the worker's state; called at every request, must return at once.
    :param metrics: writes the page of metrics for who takes these formats; None for no such page.
    """

    def __init__(
        self,
        host: str,
        port: int,
        state: Callable[[], HealthState],
        metrics: Callable[[str], Awaitable[Page]] | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._state = state
        self._metrics = metrics
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """The port that it listens on: the real one once it has started."""
        return self._port

    async def start(self) -> None:
        """Listen; returns when requests are answered. Cancelled, it listens to nothing.

        :raises ConfigError: host or port cannot be had; the text names them and the remedy.
        """
        from aiohttp import web

        app = web.Application()
        app.router.add_get("/", self._alive)
        app.router.add_get("/ready", self._ready)
        app.router.add_get("/worker", self._worker)
        if self._metrics is not None:
            app.router.add_get("/metrics", self._page)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=CLOSE_SECONDS)
        try:
            await self._runner.setup()
            await web.TCPSite(self._runner, self._address(), self._port).start()
        except BaseException as error:
            await self.aclose()
            if isinstance(error, OSError):
                raise ConfigError(self._complaint(error)) from error
            raise
        self._port = self._runner.addresses[0][1]
        logger.info("health endpoint is listening", extra={"host": self._host or "*", "port": self._port})

    async def aclose(self) -> None:
        """Stop listening and end all connections; idempotent. Cancelled, it has stopped listening already."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await asyncio.shield(runner.cleanup())

    def _address(self) -> str | None:
        if self._host:
            return self._host
        # for every interface asyncio opens one socket per address family, each with a free port of its own
        return None if self._port else "0.0.0.0"  # noqa: S104  that is what the user asked for

    def _complaint(self, error: OSError) -> str:
        where = f"{self._host or 'all interfaces'}, port {self._port}"
        if error.errno == errno.EADDRINUSE:
            return (
                f"the health endpoint cannot listen on {where}: the port is taken; "
                f"set WorkerOptions.port to another one, or to 0 for any free one"
            )
        return f"the health endpoint cannot listen on {where}: {error}; set WorkerOptions.host and port to what is free"

    async def _alive(self, _request: web.Request) -> web.Response:
        from aiohttp import web

        return web.Response(text="OK")

    async def _ready(self, _request: web.Request) -> web.Response:
        from aiohttp import web

        reasons = self._state().reasons()
        return web.Response(text="\n".join(reasons) or "OK", status=503 if reasons else 200)

    async def _worker(self, _request: web.Request) -> web.Response:
        from aiohttp import web

        state = self._state()
        content: dict[str, Any] = asdict(state)
        content |= {"sdk_version": __version__, "ready": not state.reasons(), "reasons": state.reasons()}
        return web.json_response(content)

    async def _page(self, request: web.Request) -> web.Response:
        from aiohttp import web

        assert self._metrics is not None
        try:
            page = await self._metrics(request.headers.get("Accept", ""))
        except ConfigError as error:
            return web.Response(text=str(error), status=501)
        return web.Response(body=page.body, headers={"Content-Type": page.content_type})
