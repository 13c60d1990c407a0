"""The HTTP session of a job."""

import asyncio

import aiohttp
import pytest
from aiohttp import web

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


async def test_the_session_goes_through_the_proxy_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        asked.append(request.raw_path)
        return web.Response(text="from the proxy")

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0]
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://{host}:{port}")
    http_context._new_session_ctx()
    try:
        async with http_context.http_session().get("http://provider.invalid/v1/speak") as response:
            assert await response.text() == "from the proxy"
    finally:
        await http_context._close_http_ctx()
        await runner.cleanup()

    assert asked == ["http://provider.invalid/v1/speak"]


class Talk:
    """Something that talks over a session, and notes whether that was open when it was closed."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.saw_it_open: bool | None = None

    async def aclose(self) -> None:
        self.saw_it_open = not self.session.closed


async def test_a_provider_outside_of_a_job_closes_the_session_of_its_own_behind_what_talks_over_it() -> None:
    sessions = http_context.HttpSessions(None)
    session = sessions.get()
    talk = Talk(session)
    assert sessions.get() is session

    await sessions.aclose(talk)
    await sessions.aclose(talk)

    assert talk.saw_it_open
    assert session.closed


async def test_a_session_that_is_not_its_own_is_left_open_and_what_talks_over_it_too() -> None:
    async with aiohttp.ClientSession() as given:
        sessions = http_context.HttpSessions(given)
        talk = Talk(sessions.get())
        await sessions.aclose(talk)

        assert talk.saw_it_open is None
        assert not given.closed


async def test_in_a_job_the_jobs_session_is_taken() -> None:
    http_context._new_session_ctx()
    try:
        assert http_context.HttpSessions(None).get() is http_context.http_session()
    finally:
        await http_context._close_http_ctx()
