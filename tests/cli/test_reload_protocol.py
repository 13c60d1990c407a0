from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_agents.cli.reload_protocol import (
    Force,
    Hello,
    Jobs,
    Resume,
    Resumed,
    Stop,
    decode_from_worker,
    decode_to_worker,
)
from lk_agents.foundation.errors import ProtocolError
from lk_agents.ipc.messages import encode
from lk_agents.job.spec import AcceptArguments, Credentials, JobSpec

text = st.text(max_size=20)
seconds = st.floats(0, 1e9)
accepts = st.builds(
    AcceptArguments, name=text, identity=text, metadata=text, attributes=st.dictionaries(text, text, max_size=3)
)
specs = st.builds(
    JobSpec,
    job_id=text,
    job=st.binary(max_size=50),
    url=text,
    token=text,
    worker_id=text,
    accept=accepts,
    fake_job=st.booleans(),
    credentials=st.none() | st.builds(Credentials, api_key=text, api_secret=text),
    offered_at=seconds,
    accepted_at=seconds,
    assigned_at=seconds,
)
from_worker = st.one_of(
    st.builds(Hello, stop_seconds=seconds, watch=st.lists(text, max_size=3)),
    st.builds(Jobs, jobs=st.lists(specs, max_size=3)),
    st.builds(Resumed, running=st.integers(0, 99), failed=st.dictionaries(text, text, max_size=3)),
)
to_worker = st.one_of(
    st.builds(Resume, jobs=st.lists(specs, max_size=3), reload_count=st.integers(0, 99)),
    st.builds(Stop, reason=text),
    st.just(Force()),
)


@given(from_worker)
def test_every_message_of_a_worker_arrives_as_it_was(message: Hello | Jobs | Resumed) -> None:
    assert decode_from_worker(encode(message)) == message  # type: ignore[arg-type]


@given(to_worker)
def test_every_message_of_a_watcher_arrives_as_it_was(message: Resume | Stop | Force) -> None:
    assert decode_to_worker(encode(message)) == message  # type: ignore[arg-type]


@given(st.binary(max_size=40))
def test_anything_else_is_an_error_of_the_protocol(payload: bytes) -> None:
    with pytest.raises(ProtocolError, match="watcher"):
        decode_to_worker(b"\xc1" + payload)


def test_a_message_of_the_other_direction_is_an_error() -> None:
    with pytest.raises(ProtocolError, match="Force"):
        decode_from_worker(encode(Force()))  # type: ignore[arg-type]


def test_a_printed_message_shows_no_token() -> None:
    spec = JobSpec(
        job_id="AJ_1", job=b"", url="ws://h", token="canary-token", worker_id="", accept=AcceptArguments(identity="a")
    )
    assert "canary" not in repr(Jobs(jobs=[spec])) + repr(Resume(jobs=[spec], reload_count=1))
