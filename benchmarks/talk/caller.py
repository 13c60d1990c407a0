"""A caller: has a microphone in which it is never quite silent, and writes down what it says and hears."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Final, Self

import numpy as np
from livekit import rtc
from numpy.typing import NDArray

from benchmarks.talk.heard import LOUD, Stretch, frame_ends, stretches
from benchmarks.talk.sound import FRAME, FRAME_SECONDS, RATE, Phrase, Samples, hush
from benchmarks.talk.turns import Said
from benchmarks.waiting import comes_true

__all__ = ["Caller", "TalkError"]

HUSH_SECONDS: Final = 2.0
LATE_SECONDS: Final = 0.05
"""A microphone that is later than that does not catch up between phrases."""


class TalkError(Exception):
    """The conversation did not come about; the text says why."""


class Caller:
    """Somebody in a room with one other participant. Use :meth:`joined`."""

    def __init__(self, room: rtc.Room, source: rtc.AudioSource) -> None:
        self.room = room
        self.latest = 0.0
        """By how much the microphone was late at most while something was said, in seconds."""
        self.last_loud = 0.0
        """When something loud came last."""
        self._source = source
        self._noise = hush(HUSH_SECONDS).reshape(-1, FRAME)
        self._phrase: tuple[Phrase, asyncio.Future[tuple[float, float]]] | None = None
        self._heard: list[Samples] = []
        self._arrivals: list[float] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def joined(cls, url: str, token: str, *, seconds: float) -> AsyncIterator[Self]:
        """Join the token's room, and yield when the other participant's track is heard; leaving the block hangs up.

        :raises TalkError: nobody else has a track within ``seconds``.
        """
        room = rtc.Room()
        found: asyncio.Future[rtc.Track] = asyncio.get_running_loop().create_future()

        @room.on("track_subscribed")
        def _(track: rtc.Track, *_: object) -> None:
            if track.kind == rtc.TrackKind.KIND_AUDIO and not found.done():
                found.set_result(track)

        await room.connect(url, token)
        source = rtc.AudioSource(RATE, 1, queue_size_ms=0)  # each frame goes out when it is given
        caller = cls(room, source)
        try:
            async with asyncio.TaskGroup() as group:  # whoever cannot speak or hear any more ends the conversation
                tasks = [group.create_task(caller._speak(), name="microphone")]
                track = rtc.LocalAudioTrack.create_audio_track("voice", source)
                options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
                await room.local_participant.publish_track(track, options)
                try:
                    stream = rtc.AudioStream(await asyncio.wait_for(found, seconds), sample_rate=RATE, num_channels=1)
                except TimeoutError:
                    raise TalkError(f"nobody had a track within {seconds:g} s") from None
                tasks.append(group.create_task(caller._listen(stream), name="ear"))
                yield caller
                for task in tasks:
                    task.cancel()
        finally:
            await room.disconnect()

    async def say(self, phrase: Phrase, *, interrupts: bool = False) -> Said:
        """Say it, and return when its last sample has been sent."""
        said: asyncio.Future[tuple[float, float]] = asyncio.get_running_loop().create_future()
        self._phrase = phrase, said
        return Said(*await said, interrupts)

    async def hears(self, since: float, *, seconds: float) -> bool:
        """Wait until something loud comes after ``since``; return False if nothing does within ``seconds``."""
        return await comes_true(lambda: self.last_loud > since, seconds)

    async def hears_nothing(self, *, lasting: float, seconds: float) -> bool:
        """Wait until it has been quiet for a time; return False if it is not within ``seconds``."""
        return await comes_true(lambda: time.monotonic() - self.last_loud > lasting, seconds)

    def heard(self) -> list[Stretch]:
        """Return what was loud so far."""
        if not self._heard:
            return []
        return stretches(np.concatenate(self._heard), frame_ends(self._arrivals))

    async def _speak(self) -> None:
        """Give a frame every 10 ms."""
        begun, count = time.monotonic(), 0
        while True:
            if (now := time.monotonic()) > begun + count * FRAME_SECONDS + LATE_SECONDS:
                begun, count = now, 0  # what nobody said need not be sent later
            if self._phrase is None:
                await self._give(self._noise[count % len(self._noise)], begun + count * FRAME_SECONDS)
                count += 1
                continue
            (phrase, said), self._phrase = self._phrase, None
            sent = []
            for start in range(0, len(phrase.samples), FRAME):
                frame = phrase.samples[start : start + FRAME] + self._noise[count % len(self._noise)]
                due = begun + count * FRAME_SECONDS
                sent.append(await self._give(frame, due))
                self.latest = max(self.latest, sent[-1] - due)
                count += 1
            said.set_result((_moment(sent, phrase.first), _moment(sent, phrase.last)))

    async def _give(self, samples: NDArray[np.int16], due: float) -> float:
        """Send a frame when it is due, and return when it was sent."""
        await asyncio.sleep(due - time.monotonic())
        now = time.monotonic()
        await self._source.capture_frame(rtc.AudioFrame(samples.tobytes(), RATE, 1, FRAME))
        return now

    async def _listen(self, stream: rtc.AudioStream) -> None:
        async for event in stream:
            now = time.monotonic()
            samples = np.frombuffer(event.frame.data, dtype=np.int16).copy()
            self._heard.append(samples)
            self._arrivals.append(now)
            if np.abs(samples.astype(np.int32)).max() >= LOUD:
                self.last_loud = now


def _moment(sent: list[float], sample: int) -> float:
    """Return when a sample was spoken: a frame is sent when its last one has been."""
    frame, within = divmod(sample, FRAME)
    return sent[frame] - FRAME_SECONDS + within / RATE
