from __future__ import annotations

import pytest

from lk_agents.foundation.errors import ConfigError, JobError
from lk_agents.job.context import JobContext
from lk_agents.job.spec import Credentials
from lk_agents.testing.job import JobBench, job_spec


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "LIVEKIT_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


async def test_x30_credentials_given_in_code_reach_the_api(lk_job: JobBench) -> None:
    seen: list[object] = []

    async def entrypoint(ctx: JobContext) -> None:
        seen.extend([ctx.api, ctx.api])
        ctx.shutdown()

    spec = job_spec(credentials=Credentials(api_key="key", api_secret="secret"))
    job = lk_job.start(entrypoint, spec=spec)
    outcome = await job.outcome()

    assert outcome.success
    assert seen[0] is seen[1]
    with pytest.raises(JobError, match="the job has ended"):
        _ = job.ctx.api


async def test_x30_the_api_is_closed_when_the_job_has_ended(lk_job: JobBench) -> None:
    sessions = []

    async def entrypoint(ctx: JobContext) -> None:
        sessions.append(ctx.api._session)
        assert ctx.api._session is not None
        assert not ctx.api._session.closed
        ctx.shutdown()

    spec = job_spec(credentials=Credentials(api_key="key", api_secret="secret"))
    assert (await lk_job.start(entrypoint, spec=spec).outcome()).success

    assert sessions[0] is not None
    assert sessions[0].closed


async def test_credentials_of_the_environment_are_the_second_choice(
    lk_job: JobBench, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("LIVEKIT_API_KEY", "key")
    environment.setenv("LIVEKIT_API_SECRET", "secret")

    async def entrypoint(ctx: JobContext) -> None:
        assert ctx.api is not None
        ctx.shutdown()

    assert (await lk_job.start(entrypoint).outcome()).success


async def test_without_credentials_the_error_says_where_to_give_them(lk_job: JobBench) -> None:
    async def entrypoint(ctx: JobContext) -> None:
        with pytest.raises(ConfigError, match="LIVEKIT_API_KEY and LIVEKIT_API_SECRET"):
            _ = ctx.api
        ctx.shutdown()

    assert (await lk_job.start(entrypoint).outcome()).success


async def test_job_credentials_none_keeps_even_those_of_the_environment_from_the_job(
    lk_job: JobBench, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("LIVEKIT_API_KEY", "key")
    environment.setenv("LIVEKIT_API_SECRET", "secret")

    async def entrypoint(ctx: JobContext) -> None:
        with pytest.raises(ConfigError, match=r"job_credentials is 'none'; set it to 'inherit'"):
            _ = ctx.api
        ctx.shutdown()

    assert (await lk_job.start(entrypoint, spec=job_spec(job_credentials="none")).outcome()).success
