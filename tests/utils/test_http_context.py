"""The HTTP session of a job."""

import asyncio

import aiohttp
import pytest

from lk_agents.utils import http_context


async def test_there_is_no_session_outside_of_a_job() -> None:
    with pytest.raises(RuntimeError, match="pass your own"):
        http_context.http_session()


async def test_all_callers_of_a_job_share_one_session_which_ends_with_the_job() -> None:
    http_context._new_session_ctx()
    session = http_context.http_session()

    async def in_a_task() -> aiohttp.ClientSession:
        return http_context.http_session()

    assert await asyncio.create_task(in_a_task()) is session
    await http_context._close_http_ctx()
    assert session.closed
    with pytest.raises(RuntimeError):
        http_context.http_session()


async def test_a_job_that_needs_no_session_makes_none() -> None:
    job_session = http_context._new_session_ctx()

    await http_context._close_http_ctx()
    await http_context._close_http_ctx()

    assert isinstance(job_session, http_context._JobSession)
    assert job_session.session is None


async def test_a_task_that_outlives_its_job_gets_no_session_that_nobody_would_close() -> None:
    http_context._new_session_ctx()
    job_ended = asyncio.Event()

    async def straggler() -> None:
        await job_ended.wait()
        http_context.http_session()

    task = asyncio.create_task(straggler())
    await http_context._close_http_ctx()
    job_ended.set()

    with pytest.raises(RuntimeError, match="job has ended"):
        await task


async def test_two_jobs_in_one_process_have_sessions_of_their_own() -> None:
    async def job() -> aiohttp.ClientSession:
        http_context._new_session_ctx()
        session = http_context.http_session()
        await http_context._close_http_ctx()
        return session

    first, second = await asyncio.gather(asyncio.create_task(job()), asyncio.create_task(job()))

    assert first is not second
