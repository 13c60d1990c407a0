"""How long a stream waits for its provider, and how it ends."""

from __future__ import annotations

import asyncio

import pytest
from tests.tts.members import push
from tests.tts.speakers import (
    ONCE,
    Fault,
    Speaker,
    frame_of,
    heard,
    pause,
    read,
    read_until_error,
    segments,
    stall,
)

from lk_agents.foundation.errors import APIError, StreamInputError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.testing import VirtualClock
from lk_agents.tts import SynthesizedAudio, SynthesizeStream

# --- limits -----------------------------------------------------------------------------------------------------------


async def test_a_provider_that_never_takes_the_text_is_asked_again(lk_clock: VirtualClock) -> None:
    class Hanging(SynthesizeStream):
        attempts = 0

        async def _run(self) -> None:
            self.attempts += 1
            if self.attempts == 1:
                await asyncio.Event().wait()
            async for item in self._input_ch:
                if isinstance(item, str):
                    self._event_ch.send_nowait(SynthesizedAudio(frame_of(item), ""))
                else:
                    self._event_ch.send_nowait(SynthesizedAudio(frame_of("."), "", is_final=True))

    stream = push(Hanging(tts=Speaker(), conn_options=APIConnectOptions(max_retry=1, timeout=3)), "hello")

    assert segments(await read(stream)) == ["hello."]
    assert lk_clock.monotonic() == pytest.approx(3.1)


@pytest.mark.parametrize(("at", "phase"), [(0, "first_output"), (1, "idle"), (2, "first_output")])
async def test_a_provider_that_falls_silent_within_a_segment_ends_in_a_timeout(
    lk_clock: VirtualClock, at: int, phase: str
) -> None:
    tts = Speaker(stall(at))

    _, error = await read_until_error(
        push(tts.stream(conn_options=APIConnectOptions(max_retry=0, timeout=3)), "hello you", "two")
    )

    assert isinstance(error, APIError)
    assert error.phase == phase
    assert lk_clock.monotonic() == pytest.approx(3)


async def test_waiting_for_text_is_no_silence(lk_clock: VirtualClock) -> None:
    stream = Speaker().stream(conn_options=APIConnectOptions(max_retry=0, timeout=1))
    spoken = asyncio.create_task(read(stream))
    for text in ("one", "two"):
        await asyncio.sleep(60)
        stream.push_text(text)
        await asyncio.sleep(60)
        stream.flush()
    await asyncio.sleep(60)
    stream.end_input()

    assert segments(await spoken) == ["one", "two"]


async def test_a_provider_that_does_not_end_is_ended(lk_clock: VirtualClock) -> None:
    tts = Speaker(stall(at=100))
    stream = tts.stream(conn_options=APIConnectOptions(timeout=3))
    stream.push_text("hello")
    stream.flush()
    await asyncio.sleep(61)
    stream.end_input()

    assert segments(await read(stream)) == ["hello"]
    assert lk_clock.monotonic() == pytest.approx(64)


async def test_text_is_not_taken_while_30_s_of_audio_are_unread(lk_clock: VirtualClock) -> None:
    tts = Speaker(characters=1_000)
    stream = push(tts.stream(conn_options=APIConnectOptions(max_retry=0, timeout=3)), *["a" * 1_000] * 60)
    await asyncio.sleep(60)
    assert len(tts.asked) == 3

    assert len(segments(await read(stream))) == 60


async def test_a_provider_that_was_held_back_has_its_time_from_when_it_was_let_go(lk_clock: VirtualClock) -> None:
    tts = Speaker(pause(2.5, at=3), characters=1_000)
    stream = push(tts.stream(conn_options=APIConnectOptions(max_retry=0, timeout=3)), *["a" * 1_000] * 4)
    await asyncio.sleep(59.5)

    assert len(segments(await read(stream))) == 4


# --- feeding and ending -----------------------------------------------------------------------------------------------


async def test_feeding_after_the_end_of_the_input_is_an_error() -> None:
    stream = Speaker().stream()
    stream.end_input()

    with pytest.raises(RuntimeError):
        stream.push_text("more")
    with pytest.raises(RuntimeError):
        stream.flush()
    with pytest.raises(RuntimeError):
        stream.end_input()


async def test_feeding_a_stream_that_has_failed_is_an_error() -> None:
    stream = Speaker(Fault()).stream(conn_options=ONCE)
    stream.push_text("hello")
    stream.flush()
    await read_until_error(stream)

    with pytest.raises(StreamInputError, match="has ended"):
        stream.push_text("more")


async def test_a_reader_that_gives_up_waiting_loses_nothing(lk_clock: VirtualClock) -> None:
    stream = push(Speaker(pause(1), None, frame_seconds=1).stream(), "hello there")
    audio = []
    for _ in range(20):
        try:
            async with asyncio.timeout(0.3):
                audio.append(await anext(stream))
        except TimeoutError:
            continue
        except StopAsyncIteration:
            break

    assert segments(audio) == ["hello there"]


async def test_what_was_produced_can_be_read_after_the_close(lk_clock: VirtualClock) -> None:
    stream = push(Speaker(stall(at=1)).stream(), "hello there")
    await asyncio.sleep(1)
    await stream.aclose()

    assert heard(await read(stream)) == "hello"
