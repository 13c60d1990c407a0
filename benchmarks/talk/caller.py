"""A caller: has a microphone in which it is never quite silent, and writes down what it says and hears."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from livekit import rtc
from numpy.typing import NDArray

from benchmarks.talk.clock import due_times, moment
from benchmarks.talk.heard import LOUD, Stretch, stretches
from benchmarks.talk.sound import PIECE, PIECE_SECONDS, RATE, Phrase, Samples, hush
from benchmarks.talk.turns import Said
from benchmarks.waiting import comes_true

__all__ = ["Caller", "TalkError"]

HUSH_SECONDS: Final = 2.0
AHEAD_SECONDS: Final = 2 * PIECE_SECONDS
"""What the media library still has to send when it asks for the next piece."""


class TalkError(Exception):
    """The conversation did not come about; the text says why."""


@dataclass
class _Saying:
    """A phrase in the microphone's stream.

    :param place: of its first sample, in samples.
    """

    phrase: Phrase
    interrupts: bool
    done: asyncio.Future[None]
    place: int = 0


class Caller:
    """Somebody in a room with one other participant. Use :meth:`joined`."""

    def __init__(self, room: rtc.Room, source: rtc.AudioSource) -> None:
        self.room = room
        self.last_loud = 0.0
        """When something loud came last."""
        self._source = source
        self._noise = hush(HUSH_SECONDS).reshape(-1, PIECE)
        self._next: _Saying | None = None
        self._sayings: list[_Saying] = []
        self._sent: list[float] = []
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
        source = rtc.AudioSource(RATE, 1, queue_size_ms=round(AHEAD_SECONDS * 1000))
        caller = cls(room, source)
        try:
            async with asyncio.TaskGroup() as group:  # whoever cannot speak or hear any more ends the conversation
                tasks = [group.create_task(caller._speak(), name="microphone")]
                track = rtc.LocalAudioTrack.create_audio_track("voice", source)
                options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
                await room.local_participant.publish_track(track, options)
                try:
                    theirs = await asyncio.wait_for(found, seconds)
                except TimeoutError:
                    raise TalkError(f"nobody had a track within {seconds:g} s") from None
                size = round(PIECE_SECONDS * 1000)
                stream = rtc.AudioStream(theirs, sample_rate=RATE, num_channels=1, frame_size_ms=size)
                tasks.append(group.create_task(caller._listen(stream), name="ear"))
                yield caller
                for task in tasks:
                    task.cancel()
        finally:
            await room.disconnect()

    async def say(self, phrase: Phrase, *, interrupts: bool = False) -> None:
        """Say it, and return when its last sample has been sent, or will be in a moment."""
        self._next = saying = _Saying(phrase, interrupts, asyncio.get_running_loop().create_future())
        await saying.done

    async def hears(self, since: float, *, seconds: float) -> bool:
        """Wait until something loud comes after ``since``; return False if nothing does within ``seconds``."""
        return await comes_true(lambda: self.last_loud > since, seconds)

    async def hears_nothing(self, *, lasting: float, seconds: float) -> bool:
        """Wait until it has been quiet for a time; return False if it is not within ``seconds``."""
        return await comes_true(lambda: time.monotonic() - self.last_loud > lasting, seconds)

    def said(self) -> list[Said]:
        """Return what was said so far, and when."""
        ends = self._sending()
        return [
            Said(
                begin=moment(saying.place + saying.phrase.first, ends),
                end=moment(saying.place + saying.phrase.last, ends),
                interrupts=saying.interrupts,
            )
            for saying in self._sayings
        ]

    def late(self) -> float:
        """Return for how long the microphone had nothing to send while something was said, in seconds."""
        steps = np.diff(self._sending()) - PIECE_SECONDS
        whole = [
            steps[saying.place // PIECE : (saying.place + len(saying.phrase.samples)) // PIECE].sum()
            for saying in self._sayings
        ]
        return float(max(whole, default=0.0))

    def heard(self) -> list[Stretch]:
        """Return what was loud so far, and when."""
        if not self._heard:
            return []
        return stretches(np.concatenate(self._heard), due_times(self._arrivals))

    def _sending(self) -> NDArray[np.float64]:
        """Return when the last sample of each piece was sent."""
        return due_times(self._sent) + AHEAD_SECONDS

    async def _speak(self) -> None:
        """Give a piece whenever the one before is being sent."""
        while True:
            if self._next is None:
                await self._give(np.zeros(PIECE, np.int16))
                continue
            saying, self._next = self._next, None
            saying.place = len(self._sent) * PIECE
            for start in range(0, len(saying.phrase.samples), PIECE):
                await self._give(saying.phrase.samples[start : start + PIECE])
            self._sayings.append(saying)
            saying.done.set_result(None)

    async def _give(self, samples: Samples) -> None:
        piece = samples + self._noise[len(self._sent) % len(self._noise)]
        await self._source.capture_frame(rtc.AudioFrame(piece.tobytes(), RATE, 1, PIECE))
        self._sent.append(time.monotonic())

    async def _listen(self, stream: rtc.AudioStream) -> None:
        async for event in stream:
            now = time.monotonic()
            samples = np.frombuffer(event.frame.data, dtype=np.int16).copy()
            self._heard.append(samples)
            self._arrivals.append(now)
            if np.abs(samples.astype(np.int32)).max() >= LOUD:
                self.last_loud = now
