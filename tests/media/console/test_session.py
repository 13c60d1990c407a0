"""A conversation at the console: when it is over, how lines are paced, what a recording holds."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.media.console.props import RATE, MemoryLines, RememberingScreen, loud, loud_parts, read_channels, silence
from tests.media.session_io_contract import tone

from lk_agents.foundation import clock
from lk_agents.foundation.errors import PlayoutError
from lk_agents.media import AudioOut, TextMessage
from lk_agents.media.console import USER, ConsoleSessionIO, FileSink, FileSource, Keyboard, NoSink, NoSource
from lk_agents.testing import VirtualClock


async def listen(io: ConsoleSessionIO) -> None:
    async for voice in io.audio_inputs():
        async for _ in voice:
            pass


async def speak(sink: AudioOut, seconds: float) -> None:
    for frame in tone(seconds):
        await sink.capture_frame(frame)
    await sink.wait_for_playout()


async def opened(io: ConsoleSessionIO) -> ConsoleSessionIO:
    await io.start(sample_rate=RATE, num_channels=1)
    return io


async def test_a_file_ends_the_conversation_after_silence(lk_clock: VirtualClock) -> None:
    io = await opened(
        ConsoleSessionIO(source=FileSource(loud(2.016)), sink=NoSink(), screen=RememberingScreen(), end_silence=3.0)
    )
    listening = asyncio.create_task(listen(io))
    reason = await io.wait_for_end()

    assert clock.monotonic() == pytest.approx(2.016 + 3.0, abs=0.04)
    assert reason == "the input is over"
    await io.aclose()
    await listening


async def test_an_agent_that_thinks_and_speaks_is_waited_for(lk_clock: VirtualClock) -> None:
    io = await opened(
        ConsoleSessionIO(source=FileSource(b""), sink=NoSink(), screen=RememberingScreen(), end_silence=2.0)
    )
    listening = asyncio.create_task(listen(io))
    await asyncio.sleep(1.0)
    await io.show_state("thinking")
    await asyncio.sleep(7.0)
    await io.show_state("speaking")
    await speak(io.audio_out, 4.0)
    await io.show_state("listening")
    await io.wait_for_end()

    assert clock.monotonic() == pytest.approx(1.0 + 7.0 + 4.0 + 2.0)
    await io.aclose()
    await listening


async def test_sound_alone_is_waited_for_where_no_state_is_shown(lk_clock: VirtualClock) -> None:
    io = await opened(
        ConsoleSessionIO(source=FileSource(b""), sink=NoSink(), screen=RememberingScreen(), end_silence=2.0)
    )
    listening = asyncio.create_task(listen(io))
    await asyncio.sleep(1.5)
    await speak(io.audio_out, 5.0)
    await io.wait_for_end()

    assert 1.5 + 5.0 + 2.0 <= clock.monotonic() + 1e-6 <= 1.5 + 5.0 + 4.0
    await io.aclose()
    await listening


async def test_a_conversation_with_a_microphone_is_never_over_by_itself(lk_clock: VirtualClock) -> None:
    class Microphone(NoSource):
        async def wait_over(self) -> None:
            await asyncio.get_running_loop().create_future()

    io = await opened(ConsoleSessionIO(source=Microphone(), sink=NoSink(), screen=RememberingScreen()))
    over = asyncio.create_task(io.wait_for_end())
    await asyncio.sleep(3600)

    assert not over.done()
    await io.aclose()
    assert await over == "the conversation was closed"


async def test_each_line_of_a_pipe_waits_for_the_answer_to_the_one_before(lk_clock: VirtualClock) -> None:
    lines = MemoryLines("one", "two", "three")
    lines.lines.close()
    screen = RememberingScreen()
    io = await opened(
        ConsoleSessionIO(
            source=NoSource(),
            sink=NoSink(),
            screen=screen,
            keyboard=Keyboard(lines=lines, is_all=True, paced=True),
            end_silence=2.0,
        )
    )
    given = []

    async def answer() -> None:
        async for message in io.text:
            given.append((round(clock.monotonic(), 3), message.text))
            await io.show_state("thinking")
            await asyncio.sleep(0.5)
            await io.show_state("speaking")
            await speak(io.audio_out, 1.5)
            await io.show_state("listening")

    answering = asyncio.create_task(answer())
    assert await io.wait_for_end() == "the user has left"
    ended_at = clock.monotonic()
    await io.aclose()
    await answering

    assert given == [(1.0, "one"), (4.0, "two"), (7.0, "three")]
    assert [text for _, text in screen.texts] == ["user: one", "user: two", "user: three"]
    assert ended_at == pytest.approx(9.0 + 1.0 + 2.0)


async def test_the_end_of_a_keyboard_is_the_end_of_the_user(lk_clock: VirtualClock) -> None:
    lines = MemoryLines("hello")
    lines.lines.close()
    screen = RememberingScreen()
    io = await opened(
        ConsoleSessionIO(source=NoSource(), sink=NoSink(), screen=screen, keyboard=Keyboard(lines=lines, is_all=True))
    )
    messages: list[TextMessage] = []

    async def read() -> None:
        messages.extend([message async for message in io.text])

    reading = asyncio.create_task(read())
    await io.wait_for_end()
    await io.aclose()
    await reading

    assert messages == [TextMessage(participant=USER, text="hello")]
    assert clock.monotonic() == 0.0
    assert screen.texts == []  # the terminal has shown it while it was typed


async def test_a_reader_of_lines_that_is_cancelled_loses_none(lk_clock: VirtualClock) -> None:
    lines = MemoryLines()
    io = await opened(
        ConsoleSessionIO(
            source=NoSource(), sink=NoSink(), screen=RememberingScreen(), keyboard=Keyboard(lines=lines, is_all=True)
        )
    )
    for _ in range(3):
        reader = asyncio.create_task(anext(io.text))
        await asyncio.sleep(0.1)
        reader.cancel()
        await asyncio.wait({reader})
    await lines.lines.send("hello")

    assert (await anext(io.text)).text == "hello"
    await io.aclose()


async def test_lines_stay_for_the_next_conversation(lk_clock: VirtualClock) -> None:
    lines = MemoryLines()
    texts = []
    for text in ("one", "two"):
        io = await opened(
            ConsoleSessionIO(
                source=NoSource(),
                sink=NoSink(),
                screen=RememberingScreen(),
                keyboard=Keyboard(lines=lines, is_all=True),
            )
        )
        reader = asyncio.create_task(anext(io.text))
        await asyncio.sleep(0.1)
        await lines.lines.send(text)
        texts.append((await reader).text)
        await io.aclose()

    assert texts == ["one", "two"]


async def test_a_recording_has_the_user_on_the_left_and_the_agent_on_the_right(
    tmp_path: Path, lk_clock: VirtualClock
) -> None:
    path = tmp_path / "both.wav"
    io = await opened(
        ConsoleSessionIO(
            source=FileSource(silence(0.512) + loud(1.024)),
            sink=NoSink(),
            screen=RememberingScreen(),
            record=path,
            end_silence=1.0,
        )
    )
    listening = asyncio.create_task(listen(io))
    await asyncio.sleep(2.0)
    await speak(io.audio_out, 1.0)
    await io.wait_for_end()
    await io.aclose()
    await listening

    rate, (user, agent) = read_channels(path)
    ((begin, end),) = loud_parts(user, rate)
    assert begin == pytest.approx(0.512, abs=0.03)
    assert end == pytest.approx(1.536, abs=0.03)
    assert loud_parts(agent, rate) == [(2.0, 3.0)]


async def test_a_recording_has_everything_at_its_moment_however_late_it_is_read(
    tmp_path: Path, lk_clock: VirtualClock
) -> None:
    path = tmp_path / "both.wav"
    io = await opened(
        ConsoleSessionIO(
            source=FileSource(silence(0.512) + loud(0.512)), sink=NoSink(), screen=RememberingScreen(), record=path
        )
    )
    voice = await anext(io.audio_inputs())
    await anext(voice)
    await asyncio.sleep(0.9)
    for _ in range(60):
        await anext(voice)
    await asyncio.sleep(1.0)
    await io.aclose()

    rate, (user, _) = read_channels(path)
    ((begin, end),) = loud_parts(user, rate)
    assert begin == pytest.approx(0.512, abs=0.03)
    assert end == pytest.approx(1.024, abs=0.03)


async def test_it_is_used_once(lk_clock: VirtualClock) -> None:
    io = await opened(ConsoleSessionIO(source=NoSource(), sink=NoSink(), screen=RememberingScreen()))
    with pytest.raises(RuntimeError, match="make another one"):
        await io.start(sample_rate=RATE, num_channels=1)
    await io.aclose()
    with pytest.raises(RuntimeError, match="make another one"):
        await io.start(sample_rate=RATE, num_channels=1)


async def test_what_was_opened_is_closed_when_the_rest_cannot_be_had(tmp_path: Path, lk_clock: VirtualClock) -> None:
    recording = tmp_path / "both.wav"
    io = ConsoleSessionIO(
        source=NoSource(),
        sink=FileSink(tmp_path / "no" / "folder.wav"),
        screen=RememberingScreen(),
        record=recording,
    )
    with pytest.raises(PlayoutError):
        await io.start(sample_rate=RATE, num_channels=1)

    assert read_channels(recording)[0] == RATE  # closed, and whole
    assert await io.wait_for_end()
