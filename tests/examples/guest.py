"""A guest as a program of its own: joins a room, prints the first greeting that it is sent, leaves.

``python guest.py URL TOKEN`` prints one JSON object: the greeting, who sent it, and the agent's attributes. Not a part
of the test process, because the media library must not be started in a process that forks workers.
"""

import asyncio
import json
import os
import sys

from livekit import rtc

WAIT_SECONDS = 15.0


async def visit(url: str, token: str) -> dict[str, object]:
    room = rtc.Room()
    greeted: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    met: asyncio.Future[rtc.RemoteParticipant] = asyncio.get_running_loop().create_future()

    @room.on("data_received")
    def _(packet: rtc.DataPacket) -> None:
        if packet.topic == "greeting" and not greeted.done():
            greeted.set_result(packet.data.decode())

    @room.on("participant_connected")
    def _(participant: rtc.RemoteParticipant) -> None:
        if not met.done():
            met.set_result(participant)

    await room.connect(url, token)
    for present in room.remote_participants.values():
        met.set_result(present)
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            text = await greeted
            agent = await met  # the server tells of somebody who publishes no track up to 3 s after his first words
        return {"text": text, "identity": agent.identity, "name": agent.name, "attributes": dict(agent.attributes)}
    finally:
        await room.disconnect()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(visit(*sys.argv[1:3]))), flush=True)
    os._exit(0)  # a late call of the media library into an interpreter that ends would abort the process
