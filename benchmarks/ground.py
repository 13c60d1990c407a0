"""What the workers run against: one real server, and its API as an operator uses it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Final, Self

from livekit import api
from livekit.protocol import models

from benchmarks.failure import MeasurementError
from lk_agents.foundation.ids import short_id
from lk_agents_server import LiveKitServer, ServerOptions

__all__ = ["Ground"]

LOOK_SECONDS: Final = 0.02
REGISTERED: Final = "worker registered"


class Ground:
    """A server that is the same for all measurements, and what has been asked of it. Use :meth:`open`."""

    def __init__(self, server: LiveKitServer, client: api.LiveKitAPI, registered: dict[str, float]) -> None:
        self.server = server
        self._api = client
        self._registered = registered
        self._rooms: list[str] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls) -> AsyncIterator[Self]:
        """Run the server while the block lasts."""
        registered: dict[str, float] = {}

        def note(line: str) -> None:
            if REGISTERED in line:
                registered[line] = time.monotonic()

        async with LiveKitServer(ServerOptions(departure_timeout=1), on_log=note) as server:
            client = api.LiveKitAPI(server.http_url, server.api_key, server.api_secret)
            try:
                yield cls(server, client, registered)
            finally:
                await client.aclose()

    async def wait_registered(self, agent: str, *, seconds: float) -> float:
        """Return when the server noted the first worker of that agent name.

        :raises MeasurementError: it did not in ``seconds``.
        """
        try:
            async with asyncio.timeout(seconds):
                while True:
                    for line, at in self._registered.copy().items():
                        if f'"{agent}"' in line:
                            return at
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            raise MeasurementError(f"no worker registered in {seconds:g} s") from None

    async def make_rooms(self, count: int) -> list[str]:
        """Make rooms without agents, and return their names when the server has done with them."""
        names = [short_id("bench-") for _ in range(count)]
        self._rooms += names
        for name in names:
            await self._api.room.create_room(api.CreateRoomRequest(name=name))
        await asyncio.sleep(0.5)  # it looks for unnamed agents first, which there are none of
        return names

    async def dispatch(self, agent: str, room: str, metadata: str = "") -> None:
        """Have an agent come into a room; returns before it does."""
        request = api.CreateAgentDispatchRequest(agent_name=agent, room=room, metadata=metadata)
        await self._api.agent_dispatch.create_dispatch(request)

    async def check_agents(self, count: int) -> None:
        """Ask the server itself whether an agent is in each of the last ``count`` rooms.

        :raises MeasurementError: in one of them there is none.
        """
        for room in self._rooms[-count:]:
            asked = api.ListParticipantsRequest(room=room)
            participants = (await self._api.room.list_participants(asked)).participants
            if not any(one.kind == models.ParticipantInfo.Kind.AGENT for one in participants):
                raise MeasurementError(f"the server knows no agent in {room}")

    async def clear(self) -> None:
        """Delete the rooms that were made, so that the next measurement finds nothing of this one."""
        rooms, self._rooms = self._rooms, []
        for room in rooms:
            with contextlib.suppress(api.TwirpError):  # it has closed by itself
                await self._api.room.delete_room(api.DeleteRoomRequest(room=room))
