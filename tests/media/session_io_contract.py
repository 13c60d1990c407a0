"""What every surrounding of a conversation must do. Derive a class from it, with a fixture that plays the user."""

from __future__ import annotations

import array
import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

import pytest
from livekit import rtc

from lk_agents.media import AudioIn, SessionIO, TextIO, TextMessage, TextSegment

T = TypeVar("T")

RATE = 24_000
SOON_SECONDS = 5.0
LOUD = 500


def tone(seconds: float, *, rate: int = RATE, channels: int = 1) -> list[rtc.AudioFrame]:
    """Return something loud, in frames of 20 ms."""
    length = rate // 50
    wave = array.array("h", [6_000 if n // 30 % 2 else -6_000 for n in range(length) for _ in range(channels)])
    return [rtc.AudioFrame(wave.tobytes(), rate, channels, length) for _ in range(round(seconds * 50))]


def is_loud(frame: rtc.AudioFrame) -> bool:
    """Tell whether something is said in a frame."""
    return max(map(abs, frame.data)) > LOUD


async def soon(work: Coroutine[Any, Any, T] | asyncio.Task[T]) -> T:
    """Return what comes of something that must not take long."""
    async with asyncio.timeout(SOON_SECONDS):
        return await work


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds; it must, soon."""
    async with asyncio.timeout(SOON_SECONDS):
        while not holds():
            await asyncio.sleep(0.01)


async def next_of(inputs: AsyncIterator[AudioIn]) -> AudioIn:
    """Return the next input."""
    async with asyncio.timeout(SOON_SECONDS):
        return await inputs.__anext__()


async def loud_frame(audio_in: AudioIn) -> rtc.AudioFrame:
    """Return the next frame in which something is said."""
    async with asyncio.timeout(SOON_SECONDS):
        async for frame in audio_in:
            if is_loud(frame):
                return frame
    raise AssertionError("the input ended without a loud frame")


async def to_the_end(audio_in: AudioIn) -> None:
    """Read an input until it ends, which it must."""
    async with asyncio.timeout(SOON_SECONDS):
        async for _ in audio_in:
            pass


async def next_message(text: TextIO) -> TextMessage:
    """Return the next message."""
    async with asyncio.timeout(SOON_SECONDS):
        return await text.__anext__()


def has_last(stage: Stage, state: str) -> bool:
    """Tell whether a state was the last that was seen."""
    return stage.states()[-1:] == [state]


def piece(text: str, *, of: SessionIO, segment_id: str = "SG_1", final: bool = True) -> TextSegment:
    """Return a piece of what the agent says."""
    return TextSegment(participant=of.agent, track=of.agent_track, id=segment_id, text=text, final=final, language="en")


class Stage(ABC):
    """Surroundings under test, and whoever plays the user in them."""

    io: SessionIO
    can_replace = True
    """Whether the user can come with another microphone."""

    @abstractmethod
    async def speak(self, seconds: float) -> None:
        """Let the user say something loud, from now on; may return before it is over."""

    async def replace_microphone(self) -> None:
        """Let the user come with another microphone."""
        raise NotImplementedError

    @abstractmethod
    async def write(self, text: str) -> None:
        """Let the user type a message."""

    @abstractmethod
    def shown(self) -> list[TextSegment]:
        """Return the pieces of transcript that were shown, in order."""

    @abstractmethod
    def states(self) -> list[str]:
        """Return the states that were seen, in order."""

    @abstractmethod
    def heard_seconds(self) -> float:
        """Return for how long the agent was heard loudly."""

    @abstractmethod
    async def end(self) -> None:
        """Let the surroundings be over."""


class SessionIOContract:
    """A subclass has a fixture ``stage`` that gives a :class:`Stage` whose surroundings are not started."""

    tolerance_seconds = 0.001
    """How exactly it is known what was heard."""

    async def test_there_is_no_loudspeaker_before_the_start(self, stage: Stage) -> None:
        with pytest.raises(RuntimeError, match="not started"):
            _ = stage.io.audio_out

    @pytest.mark.parametrize(("rate", "channels"), [(24_000, 1), (48_000, 2)])
    async def test_the_loudspeaker_has_the_format_that_was_asked_for(
        self, stage: Stage, rate: int, channels: int
    ) -> None:
        await soon(stage.io.start(sample_rate=rate, num_channels=channels))

        assert (stage.io.audio_out.sample_rate, stage.io.audio_out.num_channels) == (rate, channels)

    async def test_what_the_agent_says_is_heard(self, stage: Stage) -> None:
        await soon(stage.io.start(sample_rate=RATE, num_channels=1))
        await soon(stage.io.wait_for_listener())
        sink = stage.io.audio_out
        for frame in tone(1.0):
            await sink.capture_frame(frame)
        await soon(sink.wait_for_playout())

        assert sink.position() == pytest.approx(1.0, abs=0.001)
        await until(lambda: stage.heard_seconds() >= 1.0 - self.tolerance_seconds)
        assert stage.heard_seconds() <= 1.0 + self.tolerance_seconds

    async def test_what_is_cleared_is_not_heard(self, stage: Stage) -> None:
        await soon(stage.io.start(sample_rate=RATE, num_channels=1))
        await soon(stage.io.wait_for_listener())
        sink = stage.io.audio_out
        for frame in tone(0.2):
            await sink.capture_frame(frame)
        sink.clear()

        assert sink.queued_seconds == 0
        await soon(sink.wait_for_playout())
        await asyncio.sleep(0.5)
        assert stage.heard_seconds() <= sink.position() + self.tolerance_seconds < 0.2 + self.tolerance_seconds

    async def test_what_the_user_says_comes_in(self, stage: Stage) -> None:
        await soon(stage.io.start(sample_rate=RATE, num_channels=1))
        audio_in = await next_of(stage.io.audio_inputs())
        await stage.speak(1.0)
        frame = await loud_frame(audio_in)

        assert audio_in.participant == stage.io.user
        assert (frame.sample_rate, frame.num_channels) == (audio_in.sample_rate, audio_in.num_channels) == (16_000, 1)

    async def test_another_microphone_is_another_input_and_ends_the_one_before(self, stage: Stage) -> None:
        if not stage.can_replace:
            pytest.skip("there is one microphone")
        await soon(stage.io.start(sample_rate=RATE, num_channels=1))
        inputs = stage.io.audio_inputs()
        first = await next_of(inputs)
        track = stage.io.user_track
        await stage.replace_microphone()
        second = await next_of(inputs)
        await to_the_end(first)
        await stage.speak(1.0)

        assert is_loud(await loud_frame(second))
        assert stage.io.user_track != track

    async def test_a_reader_of_inputs_that_is_cancelled_loses_none(self, stage: Stage) -> None:
        if not stage.can_replace:
            pytest.skip("there is one microphone")
        await soon(stage.io.start(sample_rate=RATE, num_channels=1))
        inputs = stage.io.audio_inputs()
        await next_of(inputs)
        reader = asyncio.create_task(next_of(inputs))
        await asyncio.sleep(0.05)
        reader.cancel()
        await asyncio.wait([reader])
        await stage.replace_microphone()

        assert (await next_of(inputs)).participant == stage.io.user

    async def test_transcripts_are_shown_in_their_order(self, stage: Stage) -> None:
        await soon(stage.io.start(sample_rate=RATE, num_channels=1))
        await soon(stage.io.wait_for_listener())
        pieces = [piece("one", of=stage.io, final=False), piece("one two", of=stage.io)]
        for each in pieces:
            await soon(stage.io.text.publish(each))

        await until(lambda: len(stage.shown()) == len(pieces))
        assert stage.shown() == pieces

    async def test_what_the_user_types_comes_in(self, stage: Stage) -> None:
        await soon(stage.io.start(sample_rate=RATE, num_channels=1))
        await soon(stage.io.wait_for_listener())
        for text in ("hello", "are you there?"):
            await stage.write(text)
        messages = [await next_message(stage.io.text) for _ in range(2)]

        assert [message.text for message in messages] == ["hello", "are you there?"]
        assert {message.participant for message in messages} == {stage.io.user}

    async def test_the_state_of_the_agent_is_seen(self, stage: Stage) -> None:
        await soon(stage.io.start(sample_rate=RATE, num_channels=1))
        await soon(stage.io.wait_for_listener())
        for state in ("initializing", "listening", "thinking"):
            await soon(stage.io.show_state(state))
            await until(partial(has_last, stage, state))

        assert stage.states() == ["initializing", "listening", "thinking"]

    async def test_the_end_is_told_to_all_who_wait_with_a_reason(self, stage: Stage) -> None:
        await soon(stage.io.start(sample_rate=RATE, num_channels=1))
        await next_of(stage.io.audio_inputs())
        waiting = [asyncio.create_task(stage.io.wait_for_end()) for _ in range(2)]
        await asyncio.sleep(0.1)
        assert not any(task.done() for task in waiting)
        await stage.end()
        reasons = [await soon(task) for task in waiting]

        assert len(reasons[0].split()) > 1
        assert reasons == [await soon(stage.io.wait_for_end())] * 2

    async def test_when_it_is_closed_everybody_who_waits_sees_the_end(self, stage: Stage) -> None:
        await soon(stage.io.start(sample_rate=RATE, num_channels=1))
        inputs = stage.io.audio_inputs()
        audio_in = await next_of(inputs)
        over = asyncio.create_task(stage.io.wait_for_end())
        await asyncio.sleep(0.05)
        await soon(stage.io.aclose())

        await to_the_end(audio_in)
        await soon(audio_in.aclose())
        with pytest.raises(StopAsyncIteration):
            await next_of(inputs)
        with pytest.raises(StopAsyncIteration):
            await next_message(stage.io.text)
        assert await soon(over)

    async def test_it_may_be_closed_often_and_by_several_at_once(self, stage: Stage) -> None:
        await soon(stage.io.start(sample_rate=RATE, num_channels=1))
        await soon(stage.io.aclose())
        async with asyncio.timeout(SOON_SECONDS):
            await asyncio.gather(stage.io.aclose(), stage.io.aclose())

    async def test_it_may_be_closed_without_having_been_started(self, stage: Stage) -> None:
        await soon(stage.io.aclose())

        with pytest.raises(StopAsyncIteration):
            await next_of(stage.io.audio_inputs())

    async def test_a_state_after_the_end_does_no_harm(self, stage: Stage) -> None:
        await soon(stage.io.start(sample_rate=RATE, num_channels=1))
        await soon(stage.io.aclose())
        await soon(stage.io.show_state("listening"))

        assert stage.states() == []
