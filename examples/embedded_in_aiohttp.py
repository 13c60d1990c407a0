"""A worker inside a web application: one program answers HTTP requests and lets an agent join rooms.

    python examples/embedded_in_aiohttp.py        # LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET name the server
    curl http://127.0.0.1:8080/rooms

The worker lives as long as the application. Jobs run in processes of their own, so a busy agent delays no request.
"""

import os
from collections.abc import AsyncIterator

from aiohttp import web

from lk_agents import JobContext, Worker, WorkerOptions

WORKER = web.AppKey("worker", Worker)


async def entrypoint(ctx: JobContext) -> None:
    """Greet the first person who comes; runs in a process of the job's own."""
    await ctx.connect()
    guest = await ctx.wait_for_participant()
    await ctx.agent.publish_data(f"Welcome, {guest.identity}!", topic="greeting")


async def rooms(request: web.Request) -> web.Response:
    """Say in which rooms the agent is, and whether it could join another one."""
    worker = request.app[WORKER]
    return web.json_response({"ready": worker.connected, "rooms": [info.job.room.name for info in worker.active_jobs]})


async def worker_of(app: web.Application) -> AsyncIterator[None]:
    """Start the worker before the first request is answered, and close it, with its jobs, after the last."""
    async with Worker(WorkerOptions(entrypoint_fnc=entrypoint)) as worker:
        app[WORKER] = worker
        yield


def make_app() -> web.Application:
    """Return the application."""
    app = web.Application()
    app.router.add_get("/rooms", rooms)
    app.cleanup_ctx.append(worker_of)
    return app


if __name__ == "__main__":  # job processes load this file too, and must not start another application
    web.run_app(make_app(), host="127.0.0.1", port=int(os.environ.get("PORT", "8080")))
