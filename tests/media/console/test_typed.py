"""Lines from a keyboard or a pipe."""

from __future__ import annotations

import asyncio
import os
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from lk_agents.media.console import TypedLines


class Pipe:
    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()

    def close(self) -> None:
        os.close(self.writing)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    os.close(pipe.reading)


async def test_lines_come_one_by_one_without_the_empty_ones(pipe: Pipe) -> None:
    lines = TypedLines(pipe.reading)
    os.write(pipe.writing, "hello\n\n  \r\n wörld ".encode())
    os.write(pipe.writing, b"again\nlast")
    pipe.close()

    assert [line async for line in lines] == ["hello", "wörld again", "last"]
    assert lines.over.is_set()


async def test_what_is_no_text_is_no_reason_to_fail(pipe: Pipe) -> None:
    lines = TypedLines(pipe.reading)
    os.write(pipe.writing, b"caf\xe9\n")
    pipe.close()

    assert [line async for line in lines] == ["caf\ufffd"]


async def test_a_reader_that_is_cancelled_loses_no_line(pipe: Pipe) -> None:
    lines = TypedLines(pipe.reading)
    reader = asyncio.create_task(anext(lines))
    await asyncio.sleep(0.02)
    reader.cancel()
    await asyncio.wait({reader})
    os.write(pipe.writing, b"hello\n")
    pipe.close()

    assert [line async for line in lines] == ["hello"]


async def test_a_pipe_with_more_lines_than_anybody_reads_waits(pipe: Pipe) -> None:
    lines = TypedLines(pipe.reading)
    many = b"".join(b"%d\n" % n for n in range(3000))

    def write() -> None:
        os.write(pipe.writing, many)
        pipe.close()

    writer = threading.Thread(target=write)
    writer.start()
    await asyncio.sleep(0.1)
    waiting = lines.waiting
    read = [line async for line in lines]
    writer.join()

    assert waiting == 1000
    assert read == [str(n) for n in range(3000)]


async def test_a_file_is_read_as_well(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("one\ntwo\n")
    with path.open() as file:
        lines = TypedLines(file.fileno())

        assert [line async for line in lines] == ["one", "two"]


async def test_a_terminal_that_goes_away_is_the_end() -> None:
    theirs, ours = os.openpty()
    tty.setraw(ours)
    lines = TypedLines(ours)
    os.write(theirs, b"hello\n")
    assert await anext(lines) == "hello"
    os.close(theirs)

    assert [line async for line in lines] == []
    os.close(ours)


async def test_the_end_of_the_input_is_known_while_lines_wait(pipe: Pipe) -> None:
    lines = TypedLines(pipe.reading)
    os.write(pipe.writing, b"one\ntwo\n")
    pipe.close()
    async with asyncio.timeout(5):
        await lines.ended.wait()

    assert (lines.waiting, lines.over.is_set()) == (2, False)
    assert [line async for line in lines] == ["one", "two"]
    assert lines.waiting == 0
