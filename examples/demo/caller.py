"""The simulated caller: joins a room, hums until he hears himself, speaks, and records what comes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np
from livekit import rtc

from demo.recording import Recording, Samples, hum

__all__ = ["CALLER_IDENTITY", "Call", "CallError", "make_call"]

CALLER_IDENTITY = "caller"
FRAME_SECONDS = 0.02
HUM_SECONDS = 0.02
QUEUE_MILLISECONDS = 100
AUDIBLE = 100
"""Peak of a frame, of 32767, from which something came back: coded silence stays far below, the hum above."""
SETTLE_SECONDS = 1.0
"""Humming goes on for so long after it first came back: the jitter buffers on the way find their length meanwhile."""
PAUSE_SECONDS = 0.5
TAIL_SECONDS = 1.5
"""Recording goes on for so long after the last word: the way there and back takes a part of it."""


class CallError(Exception):
    """The call did not come about; the text says at which step."""


@dataclass(frozen=True)
class Call:
    """What the caller has to tell.

    :param heard: what came back, from the first word on.
    :param agent_identity: who answered.
    :param first_frame_back: wall-clock time at which the hum was first heard.
    """

    heard: Recording
    agent_identity: str
    first_frame_back: float


async def make_call(url: str, token: str, speech: Recording, *, answer_seconds: float) -> Call:
    """Join the token's room, say ``speech`` to the agent there, and return what came back. Cancelled, it hangs up.

    :param answer_seconds: how long to wait for the agent's track, and then for the first sound on it.
    :raises CallError: nobody answered, or nothing came back.
    """
    room = rtc.Room()
    answered: asyncio.Future[tuple[rtc.RemoteAudioTrack, str]] = asyncio.get_running_loop().create_future()

    @room.on("track_subscribed")
    def _(track: rtc.Track, _publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant) -> None:
        if isinstance(track, rtc.RemoteAudioTrack) and not answered.done():
            answered.set_result((track, participant.identity))

    try:
        await room.connect(url, token)
    except rtc.ConnectError as error:
        raise CallError(f"the caller could not join the room: {error}") from error
    try:
        async with _microphone(room, speech.rate) as microphone:
            try:
                track, agent = await asyncio.wait_for(answered, answer_seconds)
            except TimeoutError:
                raise CallError(f"no agent answered with audio within {answer_seconds:g} s") from None
            async with _Ear.listening(track, speech.rate) as ear:
                first_back = await ear.wait_audible(answer_seconds)
                await asyncio.sleep(SETTLE_SECONDS)
                await microphone.say(Recording(np.zeros(0, np.int16), speech.rate))  # stops the hum
                await asyncio.sleep(PAUSE_SECONDS)
                ear.forget()
                await microphone.say(speech)
                await asyncio.sleep(TAIL_SECONDS)
                return Call(ear.heard(), agent, first_back)
    finally:
        await room.disconnect()


class _Microphone:
    """Feeds an audio source: the hum until something is said, then that, then silence."""

    def __init__(self, source: rtc.AudioSource, rate: int) -> None:
        self._source = source
        self._rate = rate
        self._queue: asyncio.Queue[tuple[Recording, asyncio.Event]] = asyncio.Queue(maxsize=4)

    async def say(self, recording: Recording) -> None:
        """Say it, and return when its last frame has been handed over."""
        said = asyncio.Event()
        await self._queue.put((recording, said))
        await said.wait()

    async def feed(self) -> None:
        """Keep the source supplied, in real time, until cancelled."""
        background = next(hum(self._rate, HUM_SECONDS).frames(FRAME_SECONDS))
        silence = np.zeros_like(background)
        while True:
            while self._queue.empty():
                await self._capture(background)
            background = silence
            recording, said = self._queue.get_nowait()
            for frame in recording.frames(FRAME_SECONDS):
                await self._capture(frame)
            said.set()

    async def _capture(self, samples: Samples) -> None:
        await self._source.capture_frame(rtc.AudioFrame(samples.tobytes(), self._rate, 1, len(samples)))


@asynccontextmanager
async def _microphone(room: rtc.Room, rate: int) -> AsyncIterator[_Microphone]:
    """Publish a microphone that hums."""
    source = rtc.AudioSource(rate, 1, queue_size_ms=QUEUE_MILLISECONDS)
    microphone = _Microphone(source, rate)
    track = rtc.LocalAudioTrack.create_audio_track("voice", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False)
    await room.local_participant.publish_track(track, options)
    feeding = asyncio.create_task(microphone.feed(), name="microphone")
    try:
        yield microphone
    finally:
        feeding.cancel()
        await asyncio.wait({feeding})
        await source.aclose()


class _Ear:
    """Records a track."""

    def __init__(self, stream: rtc.AudioStream, rate: int) -> None:
        self._stream = stream
        self._rate = rate
        self._frames: list[Samples] = []
        self._audible = asyncio.Event()
        self._audible_at = 0.0

    @classmethod
    @asynccontextmanager
    async def listening(cls, track: rtc.RemoteAudioTrack, rate: int) -> AsyncIterator[_Ear]:
        """Listen while the block lasts."""
        stream = rtc.AudioStream(track, sample_rate=rate, num_channels=1)
        ear = cls(stream, rate)
        listening = asyncio.create_task(ear._listen(), name="ear")
        try:
            yield ear
        finally:
            await stream.aclose()
            listening.cancel()
            await asyncio.wait({listening})

    async def wait_audible(self, timeout: float) -> float:
        """Return the wall-clock time at which the first sound arrived."""
        try:
            async with asyncio.timeout(timeout):
                await self._audible.wait()
        except TimeoutError:
            raise CallError(f"the agent answered, but no sound came back within {timeout:g} s") from None
        return self._audible_at

    def forget(self) -> None:
        """Drop what was recorded so far."""
        self._frames.clear()

    def heard(self) -> Recording:
        """Return what was recorded."""
        return Recording(np.concatenate(self._frames or [np.zeros(0, np.int16)]), self._rate)

    async def _listen(self) -> None:
        async for event in self._stream:
            samples = np.frombuffer(event.frame.data, dtype=np.int16).copy()
            self._frames.append(samples)
            if not self._audible.is_set() and np.abs(samples.astype(np.int32)).max() > AUDIBLE:
                self._audible_at = time.time()
                self._audible.set()
