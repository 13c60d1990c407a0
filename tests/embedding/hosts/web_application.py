"""An aiohttp application with a worker; ``/state`` tells what the worker changed in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiohttp import web
from tests.embedding.hosts.common import options, property_of_the_host, tell, what_is_open

from lk_agents import Worker

WORKER = web.AppKey("worker", Worker)


async def state(request: web.Request) -> web.Response:
    """Tell of the worker, and what is not as it was before."""
    worker = request.app[WORKER]
    return web.json_response(
        {
            "connected": worker.connected,
            "rooms": [info.job.room.name for info in worker.active_jobs],
            "changed": {key: now for key, now in property_of_the_host().items() if now != BEFORE[key]},
        }
    )


async def worker_of(app: web.Application) -> AsyncIterator[None]:
    """The worker, for the life of the application."""
    BEFORE.update(property_of_the_host())  # the handlers of signals are aiohttp's by now
    async with Worker(options()) as worker:
        app[WORKER] = worker
        yield
    tell(left=what_is_open())


BEFORE: dict[str, object] = {}


def main() -> None:
    """Serve until SIGTERM."""
    app = web.Application()
    app.router.add_get("/state", state)
    app.cleanup_ctx.append(worker_of)
    web.run_app(app, host="127.0.0.1", port=0, print=lambda text: tell(address=text.split()[3]))


if __name__ == "__main__":
    main()
