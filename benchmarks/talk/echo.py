"""What the way takes: a sound, and the answer of somebody in the same room who answers at once."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Final

import numpy as np
from livekit import rtc

from benchmarks.talk.caller import Caller, TalkError
from benchmarks.talk.heard import LOUD
from benchmarks.talk.script import RATE, TONES
from benchmarks.talk.sound import beep

__all__ = ["answering", "echoes"]

EAR_RATE: Final = 16_000
ANSWER_SECONDS: Final = 0.2
QUIET_SECONDS: Final = 0.3
WAIT_SECONDS: Final = 2.0


@contextlib.asynccontextmanager
async def answering(url: str, token: str) -> AsyncIterator[None]:
    """Have somebody in the token's room who answers each sound with a tone, as agents send and receive sound."""
    room = rtc.Room()
    source = rtc.AudioSource(RATE, 1)
    tasks: list[asyncio.Task[None]] = []

    @room.on("track_subscribed")
    def _(track: rtc.Track, *_: object) -> None:
        tasks.append(asyncio.create_task(_answer(track, source), name="answer"))

    await room.connect(url, token)
    try:
        track = rtc.LocalAudioTrack.create_audio_track("answers", source)
        await room.local_participant.publish_track(track)
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await room.disconnect()


async def echoes(caller: Caller, count: int) -> list[float]:
    """Return how long each of several answers took, in seconds.

    :raises TalkError: one did not come.
    """
    sound = beep()
    for index in range(count):
        await caller.hears_nothing(lasting=QUIET_SECONDS, seconds=WAIT_SECONDS)
        begun = time.monotonic()
        await caller.say(sound)
        if not await caller.hears(begun, seconds=WAIT_SECONDS):
            raise TalkError(f"nothing was heard of beep {index + 1}")
    await caller.hears_nothing(lasting=QUIET_SECONDS, seconds=WAIT_SECONDS)
    heard = caller.heard()
    return [min(each.begin for each in heard if each.begin > beep.begin) - beep.begin for beep in caller.said()]


async def _answer(track: rtc.Track, source: rtc.AudioSource) -> None:
    time_ = np.arange(round(ANSWER_SECONDS * RATE)) / RATE
    tone = (np.sin(2 * np.pi * TONES[0] * time_) * 16_000).astype(np.int16)
    last = 0.0
    async for event in rtc.AudioStream(track, sample_rate=EAR_RATE, num_channels=1):
        loud = np.abs(np.frombuffer(event.frame.data, dtype=np.int16).astype(np.int32)).max() >= LOUD
        now = time.monotonic()
        if loud and now - last > QUIET_SECONDS:
            await source.capture_frame(rtc.AudioFrame(tone.tobytes(), RATE, 1, len(tone)))
        last = now if loud else last
