"""The process of a speaker and a listener in one room: what the one plays, the other hears. Answers as JSON."""

from __future__ import annotations

import array
import asyncio
import json
import math
import sys
from typing import Any

from livekit import rtc

from lk_agents.media import Playout, RoomAudioIn, RoomAudioOut

RATE = 24_000
FRAME_SAMPLES = RATE // 50
LOUD = 1000


def tone(seconds: float) -> list[rtc.AudioFrame]:
    """Return 440 Hz, in frames of 20 ms."""
    wave = [round(8000 * math.sin(math.tau * 440 * n / RATE)) for n in range(round(seconds * RATE))]
    return [
        rtc.AudioFrame(array.array("h", wave[start : start + FRAME_SAMPLES]).tobytes(), RATE, 1, FRAME_SAMPLES)
        for start in range(0, len(wave), FRAME_SAMPLES)
    ]


class Listener:
    """Notes which of the frames that it hears are loud."""

    def __init__(self, room: rtc.Room) -> None:
        self.voice: asyncio.Future[RoomAudioIn] = asyncio.get_running_loop().create_future()
        self.loud: list[bool] = []
        self.frame_seconds = 0.0
        room.on("track_subscribed", self._on_track)

    def _on_track(self, track: rtc.RemoteAudioTrack, _publication: object, who: rtc.RemoteParticipant) -> None:
        self.voice.set_result(RoomAudioIn(track, participant=who.identity, sample_rate=16_000, frame_ms=20))

    async def listen(self) -> None:
        async for frame in await self.voice:
            self.frame_seconds = frame.duration
            self.loud.append(max(map(abs, frame.data)) > LOUD)

    def take(self) -> dict[str, float]:
        """Return for how long it was loud since the last time, and the longest silence in between."""
        loud, self.loud = self.loud, []
        begin, end = loud.index(True), len(loud) - loud[::-1].index(True)
        runs = "".join("x" if each else " " for each in loud[begin:end]).split("x")
        return {
            "loud": sum(loud) * self.frame_seconds,
            "silent": max(map(len, runs)) * self.frame_seconds,
        }


async def play(source: rtc.AudioSource, *, pause_at: float | None = None, stop_at: float | None = None) -> float:
    """Play a tone of two seconds; return how far it was heard."""
    async with Playout(RoomAudioOut(source)) as playout:
        for frame in tone(2.0):
            await playout.push(frame)
        playout.end_input()
        if pause_at is not None:
            await asyncio.sleep(pause_at)
            playout.pause()
            await asyncio.sleep(0.6)
            playout.resume()
        if stop_at is not None:
            await asyncio.sleep(stop_at)
            return playout.stop()
        await playout.wait_for_playout()
        return playout.played_seconds


async def main(url: str, speaker_token: str, listener_token: str) -> None:
    speaker, hearer = rtc.Room(), rtc.Room()
    listener = Listener(hearer)
    await hearer.connect(url, listener_token)
    await speaker.connect(url, speaker_token)
    source = rtc.AudioSource(RATE, 1)
    await speaker.local_participant.publish_track(rtc.LocalAudioTrack.create_audio_track("voice", source))
    voice = await listener.voice
    listening = asyncio.create_task(listener.listen())
    await asyncio.sleep(0.5)
    told: dict[str, Any] = {"participant": voice.participant}
    cases: dict[str, dict[str, float]] = {"whole": {}, "paused": {"pause_at": 1.0}, "stopped": {"stop_at": 1.0}}
    for name, how in cases.items():
        played = await play(source, **how)
        await asyncio.sleep(1.0)  # what is on its way
        told[name] = {"played": played, **listener.take()}
    await voice.aclose()
    await listening
    await speaker.disconnect()
    await hearer.disconnect()
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
