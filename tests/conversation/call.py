"""A call without an agent, in a room without a server: the caller, who follows a script, and what answers him."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from tests.conversation.loop import Loop

from lk_agents import llm
from lk_agents.foundation import clock
from lk_agents.media import RoomSessionIO
from lk_agents.testing.providers import Answer, Break, Heard, ScriptedLLM, ScriptedSTT, ScriptedTTS, ScriptedVAD, voice
from lk_agents.testing.room import FakeRoom
from lk_agents.testing.room_media import FakeRoomMedia

if TYPE_CHECKING:
    from livekit import rtc

RATE = 24_000


class Call:
    """One call.

    :param script: what the caller says.
    :param answers: what is said to it.
    :param seconds: how long the call is.
    """

    def __init__(self, script: Sequence[Heard], answers: Sequence[Answer], seconds: float) -> None:
        self.log: list[tuple[float, str, str]] = []
        """When what happened, in milliseconds."""
        self.script, self.seconds = script, seconds
        self.vad = ScriptedVAD(script)
        self.ears = ScriptedSTT(script, breaks=[Break(at=100.0)])  # it fails once, in the middle of the call
        self.brain = ScriptedLLM(answers, breaks=[Break(at=0)])
        self.mouth = ScriptedTTS(sample_rate=RATE, streaming=False, speed=20)
        self.fake, self.media = FakeRoom(), FakeRoomMedia()
        self.context = llm.ChatContext().append(text="You are on the telephone.")

    @property
    def room(self) -> rtc.Room:
        """The room, as those see it who use one."""
        return cast("rtc.Room", self.fake)

    def note(self, event: str, text: str = "") -> None:
        self.log.append((round(clock.monotonic() * 1000), event, text))

    async def run(self) -> None:
        """Let both come into the room, and the caller speak over his track there."""
        await self.fake.connect("ws://memory", "token")
        self.fake.join("caller")
        microphone = self.fake.publish("caller")
        io = RoomSessionIO(self.room, media=self.media)
        await io.start(sample_rate=RATE, num_channels=1)
        heard = await anext(io.audio_inputs())
        assert microphone.track is not None
        assert microphone.track.voice is not None
        microphone.track.voice.feed(voice(self.script, self.seconds))
        microphone.track.voice.end()
        await Loop(self, io).run(heard)
        await heard.aclose()
        await io.aclose()
