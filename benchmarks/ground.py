"""What the workers run against: one real server, and its API as an operator uses it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final, Self
from urllib.parse import urlsplit

from livekit import api
from livekit.protocol import models

from benchmarks.failure import MeasurementError
from benchmarks.server_log import ServerLog
from benchmarks.waiting import comes_true
from lk_agents.foundation.ids import short_id
from lk_agents_server import LiveKitServer, ServerOptions

__all__ = ["OPTIONS", "Ground"]

OPTIONS: Final = ServerOptions(departure_timeout=1)


class Ground:
    """A server that is the same for all measurements, and what has been asked of it. Use :meth:`open`."""

    def __init__(self, server: LiveKitServer, client: api.LiveKitAPI, log: ServerLog) -> None:
        self.server = server
        self.log = log
        self._api = client
        self._rooms: list[str] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, *, instead_of: LiveKitServer | None = None) -> AsyncIterator[Self]:
        """Run the server while the block lasts.

        :param instead_of: a server that has ended, whose port and keys the new one takes.
        """
        options, log = OPTIONS, ServerLog()
        if instead_of is not None:
            port, key, secret = urlsplit(instead_of.url).port or 0, instead_of.api_key, instead_of.api_secret
            options = replace(options, port=port, api_key=key, api_secret=secret)
        async with LiveKitServer(options, on_log=log.note) as server, cls.at(server, log) as ground:
            yield ground

    @classmethod
    @contextlib.asynccontextmanager
    async def at(cls, server: LiveKitServer, log: ServerLog) -> AsyncIterator[Self]:
        """Use a server that somebody else runs, and that writes to ``log``."""
        client = api.LiveKitAPI(server.http_url, server.api_key, server.api_secret)
        try:
            yield cls(server, client, log)
        finally:
            await client.aclose()

    async def wait_registered(self, agent: str, *, seconds: float) -> float:
        """Return when the server noted the first worker of that agent name.

        :raises MeasurementError: it did not in ``seconds``.
        """
        await comes_true(lambda: self.log.registered(agent) is not None, seconds)
        if (at := self.log.registered(agent)) is None:
            raise MeasurementError(f"no worker registered in {seconds:g} s")
        return at

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
            if not await self.has_agent(room):
                raise MeasurementError(f"the server knows no agent in {room}")

    async def has_agent(self, room: str) -> bool:
        """Ask the server whether an agent is in the room."""
        asked = api.ListParticipantsRequest(room=room)
        participants = (await self._api.room.list_participants(asked)).participants
        return any(one.kind == models.ParticipantInfo.Kind.AGENT for one in participants)

    async def delete_room(self, room: str) -> None:
        """Delete the room, which throws everybody out; it may have closed by itself."""
        with contextlib.suppress(api.TwirpError):
            await self._api.room.delete_room(api.DeleteRoomRequest(room=room))

    async def clear(self) -> None:
        """Delete the rooms that were made, so that the next measurement finds nothing of this one."""
        rooms, self._rooms = self._rooms, []
        for room in rooms:
            await self.delete_room(room)
