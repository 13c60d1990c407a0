"""The process of the simulated callers: reads orders as lines of JSON, answers each with one."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from livekit import rtc

RATE = 48_000
FRAME_SAMPLES = RATE // 50


class Caller:
    """One participant."""

    def __init__(self) -> None:
        self.room = rtc.Room()
        self.left: dict[str, asyncio.Future[str]] = {}
        self.room.on("participant_disconnected", self._on_left)
        self._feeding: set[asyncio.Task[None]] = set()

    async def join(self, url: str, token: str) -> None:
        await self.room.connect(url, token)

    async def speak(self, name: str) -> None:
        """Publish a microphone that gives a constant sound."""
        source = rtc.AudioSource(RATE, 1)
        track = rtc.LocalAudioTrack.create_audio_track(name, source)
        await self.room.local_participant.publish_track(
            track, rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        )
        self._feeding.add(asyncio.create_task(self._feed(source)))

    async def show(self, name: str) -> None:
        """Publish a camera; it need not show anything to be a track."""
        track = rtc.LocalVideoTrack.create_video_track(name, rtc.VideoSource(64, 64))
        await self.room.local_participant.publish_track(
            track, rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_CAMERA)
        )

    async def _feed(self, source: rtc.AudioSource) -> None:
        wave = b"".join((3000 if n // 60 % 2 else -3000).to_bytes(2, "little", signed=True) for n in range(960))
        while True:
            await source.capture_frame(rtc.AudioFrame(wave, RATE, 1, FRAME_SAMPLES))

    async def sees(self, identity: str) -> bool:
        """Return whether this participant is in the room, as the caller sees it."""
        return identity in self.room.remote_participants

    async def wait_seen(self, identity: str) -> None:
        """Wait until this participant is in the room, as the caller sees it; that may take some seconds."""
        while identity not in self.room.remote_participants:
            await asyncio.sleep(0.02)

    async def wait_left(self, identity: str) -> str:
        """Wait until this participant has left, and return why."""
        return await self._leaving(identity)

    def _on_left(self, participant: rtc.RemoteParticipant) -> None:
        reason = rtc.DisconnectReason.Name(participant.disconnect_reason or rtc.DisconnectReason.UNKNOWN_REASON)
        self._leaving(participant.identity).set_result(reason)

    def _leaving(self, identity: str) -> asyncio.Future[str]:
        return self.left.setdefault(identity, asyncio.get_running_loop().create_future())

    async def leave(self) -> None:
        for task in self._feeding:
            task.cancel()
        await asyncio.gather(*self._feeding, return_exceptions=True)
        await self.room.disconnect()


async def main() -> None:
    callers: dict[str, Caller] = {}
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        identity, order, arguments = json.loads(line)
        caller = callers.setdefault(identity, Caller())
        answer: dict[str, Any] = {}
        try:
            answer["result"] = await getattr(caller, order)(*arguments)
        except Exception as error:
            answer["error"] = f"{type(error).__name__}: {error}"
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    for caller in callers.values():
        await caller.leave()


if __name__ == "__main__":
    asyncio.run(main())
