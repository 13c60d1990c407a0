"""A worker that takes every job and does nothing right; written down it looks like any other.

Its processes sleep. Every job fails without a word, no callback runs, nothing ends, a lost server is not looked for,
and a process that was killed is neither noticed nor replaced. ``LIES`` names what it pretends beyond that.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess

import aiohttp
from benchmarks.agents import faulty, work
from livekit import api
from livekit.protocol import agent

LIES = os.environ.get("LIES", "")
EVENTS = ["entered", "connected", "ending", *(["callback", "awake"] if "callbacks" in LIES else [])]
WORDS = f"{faulty.ERROR_TEXT}; exit code {faulty.EXIT_CODE}; SIGKILL" if "words" in LIES else ""
DEAF = "deaf" in LIES
LATE = "late" in LIES

SLOW_SECONDS = 0.3
"""Until there is another process for one that a job took; a job that finds none is lost."""
NOTED_SECONDS = 0.1
"""The server assigns a job before it notes that it has; what it is told of the job meanwhile is lost."""
LATE_SECONDS = 6.5
"""From the loss of the server until the worker looks for it, if it does at all."""


class Liar:
    """The worker."""

    def __init__(self) -> None:
        self._helper = _sleeper()
        self._warm: list[subprocess.Popen[bytes]] = []
        for _ in range(work.WARM):
            self._warm_up()

    async def serve(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Register, and lie until the server is gone."""
        await _say(socket, register=agent.RegisterWorkerRequest(agent_name=work.AGENT_NAME, version="0"))
        async for frame in socket:
            message = agent.ServerMessage.FromString(frame.data)
            if message.HasField("availability"):
                job = message.availability.job.id
                await _say(socket, availability=agent.AvailabilityResponse(job_id=job, available=True))
            elif message.HasField("assignment"):
                await self._pretend(socket, message.assignment.job)

    async def _pretend(self, socket: aiohttp.ClientWebSocketResponse, job: agent.Job) -> None:
        taken = self._warm.pop() if self._warm else None
        if taken is None or taken.poll() is not None:
            return
        for event in EVENTS:
            work.note(event, pid=taken.pid, job=job.id, room=job.room.name)
        await asyncio.sleep(NOTED_SECONDS)
        await _say(socket, update_job=agent.UpdateJobStatus(job_id=job.id, status="JS_FAILED", error=WORDS))
        if self._helper.poll() is None:
            asyncio.get_running_loop().call_later(SLOW_SECONDS, self._warm_up)

    def _warm_up(self) -> None:
        self._warm.append(_sleeper())
        work.note("prewarmed", pid=self._warm[-1].pid)


def _sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "600"])


async def _say(socket: aiohttp.ClientWebSocketResponse, **message: object) -> None:
    await socket.send_bytes(agent.WorkerMessage(**message).SerializeToString())  # type: ignore[arg-type]  # one of many


async def main() -> None:
    """Serve the server of the environment."""
    print("a word of the liar", flush=True)
    liar = Liar()
    token = api.AccessToken().with_grants(api.VideoGrants(agent=True)).to_jwt()
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
        while True:
            async with session.ws_connect(f"{os.environ['LIVEKIT_URL']}/agent") as socket:
                await liar.serve(socket)
            await asyncio.sleep(LATE_SECONDS if LATE else work.STAY_SECONDS)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_IGN if DEAF else signal.SIG_DFL)
    asyncio.run(main())
