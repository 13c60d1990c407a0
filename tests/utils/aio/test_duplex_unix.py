"""Messages over a stream socket."""

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from lk_agents.utils.aio.duplex_unix import MAX_MESSAGE_BYTES, DuplexClosed, _AsyncDuplex, _Duplex


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair()
    with left, right:
        yield left, right


async def test_messages_go_both_ways_whole(pair: tuple[socket.socket, socket.socket]) -> None:
    here, there = await _AsyncDuplex.open(pair[0]), _Duplex.open(pair[1])
    large = bytes(range(256)) * 4096

    def echo() -> None:
        for _ in range(3):
            there.send_bytes(there.recv_bytes())

    thread = threading.Thread(target=echo)
    thread.start()
    for message in (b"", b"one", large):
        await here.send_bytes(message)
        assert await here.recv_bytes() == message
    await asyncio.to_thread(thread.join)
    await here.aclose()
    there.close()


async def test_the_length_is_four_bytes_the_most_significant_first(pair: tuple[socket.socket, socket.socket]) -> None:
    here = await _AsyncDuplex.open(pair[0])
    await here.send_bytes(b"abc")

    assert pair[1].recv(100) == b"\x00\x00\x00\x03abc"
    await here.aclose()


async def test_the_end_of_the_other_side_is_an_error_of_its_own(pair: tuple[socket.socket, socket.socket]) -> None:
    here = await _AsyncDuplex.open(pair[0])
    pair[1].close()

    with pytest.raises(DuplexClosed):
        await here.recv_bytes()
    with pytest.raises(DuplexClosed):
        await here.send_bytes(b"x" * (1 << 22))
    await here.aclose()
    with pytest.raises(DuplexClosed):
        await here.send_bytes(b"x")


@pytest.mark.parametrize("cut", [b"\x00\x00", b"\x00\x00\x00\x05abc"])
async def test_a_message_that_breaks_off_is_the_end(pair: tuple[socket.socket, socket.socket], cut: bytes) -> None:
    here = await _AsyncDuplex.open(pair[0])
    pair[1].sendall(cut)
    pair[1].close()

    with pytest.raises(DuplexClosed):
        await here.recv_bytes()
    await here.aclose()


@pytest.mark.parametrize("cut", [b"", b"\x00\x00", b"\x00\x00\x00\x05abc"])
def test_a_message_that_breaks_off_is_the_end_for_a_blocking_reader_too(
    pair: tuple[socket.socket, socket.socket], cut: bytes
) -> None:
    here = _Duplex.open(pair[0])
    pair[1].sendall(cut)
    pair[1].close()

    with pytest.raises(DuplexClosed):
        here.recv_bytes()
    with pytest.raises(DuplexClosed):
        here.send_bytes(b"x" * (1 << 22))
    here.close()


def test_an_impossible_length_is_not_believed(pair: tuple[socket.socket, socket.socket]) -> None:
    here = _Duplex.open(pair[0])
    pair[1].sendall(struct.pack("!I", MAX_MESSAGE_BYTES + 1))

    with pytest.raises(DuplexClosed, match="announces"):
        here.recv_bytes()
    here.close()


def test_closing_wakes_a_thread_that_reads(pair: tuple[socket.socket, socket.socket]) -> None:
    here = _Duplex.open(pair[0])
    ended = threading.Event()

    def read() -> None:
        with pytest.raises(DuplexClosed):
            here.recv_bytes()
        ended.set()

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    here.close()
    here.close()

    assert ended.wait(10)
    thread.join()


def test_a_detached_socket_stays_open_and_belongs_to_the_caller(pair: tuple[socket.socket, socket.socket]) -> None:
    here = _Duplex.open(pair[0])
    sock = here.detach()
    here.close()
    sock.sendall(b"still open")

    assert pair[1].recv(100) == b"still open"
    for use in (here.recv_bytes, here.detach, lambda: here.send_bytes(b"")):
        with pytest.raises(DuplexClosed):
            use()
