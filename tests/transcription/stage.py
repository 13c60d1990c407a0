"""A room with an agent and a caller, and what is shown in it and when."""

from __future__ import annotations

from typing import NamedTuple, cast

from livekit import rtc
from livekit.rtc.participant import PublishTranscriptionError

from lk_agents.foundation import clock
from lk_agents.testing.room import FakePublication, FakeRoom

RATE = 24_000
FAILURE = PublishTranscriptionError("no permission")


class Shown(NamedTuple):
    """One segment as it was published."""

    at: float
    id: str
    text: str
    final: bool


class Stage:
    """Holds a fake room; the agent and the caller publish a microphone each."""

    def __init__(self, fake: FakeRoom) -> None:
        self.fake = fake
        self.agent_track = FakePublication()
        fake.local_participant.track_publications[self.agent_track.sid] = self.agent_track
        fake.join("caller")
        self.caller_track = fake.publish("caller")
        self.shown: list[Shown] = []
        self.published: list[rtc.Transcription] = fake.local_participant.transcriptions

    @classmethod
    async def open(cls) -> Stage:
        fake = FakeRoom()
        await fake.connect("ws://nowhere", "token")
        return cls(fake)

    @property
    def room(self) -> rtc.Room:
        return cast("rtc.Room", self.fake)

    def watch(self, forwarder: object, transcription: rtc.Transcription) -> rtc.Transcription:
        """Write down what is about to be shown; give it as ``before_forward_cb``."""
        (segment,) = transcription.segments
        self.shown.append(Shown(round(clock.monotonic(), 3), segment.id, segment.text, segment.final))
        return transcription

    def texts(self) -> list[str]:
        """Return what was published, in order."""
        return [segment.text for each in self.published for segment in each.segments]

    def finals(self) -> list[str]:
        """Return the final texts that were published."""
        return [segment.text for each in self.published for segment in each.segments if segment.final]


def sound(seconds: float) -> rtc.AudioFrame:
    """Return silence."""
    return rtc.AudioFrame.create(RATE, 1, round(seconds * RATE))
