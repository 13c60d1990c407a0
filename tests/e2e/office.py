"""The server seen through its public API, as an operator sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from livekit import api
from livekit.protocol.models import ParticipantInfo
from tests.e2e.journal import SOON
from tests.e2e.server_log import ServerLog

from lk_agents.foundation.ids import short_id

if TYPE_CHECKING:
    from lk_agents_server import LiveKitServer

POLL_SECONDS = 0.05
"""Between two questions to the API, which tells nothing by itself."""


class Office:
    """Makes rooms and dispatches on one server, and looks at what is there. Use it as a context manager."""

    def __init__(self, server: LiveKitServer, log: ServerLog) -> None:
        self.server = server
        self.log = log
        self.api = api.LiveKitAPI(server.http_url, server.api_key, server.api_secret)
        self._rooms: set[str] = set()

    async def aclose(self) -> None:
        """Delete the rooms, so that nothing of this test is there for the next one."""
        for room in self._rooms:
            with suppress(api.TwirpError):
                await self.delete(room)
        await self.api.aclose()

    def name(self, kind: str = "room") -> str:
        """Return a name that nothing else has; a room of that name is deleted in the end."""
        name = short_id(f"{kind}-")
        if kind == "room":
            self._rooms.add(name)
        return name

    def token(self, room: str, identity: str) -> str:
        """Return a caller's token."""
        token = api.AccessToken(self.server.api_key, self.server.api_secret).with_identity(identity)
        return token.with_grants(api.VideoGrants(room_join=True, room=room)).to_jwt()

    async def create(self, room: str, *agents: str) -> api.Room:
        """Create a room; without agents it gets the automatic dispatch."""
        dispatches = [api.RoomAgentDispatch(agent_name=agent) for agent in agents]
        return await self.api.room.create_room(api.CreateRoomRequest(name=room, agents=dispatches))

    async def dispatch(self, agent: str, room: str, metadata: str = "") -> str:
        """Dispatch an agent and return the dispatch's id; the room is made if there is none."""
        request = api.CreateAgentDispatchRequest(agent_name=agent, room=room, metadata=metadata)
        return (await self.api.agent_dispatch.create_dispatch(request)).id

    async def delete(self, room: str) -> None:
        """Delete the room."""
        await self.api.room.delete_room(api.DeleteRoomRequest(room=room))

    async def remove(self, room: str, identity: str) -> None:
        """Throw a participant out."""
        await self.api.room.remove_participant(api.RoomParticipantIdentity(room=room, identity=identity))

    async def order(self, room: str, identity: str, order: str) -> None:
        """Tell an obedient agent in the room what to do."""
        request = api.SendDataRequest(
            room=room,
            data=order.encode(),
            kind=api.DataPacket.Kind.RELIABLE,
            destination_identities=[identity],
        )
        await self.api.room.send_data(request)

    async def participants(self, room: str) -> list[ParticipantInfo]:
        """Return who is in the room."""
        return list((await self.api.room.list_participants(api.ListParticipantsRequest(room=room))).participants)

    async def agents(self, room: str) -> list[ParticipantInfo]:
        """Return the agents in the room."""
        return [one for one in await self.participants(room) if one.kind == ParticipantInfo.Kind.AGENT]

    async def until_participants(
        self, room: str, condition: Callable[[list[ParticipantInfo]], bool], seconds: float = SOON
    ) -> list[ParticipantInfo]:
        """Wait until the participants of the room are such."""
        found: list[ParticipantInfo] = []
        try:
            async with asyncio.timeout(seconds):
                while not condition(found := await self.participants(room)):
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise AssertionError(f"not in {seconds:g} s; in the room are {[one.identity for one in found]}") from None
        return found
