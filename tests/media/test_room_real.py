"""A room of a real server is held against what all surroundings promise, and what only a real one can show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from livekit import api, rtc
from tests.media.session_io_contract import LOUD, RATE, SessionIOContract, Stage, loud_frame, next_of, soon, tone, until

from lk_agents.foundation.errors import PlayoutError
from lk_agents.foundation.ids import short_id
from lk_agents.foundation.types import ATTRIBUTE_AGENT_STATE
from lk_agents.hooks.records import ServerInfo
from lk_agents.media import EndPolicy, Playout, RoomSessionIO, TextSegment

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]

MICROPHONE = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)


@pytest.fixture(autouse=True)
def _no_thread_or_process_is_left_behind() -> None:
    """Stand in for the check of all tests, which would count the media library's own threads as well."""


def token(server: ServerInfo, room: str, identity: str, *, may_publish: bool = True) -> str:
    """Return what somebody joins with; an agent may do what the server lets only agents do."""
    is_agent = identity == "agent"
    grants = api.VideoGrants(
        room_join=True, room=room, can_publish=may_publish, can_update_own_metadata=True, agent=is_agent
    )
    made = api.AccessToken(server.api_key, server.api_secret).with_identity(identity).with_grants(grants)
    return made.with_kind("agent" if is_agent else "standard").to_jwt()


class Caller:
    """A participant who speaks, listens and notes what is shown."""

    def __init__(self) -> None:
        self.room = rtc.Room()
        self.shown: list[TextSegment] = []
        self.states: list[str] = []
        self.loud_seconds = 0.0
        self._source: rtc.AudioSource | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._streams: list[rtc.AudioStream] = []
        self.room.on("transcription_received", self._on_transcription)
        self.room.on("participant_attributes_changed", self._on_attributes)
        self.room.on("track_subscribed", self._on_track)

    async def publish(self, *, channels: int = 1) -> rtc.LocalTrackPublication:
        self._source = rtc.AudioSource(48_000, channels)
        track = rtc.LocalAudioTrack.create_audio_track("mic", self._source)
        return await self.room.local_participant.publish_track(track, MICROPHONE)

    def speak(self, seconds: float, *, channels: int = 1) -> None:
        self._tasks.append(asyncio.create_task(self._speak(seconds, channels), name="caller-speaks"))

    async def aclose(self) -> None:
        self.room.off("track_subscribed", self._on_track)  # the agent's may just be on its way
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for stream in self._streams:
            await stream.aclose()
        await self.room.disconnect()
        if self._source is not None:
            await self._source.aclose()

    async def _speak(self, seconds: float, channels: int) -> None:
        assert self._source is not None
        for frame in tone(seconds, rate=48_000, channels=channels):
            await self._source.capture_frame(frame)

    def _on_track(self, track: rtc.Track, _publication: object, _participant: object) -> None:
        assert isinstance(track, rtc.RemoteAudioTrack)
        stream = rtc.AudioStream(track, sample_rate=16_000, num_channels=1)
        self._streams.append(stream)
        self._tasks.append(asyncio.create_task(self._listen(stream), name="caller-listens"))

    async def _listen(self, stream: rtc.AudioStream) -> None:
        async for event in stream:
            if max(map(abs, event.frame.data)) > LOUD:
                self.loud_seconds += event.frame.duration

    def _on_transcription(
        self, segments: list[rtc.TranscriptionSegment], participant: rtc.Participant, publication: rtc.TrackPublication
    ) -> None:
        self.shown += [
            TextSegment(
                participant=participant.identity,
                track=publication.sid,
                id=each.id,
                text=each.text,
                final=each.final,
                language=each.language,
            )
            for each in segments
        ]

    def _on_attributes(self, changed: dict[str, str], _participant: rtc.Participant) -> None:
        if ATTRIBUTE_AGENT_STATE in changed:
            self.states.append(changed[ATTRIBUTE_AGENT_STATE])


class RealStage(Stage):
    def __init__(self, server: ServerInfo, **how: Any) -> None:
        self.server = server
        self.name = short_id("room-")
        self.room = rtc.Room()
        self.caller = Caller()
        self.io: RoomSessionIO = RoomSessionIO(self.room, end_policy=EndPolicy.LINKED_LEAVES, **how)
        self._microphone: rtc.LocalTrackPublication | None = None

    async def open(self, *, channels: int = 1, auto_subscribe: bool = True) -> None:
        options = rtc.RoomOptions(auto_subscribe=auto_subscribe)
        await self.room.connect(self.server.url, token(self.server, self.name, "agent"), options)
        await self.caller.room.connect(self.server.url, token(self.server, self.name, "caller"))
        self._microphone = await self.caller.publish(channels=channels)

    async def speak(self, seconds: float) -> None:
        self.caller.speak(seconds)

    async def replace_microphone(self) -> None:
        before = self._microphone
        self._microphone = await self.caller.publish()
        assert before is not None
        await self.caller.room.local_participant.unpublish_track(before.sid)

    async def write(self, text: str) -> None:
        await self.caller.room.local_participant.send_text(text, topic="lk.chat")

    def shown(self) -> list[TextSegment]:
        return self.caller.shown

    def states(self) -> list[str]:
        return self.caller.states

    def heard_seconds(self) -> float:
        return self.caller.loud_seconds

    async def end(self) -> None:
        await self.caller.room.disconnect()

    async def aclose(self) -> None:
        await self.io.aclose()
        assert not self.room.isconnected() or not self.room.local_participant.track_publications
        await self.caller.aclose()
        await self.room.disconnect()
        assert not [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("lk-")]


@pytest.fixture
async def stage(lk_server: ServerInfo) -> AsyncIterator[RealStage]:
    stage = RealStage(lk_server)
    await stage.open()
    yield stage
    await stage.aclose()


class TestRealRoom(SessionIOContract):
    tolerance_seconds = 0.25  # what the codec and the buffers of the listener add or swallow at the edges of a sound


async def test_a_speech_is_heard_whole_and_without_gaps(stage: RealStage) -> None:
    await stage.io.start(sample_rate=RATE, num_channels=1)
    await soon(stage.io.wait_for_listener())
    async with Playout(stage.io.audio_out) as playout:
        for frame in tone(2.0):
            await playout.push(frame)
        playout.end_input()
        assert await soon(playout.wait_for_playout())
    await until(lambda: stage.heard_seconds() > 2.0 - TestRealRoom.tolerance_seconds)

    assert (playout.played_seconds, playout.underruns) == (2.0, 0)


async def test_an_agent_that_may_not_speak_is_told_so_at_once(lk_server: ServerInfo) -> None:
    room = rtc.Room()
    await room.connect(lk_server.url, token(lk_server, short_id("room-"), "mute", may_publish=False))
    io = RoomSessionIO(room)
    with pytest.raises(PlayoutError, match=r"VideoGrants\(can_publish=True\)"):
        await soon(io.start(sample_rate=RATE, num_channels=1))
    await io.aclose()
    await room.disconnect()


async def test_after_the_library_has_joined_anew_both_hear_each_other_and_nothing_is_over(stage: RealStage) -> None:
    await stage.io.start(sample_rate=RATE, num_channels=1)
    inputs = stage.io.audio_inputs()
    await next_of(inputs)
    await soon(stage.io.wait_for_listener())
    over = asyncio.create_task(stage.io.wait_for_end())
    back = asyncio.Event()
    stage.room.once("reconnected", back.set)
    await stage.room.simulate_scenario(rtc.SimulateScenarioKind.SIMULATE_FULL_RECONNECT)
    await soon(back.wait())
    again = await next_of(inputs)
    await stage.speak(1.0)
    await loud_frame(again)
    await until(lambda: stage.io.agent_track in stage.room.local_participant.track_publications)
    for frame in tone(1.0):
        await stage.io.audio_out.capture_frame(frame)
    await until(lambda: stage.heard_seconds() > 0.5)

    assert not over.done()
    over.cancel()


async def test_a_participant_who_comes_back_is_heard_again(stage: RealStage) -> None:
    await stage.io.start(sample_rate=RATE, num_channels=1)
    inputs = stage.io.audio_inputs()
    await next_of(inputs)
    await soon(stage.io.wait_for_listener())
    await stage.caller.aclose()
    stage.caller = Caller()
    await stage.caller.room.connect(stage.server.url, token(stage.server, stage.name, "caller"))
    await stage.caller.publish()
    again = await next_of(inputs)
    await stage.speak(1.0)

    assert (await loud_frame(again)).num_channels == 1


class Processor(rtc.FrameProcessor[rtc.AudioFrame]):
    """Counts what passes."""

    def __init__(self) -> None:
        self.frames = 0
        self.closed = False

    @property
    def enabled(self) -> bool:
        return True

    @enabled.setter
    def enabled(self, value: bool) -> None:
        raise NotImplementedError

    def _process(self, frame: rtc.AudioFrame) -> rtc.AudioFrame:
        self.frames += 1
        return frame

    def _close(self) -> None:
        self.closed = True


async def test_a_frame_processor_serves_one_microphone_after_the_other(lk_server: ServerInfo) -> None:
    processor = Processor()
    stage = RealStage(lk_server, noise_cancellation=processor)
    await stage.open()
    await stage.io.start(sample_rate=RATE, num_channels=1)
    inputs = stage.io.audio_inputs()
    await next_of(inputs)
    await stage.replace_microphone()
    second = await next_of(inputs)
    before = processor.frames
    await stage.speak(1.0)
    await loud_frame(second)
    await stage.aclose()

    assert processor.frames > before
    assert not processor.closed


async def test_a_microphone_is_heard_where_nothing_is_subscribed_by_itself(lk_server: ServerInfo) -> None:
    stage = RealStage(lk_server)
    await stage.open(auto_subscribe=False)
    await stage.io.start(sample_rate=RATE, num_channels=1)
    inputs = stage.io.audio_inputs()
    first = await next_of(inputs)
    await stage.replace_microphone()
    second = await next_of(inputs)
    await stage.speak(1.0)
    heard = await loud_frame(second)
    await stage.aclose()

    assert first is not second
    assert heard.sample_rate == 16_000


async def test_a_stereo_microphone_is_heard_in_mono(lk_server: ServerInfo) -> None:
    stage = RealStage(lk_server)
    await stage.open(channels=2)
    await stage.io.start(sample_rate=RATE, num_channels=1)
    audio_in = await next_of(stage.io.audio_inputs())
    stage.caller.speak(1.0, channels=2)
    frame = await loud_frame(audio_in)
    await stage.aclose()

    assert (frame.num_channels, frame.sample_rate, frame.samples_per_channel) == (1, 16_000, 512)


async def test_a_closed_room_ends_it(stage: RealStage, lk_server: ServerInfo) -> None:
    await stage.io.start(sample_rate=RATE, num_channels=1)
    async with api.LiveKitAPI(lk_server.url, lk_server.api_key, lk_server.api_secret) as server:
        await server.room.delete_room(api.DeleteRoomRequest(room=stage.name))

    assert await soon(stage.io.wait_for_end()) == "the room was disconnected: room deleted"
