"""Messages, addresses and tokens: pure."""

from __future__ import annotations

import jwt
import pytest
from livekit.protocol import agent, models

from lk_agents.foundation.errors import ConfigError, ProtocolError
from lk_agents.foundation.version import __version__
from lk_agents.job.spec import AcceptArguments
from lk_agents.worker import protocol
from lk_agents.worker.options import WorkerOptions, WorkerPermissions, WorkerType
from lk_agents.worker.tokens import registration_token, renewed_token


async def entrypoint(ctx: object) -> None: ...


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ws://h:7880", "ws://h:7880/agent"),
        ("http://h:7880/", "ws://h:7880/agent"),
        ("https://h", "wss://h/agent"),
        ("https://h/base", "wss://h/base/agent"),
        ("wss://h/a/b/", "wss://h/a/b/agent"),
        ("ws://[::1]:7880?x=1", "ws://[::1]:7880/agent"),
    ],
)
def test_x05_the_base_path_of_the_url_is_kept(url: str, expected: str) -> None:
    assert protocol.agent_url(url) == expected


def test_register_says_all_that_the_server_needs() -> None:
    permissions = WorkerPermissions(can_publish_sources=[models.TrackSource.MICROPHONE], hidden=True)
    options = WorkerOptions(entrypoint, agent_name="clerk", worker_type=WorkerType.PUBLISHER, permissions=permissions)

    request = protocol.register(options).register

    assert (request.type, request.agent_name, request.version) == (agent.JobType.JT_PUBLISHER, "clerk", __version__)
    allowed = request.allowed_permissions
    assert allowed.agent
    assert allowed.hidden
    assert allowed.can_publish
    assert allowed.can_subscribe
    assert allowed.can_publish_data
    assert allowed.can_update_metadata
    assert list(allowed.can_publish_sources) == [models.TrackSource.MICROPHONE]


def test_a_yes_carries_the_participant() -> None:
    accept = AcceptArguments(name="Ann", identity="ann", metadata="m", attributes={"a": "b"})

    answer = protocol.availability("AJ_1", accept).availability

    assert (answer.job_id, answer.available) == ("AJ_1", True)
    assert (answer.participant_identity, answer.participant_name, answer.participant_metadata) == ("ann", "Ann", "m")
    assert dict(answer.participant_attributes) == {"a": "b"}


def test_a_no_says_only_which_job() -> None:
    assert protocol.availability("AJ_1", None).availability == agent.AvailabilityResponse(job_id="AJ_1")


def test_a_worker_status_always_has_status_and_load() -> None:
    status = protocol.worker_status(full=True, load=0.5, job_count=2, draining=True).update_worker

    assert status.HasField("status")
    assert (status.status, status.load, status.job_count) == (agent.WorkerStatus.WS_FULL, 0.5, 2)


def test_bytes_that_are_no_message_are_an_error() -> None:
    with pytest.raises(ProtocolError, match="3 bytes"):
        protocol.parse(b"\xff\xff\xff")


def test_an_unknown_kind_of_message_is_none() -> None:
    assert protocol.parse(b"\xfa\x06\x00").WhichOneof("message") is None  # field 111


def test_the_registration_token_has_the_agent_grant_and_little_else() -> None:
    token = registration_token("key", "s" * 32, now=1_000_000.0)

    claims = jwt.decode(token, "s" * 32, algorithms=["HS256"], options={"verify_exp": False})
    assert claims == {"iss": "key", "nbf": 999_990, "exp": 1_000_000 + 6 * 3600, "video": {"agent": True}}


def test_a_short_secret_signs_without_a_warning() -> None:
    token = registration_token("devkey", "secret", now=1_000_000.0)

    assert renewed_token(token, "secret", now=2_000_000.0)


def test_x27_an_expired_token_is_renewed_with_its_other_claims() -> None:
    claims = {"iss": "key", "sub": "agent-1", "exp": 1_000, "nbf": 10, "video": {"room": "r"}, "attributes": {"a": "b"}}
    token = jwt.encode(claims, "s" * 32, algorithm="HS256")

    renewed = renewed_token(token, "s" * 32, now=2_000_000_000.0)

    found = jwt.decode(renewed, "s" * 32, algorithms=["HS256"], options={"verify_exp": False})
    assert found == claims | {"exp": 2_000_003_600}


@pytest.mark.parametrize("token", [jwt.encode({"a": 1}, "another-secret-of-32-characters!", "HS256"), "nonsense"])
def test_a_token_of_another_secret_is_not_renewed(token: str) -> None:
    with pytest.raises(ConfigError, match="api_secret"):
        renewed_token(token, "s" * 32, now=0.0)
