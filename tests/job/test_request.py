from __future__ import annotations

import msgspec
import pytest
from livekit.protocol.agent import Job
from livekit.protocol.models import Room

from lk_agents.foundation.errors import AlreadyAnsweredError
from lk_agents.job.request import JobAcceptArguments, JobRequest, RunningJobInfo
from lk_agents.job.spec import Credentials, JobSpec


class Answers:
    """Takes what a request tells the server."""

    def __init__(self) -> None:
        self.accepted: list[JobAcceptArguments] = []
        self.rejected = 0

    async def accept(self, arguments: JobAcceptArguments) -> None:
        self.accepted.append(arguments)

    async def reject(self) -> None:
        self.rejected += 1


def request(answers: Answers) -> JobRequest:
    job = Job(id="AJ_1", room=Room(name="kitchen"), agent_name="cook")
    return JobRequest(job=job, on_reject=answers.reject, on_accept=answers.accept)


def test_a_request_shows_the_job() -> None:
    asked = request(Answers())

    assert (asked.id, asked.room.name, asked.agent_name) == ("AJ_1", "kitchen", "cook")
    assert asked.job.id == "AJ_1"
    assert asked.publisher.identity == ""
    assert not asked.answered


async def test_an_agent_without_an_identity_gets_one_made_of_the_job() -> None:
    answers = Answers()

    await request(answers).accept(name="Chef")

    assert answers.accepted == [JobAcceptArguments(name="Chef", identity="agent-AJ_1", metadata="", attributes=None)]


async def test_what_is_given_at_accept_is_handed_on() -> None:
    answers = Answers()

    await request(answers).accept(name="n", identity="i", metadata="m", attributes={"a": "b"})

    assert answers.accepted == [JobAcceptArguments(name="n", identity="i", metadata="m", attributes={"a": "b"})]


@pytest.mark.parametrize("first", ["accept", "reject"])
@pytest.mark.parametrize("second", ["accept", "reject"])
async def test_x20_a_second_answer_is_refused(first: str, second: str) -> None:
    answers = Answers()
    asked = request(answers)
    await getattr(asked, first)()

    with pytest.raises(AlreadyAnsweredError, match=r"AJ_1.*answer it once"):
        await getattr(asked, second)()

    assert asked.answered
    assert len(answers.accepted) + answers.rejected == 1


def running(**fields: object) -> RunningJobInfo:
    accept = JobAcceptArguments(name="n", identity="i", metadata="m", attributes={"language": "en"})
    given: dict[str, object] = {"accept_arguments": accept, "job": Job(id="AJ_1", metadata="x"), "url": "ws://h"}
    return RunningJobInfo(**{**given, "token": "secret-token", "worker_id": "AW_1", **fields})  # type: ignore[arg-type]


def test_x17_attributes_reach_the_process() -> None:
    info = running(
        fake_job=True,
        credentials=Credentials(api_key="k", api_secret="s"),
        job_credentials="none",
        offered_at=1.0,
        accepted_at=2.0,
        assigned_at=3.0,
    )

    crossed = msgspec.msgpack.decode(msgspec.msgpack.encode(info.to_spec()), type=JobSpec)

    assert RunningJobInfo.from_spec(crossed) == info


def test_no_attributes_stay_none() -> None:
    info = running(accept_arguments=JobAcceptArguments("n", "i", "m"))

    assert RunningJobInfo.from_spec(info.to_spec()).accept_arguments.attributes is None


def test_the_token_is_not_printed() -> None:
    assert "secret-token" not in repr(running())
