"""Every message of the four conversations survives the journey; anything else is refused by name."""

from __future__ import annotations

import logging
import typing
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_agents.foundation.errors import ProtocolError
from lk_agents.ipc import messages
from lk_agents.ipc.child_logs import line_of
from lk_agents.ipc.messages import Beat, LogLine, Stop, encode
from lk_agents.job.spec import AcceptArguments, Credentials, EndCause, JobOutcome, JobSpec

TEXT = st.text(max_size=20)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
Decode = Callable[[bytes], Any]
CONVERSATIONS: dict[str, tuple[Any, Decode]] = {
    "worker to child": (messages.ToChild, messages.decode_to_child),
    "child to worker": (messages.FromChild, messages.decode_from_child),
    "worker to zygote": (messages.ToZygote, messages.decode_to_zygote),
    "zygote to worker": (messages.FromZygote, messages.decode_from_zygote),
}


def kinds(union: Any) -> list[type[msgspec.Struct]]:
    """Return the message types of a union, or the one type that stands for it."""
    return list(typing.get_args(union)) or [union]


KINDS = [
    pytest.param(kind, decode, id=f"{direction}: {kind.__name__}")
    for direction, (union, decode) in CONVERSATIONS.items()
    for kind in kinds(union)
]

FLOAT = st.floats(allow_nan=False)
INTEGER = st.integers(-(2**63), 2**63 - 1)
OF_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    int: INTEGER,
    float: FLOAT,
    dict[str, float]: st.dictionaries(TEXT, FLOAT, max_size=3),
    dict[str, list[float]]: st.dictionaries(TEXT, st.lists(FLOAT, max_size=3), max_size=3),
    dict[str, int]: st.dictionaries(TEXT, INTEGER, max_size=3),
    dict[str, Any]: st.dictionaries(TEXT, PLAIN, max_size=3),
}


def instances(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Return messages of that kind with any values in their fields."""
    hints = typing.get_type_hints(kind)
    return st.builds(kind, **{field.name: _values(hints[field.name]) for field in msgspec.structs.fields(kind)})


def _values(hint: Any) -> st.SearchStrategy[Any]:
    options = [_one(each) for each in typing.get_args(hint) if each is not type(None)] if _optional(hint) else []
    return st.none() | st.one_of(options) if options else _one(hint)


def _optional(hint: Any) -> bool:
    return type(None) in typing.get_args(hint)


def _one(hint: Any) -> st.SearchStrategy[Any]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return instances(hint)
    return OF_TYPE[hint] if hint in OF_TYPE else st.from_type(hint)


@pytest.mark.parametrize(("kind", "decode"), KINDS)
@given(data=st.data())
def test_every_message_comes_out_as_it_went_in(kind: type[Any], decode: Decode, data: st.DataObject) -> None:
    message = data.draw(instances(kind))

    assert decode(encode(message)) == message


@pytest.mark.parametrize("direction", CONVERSATIONS)
def test_an_unknown_kind_is_an_error_that_names_it(direction: str) -> None:
    decode = CONVERSATIONS[direction][1]

    with pytest.raises(ProtocolError, match=rf"{direction}: .*kind 'Abracadabra'"):
        decode(msgspec.msgpack.encode({"type": "Abracadabra", "x": 1}))


def test_a_message_of_another_conversation_is_an_unknown_kind() -> None:
    with pytest.raises(ProtocolError, match="kind 'Stop'"):
        messages.decode_from_child(encode(Stop(reason="x", grace_seconds=1)))


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"", "not msgpack"),
        (b"\xc1", "not msgpack"),
        (b"\x2a", "a int"),
        (b"\x80", "kind None"),
        (b"\xff" * 9, "not msgpack"),
    ],
)
@pytest.mark.parametrize("direction", CONVERSATIONS)
def test_what_is_no_message_is_an_error(direction: str, data: bytes, named: str) -> None:
    with pytest.raises(ProtocolError, match=named):
        CONVERSATIONS[direction][1](data)


@given(st.binary(max_size=60))
def test_no_bytes_whatever_raise_anything_but_a_protocol_error(data: bytes) -> None:
    for union, decode in CONVERSATIONS.values():
        try:
            message = decode(data)
        except ProtocolError:
            continue
        assert type(message) in kinds(union)


def test_a_field_of_the_wrong_type_is_an_error_that_names_message_and_field() -> None:
    wrong = msgspec.msgpack.encode({"type": "Stop", "reason": 7, "grace_seconds": 1.0})

    with pytest.raises(ProtocolError, match=r"\$\.reason.*kind 'Stop'"):
        messages.decode_to_child(wrong)


def test_x17_attributes_given_at_accept_are_in_the_message() -> None:
    accept = AcceptArguments(identity="agent", name="A", metadata="m", attributes={"lang": "de", "": "ö"})
    spec = JobSpec(job_id="AJ_1", job=b"\x00", url="ws://x", token="t", worker_id="w", accept=accept)

    arrived = messages.decode_to_child(encode(messages.StartJob(spec=spec)))

    assert isinstance(arrived, messages.StartJob)
    assert arrived.spec.accept == accept


def test_neither_a_token_nor_a_secret_is_in_the_text_of_a_message() -> None:
    spec = JobSpec(
        job_id="AJ_1",
        job=b"",
        url="ws://x",
        token="hush-token",
        worker_id="w",
        accept=AcceptArguments(identity="a"),
        credentials=Credentials(api_key="key", api_secret="hush-secret"),
    )

    assert "hush" not in repr(messages.StartJob(spec=spec))
    assert "hush" not in repr(spec.credentials)


class Odd:
    """Something no message can carry."""

    def __repr__(self) -> str:
        return "<odd>"


def test_a_log_record_with_anything_in_its_extras_can_be_sent() -> None:
    record = logging.makeLogRecord(
        {
            "name": "user",
            "levelno": logging.INFO,
            "msg": "%s",
            "args": (Odd(),),
            "what": Odd(),
            "many": [{1: Odd()}, {2}],
            "level": "mine",
        }
    )

    line = messages.decode_from_child(encode(line_of(record)))

    assert isinstance(line, LogLine)
    assert line.text == "<odd>"
    assert line.extras == {"what": "<odd>", "many": [{"1": "<odd>"}, [2]], "level": "mine"}


def test_a_huge_number_in_the_extras_of_a_log_record_can_be_sent() -> None:
    line = line_of(logging.makeLogRecord({"name": "user", "levelno": logging.INFO, "msg": "x", "big": 2**70}))

    arrived = messages.decode_from_child(encode(line))

    assert isinstance(arrived, LogLine)
    assert arrived.extras == {"big": str(2**70)}


def test_a_log_text_with_half_a_surrogate_pair_can_be_sent() -> None:
    record = logging.makeLogRecord({"name": "user", "levelno": logging.INFO, "msg": "a\ud800b", "x": "\udfff"})
    line = line_of(record)

    arrived = messages.decode_from_child(encode(line))

    assert isinstance(arrived, LogLine)
    assert arrived.text.startswith("a")
    assert arrived.text.endswith("b")


def test_an_outcome_with_half_a_surrogate_pair_can_be_sent() -> None:
    reason = "FileNotFoundError: caf\udce9.wav"  # a file name that is not UTF-8, as Python writes it
    outcome = JobOutcome(success=False, cause=EndCause.RAISED, reason=reason)

    arrived = messages.decode_from_child(encode(messages.JobEnded(outcome=outcome)))

    assert isinstance(arrived, messages.JobEnded)
    assert arrived.outcome.reason == "FileNotFoundError: caf\\udce9.wav"
    assert arrived.outcome.cause is EndCause.RAISED


def test_the_beat_is_small() -> None:
    assert len(encode(Beat(cpu_seconds=1.5, bytes_read=10**9, lag_seconds=0.1, pss_kb=10**6))) < 100


def test_the_causes_of_an_end_travel_by_their_names() -> None:
    assert b"native_panic" in encode(Stop(reason="x", grace_seconds=1, cause=EndCause.NATIVE_PANIC))
