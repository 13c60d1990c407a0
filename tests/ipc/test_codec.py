"""Framing: any pieces, a maximum, nothing lost."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_agents.foundation.errors import ProtocolError
from lk_agents.ipc.codec import MAX_FRAME_BYTES, FrameDecoder, frame


@given(payloads=st.lists(st.binary(max_size=200), max_size=8), cuts=st.lists(st.integers(0, 1700), max_size=20))
def test_payloads_come_out_whole_whatever_pieces_they_come_in(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(map(frame, payloads))
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    decoder = FrameDecoder()

    came = [payload for start, end in itertools.pairwise(edges) for payload in decoder.feed(stream[start:end])]

    assert came == payloads
    assert decoder.pending_bytes == 0


def test_a_stream_byte_by_byte_gives_the_same() -> None:
    decoder, stream = FrameDecoder(), frame(b"hello") + frame(b"") + frame(b"x" * 300)

    assert [p for byte in stream for p in decoder.feed(bytes([byte]))] == [b"hello", b"", b"x" * 300]


def test_the_beginning_of_a_frame_waits_for_its_rest() -> None:
    decoder = FrameDecoder()

    assert list(decoder.feed(frame(b"hello")[:6])) == []
    assert decoder.pending_bytes == 6


def test_a_payload_over_the_maximum_is_refused_where_it_is_sent() -> None:
    with pytest.raises(ProtocolError, match=f"{MAX_FRAME_BYTES + 1} bytes is over the limit of {MAX_FRAME_BYTES}"):
        frame(bytes(MAX_FRAME_BYTES + 1))


def test_a_length_over_the_maximum_is_refused_before_its_bytes_are_waited_for() -> None:
    decoder = FrameDecoder()

    with pytest.raises(ProtocolError, match="over the limit"):
        list(decoder.feed((MAX_FRAME_BYTES + 1).to_bytes(4, "big")))


def test_a_payload_of_the_maximum_passes() -> None:
    decoder, payload = FrameDecoder(), bytes(MAX_FRAME_BYTES)

    (came,) = decoder.feed(frame(payload))

    assert came == payload
