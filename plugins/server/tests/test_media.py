"""Clients really connect: over UDP, on the loopback address, without asking anybody outside."""

from __future__ import annotations

import asyncio

import pytest
from livekit import api, rtc

from lk_agents_server import LiveKitServer, ServerOptions

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

CONNECT_SECONDS = 20


def token(server: LiveKitServer, identity: str) -> str:
    grants = api.VideoGrants(room_join=True, room="talk")
    return api.AccessToken(server.api_key, server.api_secret).with_identity(identity).with_grants(grants).to_jwt()


@pytest.mark.parametrize("options", [ServerOptions(), ServerOptions(tcp=True)], ids=["udp", "udp and tcp"])
async def test_two_participants_exchange_data(options: ServerOptions) -> None:
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    async with LiveKitServer(options) as server:
        speaker, listener = rtc.Room(), rtc.Room()
        listener.on("data_received", lambda packet: heard.set_result(packet.data))
        async with asyncio.timeout(CONNECT_SECONDS):
            await listener.connect(server.url, token(server, "listener"))
            await speaker.connect(server.url, token(server, "speaker"))
            await speaker.local_participant.publish_data(b"hello")
            assert await heard == b"hello"
        await speaker.disconnect()
        await listener.disconnect()


async def test_a_server_with_participants_ends_within_its_deadline() -> None:
    async with LiveKitServer(ServerOptions(stop_timeout=5)) as server:
        room = rtc.Room()
        async with asyncio.timeout(CONNECT_SECONDS):
            await room.connect(server.url, token(server, "stays"))
        begun = asyncio.get_running_loop().time()

    assert asyncio.get_running_loop().time() - begun < 5
    await room.disconnect()
