"""Bytes on their way to a thread that reads them like a file."""

import hashlib
import os
import threading
import time

import pytest

from lk_agents.utils.codecs import StreamBuffer


def test_what_was_written_in_pieces_is_read_in_others() -> None:
    buffer = StreamBuffer()
    for piece in (b"abc", b"defgh", b"", b"ijklmnop", b"qr"):
        buffer.write(piece)
    buffer.end_input()

    assert [buffer.read(4) for _ in range(6)] == [b"abcd", b"efgh", b"ijkl", b"mnop", b"qr", b""]


def test_everything_there_is_can_be_read_at_once() -> None:
    buffer = StreamBuffer()
    buffer.write(b"abc")
    buffer.write(b"def")
    assert buffer.read() == b"abcdef"
    buffer.write(b"g")
    buffer.end_input()

    assert (buffer.read(-1), buffer.read(), buffer.read(5)) == (b"g", b"", b"")


def test_a_read_waits_for_something_and_returns_what_there_is() -> None:
    buffer, got = StreamBuffer(), []
    reader = threading.Thread(target=lambda: got.append(buffer.read(100)))
    reader.start()
    time.sleep(0.02)
    assert reader.is_alive()
    buffer.write(b"ab")
    reader.join(10)

    assert got == [b"ab"]


@pytest.mark.parametrize("end", [StreamBuffer.end_input, StreamBuffer.close])
def test_ending_and_closing_wake_every_reader(end: object) -> None:
    buffer, got = StreamBuffer(), []
    readers = [threading.Thread(target=lambda: got.append(buffer.read(1))) for _ in range(3)]
    for reader in readers:
        reader.start()
    assert callable(end)
    end(buffer)
    end(buffer)
    for reader in readers:
        reader.join(10)

    assert got == [b""] * 3


def test_closing_drops_what_is_there_and_what_comes() -> None:
    buffer = StreamBuffer()
    buffer.write(b"abc")
    buffer.close()
    buffer.write(b"def")
    buffer.end_input()

    assert buffer.read() == b""


def test_nothing_can_be_written_after_the_end() -> None:
    buffer = StreamBuffer()
    buffer.end_input()

    with pytest.raises(RuntimeError, match="ended"):
        buffer.write(b"x")


def test_it_holds_no_more_than_its_bound() -> None:
    buffer, megabyte = StreamBuffer(), bytes(1 << 20)
    for _ in range(256):
        buffer.write(megabyte)
    with pytest.raises(BufferError, match="wait to be read"):
        buffer.write(b"x")
    buffer.read(1)
    buffer.write(b"x")


def test_megabytes_arrive_unchanged_in_another_thread() -> None:
    buffer, chunks = StreamBuffer(), [os.urandom(1 << 20) for _ in range(5)]
    received = hashlib.sha256()

    def read() -> None:
        while data := buffer.read(8192):
            assert len(data) <= 8192
            received.update(data)

    reader = threading.Thread(target=read)
    reader.start()
    for chunk in chunks:
        buffer.write(chunk)
    buffer.end_input()
    reader.join(10)

    assert received.digest() == hashlib.sha256(b"".join(chunks)).digest()
