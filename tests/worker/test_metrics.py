"""What a worker tells Prometheus: its own state, its jobs, and what these have measured."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import aiohttp
from tests.metrics import made

from lk_agents.foundation.errors import ConfigError
from lk_agents.ipc.pool import PoolSnapshot, ProcessSnapshot
from lk_agents.metrics.catalog import CATALOG
from lk_agents.metrics.exporter import Page
from lk_agents.metrics.publish import publish
from lk_agents.utils.events import EventEmitter
from lk_agents.worker.admission import Admission
from lk_agents.worker.health import HealthServer, HealthState
from lk_agents.worker.metrics_page import worker_gauges
from lk_agents.worker.options import JobExecutorType
from lk_agents.worker.worker import Worker


async def scrape(port: int | None) -> dict[str, float]:
    """Return every sample of the page, as ``name{labels}``."""
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        lines = (await response.text()).splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


async def test_a_worker_tells_what_it_is_and_whether_the_server_knows_it(rig: Any) -> None:
    worker = await rig.start(agent_name="clerk")
    page = await scrape(worker.health_port)

    (info,) = [name for name in page if name.startswith("lk_agents_worker_info{")]
    assert 'agent_name="clerk"' in info
    assert 'worker_type="ROOM"' in info
    assert page["lk_agents_worker_registered"] == 1
    assert page["lk_agents_worker_registrations_total"] == 1
    assert page["lk_agents_worker_full"] == 0
    assert page["lk_agents_worker_load_threshold"] == float("inf")


async def test_the_winning_signal_of_the_load_is_named(rig: Any) -> None:
    worker = await rig.start(load_fnc=lambda: 0.625, load_threshold=0.9)
    async with asyncio.timeout(5):
        while (page := await scrape(worker.health_port))["lk_agents_worker_load"] != 0.625:
            await asyncio.sleep(0.02)

    assert page['lk_agents_worker_load_signal{signal="load_fnc"}'] == 1


async def test_jobs_are_counted_by_outcome_and_answers_by_what_was_said(rig: Any) -> None:
    async def request(asked: Any) -> None:
        if asked.job.metadata == "no":
            await asked.reject()
        await asked.accept()

    worker = await rig.start(request_fnc=request)
    jobs = [await rig.server.dispatch(f"room{number}") for number in range(3)]
    await rig.server.dispatch("room3", metadata="no")
    await rig.until(lambda: len(rig.pool.specs) == 3)
    running = await scrape(worker.health_port)
    rig.pool.finish(jobs[0].job.id)
    rig.pool.finish(jobs[1].job.id, success=False)
    rig.pool.finish(jobs[2].job.id, success=False, lost=True)
    ended = await scrape(worker.health_port)

    assert running['lk_agents_active_jobs{state="running"}'] == 3
    assert ended['lk_agents_active_jobs{state="running"}'] == 0
    assert ended['lk_agents_job_requests_total{answer="accepted"}'] == 3
    assert ended['lk_agents_job_requests_total{answer="refused"}'] == 1
    assert ended['lk_agents_jobs_total{cause="shutdown",outcome="success"}'] == 1
    assert ended['lk_agents_jobs_total{cause="raised",outcome="failed"}'] == 1
    assert ended['lk_agents_jobs_total{cause="process_lost",outcome="lost"}'] == 1
    assert ended["lk_agents_job_duration_seconds_count"] == 3


async def test_a_job_that_never_had_a_process_has_failed(rig: Any) -> None:
    from lk_agents.foundation.errors import ProcessStartError

    worker = await rig.start()
    rig.pool.submit_error = ProcessStartError("no memory")
    dispatch = await rig.server.dispatch("room")
    await rig.server.until(lambda: rig.server.final_updates(dispatch.job.id))
    page = await scrape(worker.health_port)

    assert page['lk_agents_jobs_total{cause="not_begun",outcome="failed"}'] == 1


async def test_a_reconnect_is_another_registration(rig: Any) -> None:
    worker = await rig.start()
    rig.server.workers[0].drop()
    await rig.until(lambda: not worker.connected)
    assert (await scrape(worker.health_port))["lk_agents_worker_registered"] == 0
    await rig.until(lambda: worker.connected, seconds=10)

    assert (await scrape(worker.health_port))["lk_agents_worker_registrations_total"] == 2


async def entrypoint(ctx: Any) -> None:
    publish(EventEmitter[str](), made.LLM)
    ctx.shutdown("measured")


async def test_what_a_job_measures_is_on_the_workers_page(rig: Any) -> None:
    options = rig.options(job_executor_type=JobExecutorType.THREAD)
    options.entrypoint_fnc = entrypoint
    async with Worker(options, registry=rig.registry) as worker:
        dispatch = await rig.server.dispatch("room")
        await rig.server.until(lambda: rig.server.final_updates(dispatch.job.id), seconds=15)
        page = await scrape(worker.health_port)

    assert page['lk_agents_llm_tokens_total{kind="completion",model="",provider="acme"}'] == 7
    assert page['lk_agents_llm_ttft_seconds_bucket{le="0.3",model="",provider="acme"}'] == 1
    assert page["lk_agents_job_entrypoint_seconds_count"] == 1
    assert page['lk_agents_process_starts_total{outcome="warm"}'] == 1


async def test_no_room_no_job_and_nobodys_name_is_on_the_page(rig: Any) -> None:
    worker = await rig.start()
    dispatch = await rig.server.dispatch("anna-and-bob", metadata="secret")
    await rig.until(lambda: rig.pool.specs)
    rig.pool.finish(dispatch.job.id)
    page = " ".join(await scrape(worker.health_port))

    assert not [word for word in ("anna", "secret", dispatch.job.id, "agent-") if word in page]


async def test_a_page_is_sent_in_the_format_that_is_asked_for(rig: Any) -> None:
    worker = await rig.start()
    headers = {"Accept": "application/openmetrics-text; version=1.0.0; charset=utf-8"}
    url = f"http://127.0.0.1:{worker.health_port}/metrics"
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as response:
        assert response.headers["Content-Type"].startswith("application/openmetrics-text")
        assert (await response.read()).endswith(b"# EOF\n")


async def test_without_the_package_the_page_says_how_to_get_it() -> None:
    async def write(accept: str) -> Page:
        raise ConfigError("install it")

    state = HealthState(id="AW_1", state="running", registered=True)
    server = HealthServer("127.0.0.1", 0, lambda: state, write)
    await server.start()
    try:
        url = f"http://127.0.0.1:{server.port}/metrics"
        async with aiohttp.ClientSession() as http, http.get(url) as response:
            assert (response.status, await response.text()) == (501, "install it")
    finally:
        await server.aclose()


PROCESSES = (
    ProcessSnapshot(executor_id=1, pid=11, phase="idle", pss_mb=4.0),
    ProcessSnapshot(executor_id=2, pid=12, phase="running", job_id="AJ_1", pss_mb=40.0, loop_lag_seconds=0.25),
    ProcessSnapshot(executor_id=3, pid=13, phase="running", job_id="AJ_2", pss_mb=50.0, loop_lag_seconds=0.5),
)


def _gauges(*processes: ProcessSnapshot) -> dict[str, float]:
    state = HealthState(id="AW_1", state="running", registered=True)
    pool = PoolSnapshot(processes=processes, waiting_jobs=2, idle_target=3)
    found = worker_gauges(state, pool, Admission(None), threshold=0.75, loop_lag_seconds=0.125)
    return {" ".join((gauge.name, *gauge.labels)): gauge.value for gauge in found}


def test_the_gauges_of_processes_are_theirs_together() -> None:
    gauges = _gauges(*PROCESSES)

    assert gauges["processes idle"] == 1
    assert gauges["processes running"] == 2
    assert gauges["processes_memory_bytes running"] == 90 * 1024 * 1024
    assert gauges["process_memory_max_bytes"] == 50 * 1024 * 1024
    assert gauges["process_loop_lag_max_seconds"] == 0.5
    assert (gauges["waiting_jobs"], gauges["processes_wanted"]) == (2, 3)
    assert gauges["worker_loop_lag_seconds"] == 0.125


def test_of_a_process_that_is_gone_there_is_no_gauge() -> None:
    gauges = _gauges(*PROCESSES[:1])

    assert gauges["processes running"] == 0
    assert gauges["processes_memory_bytes running"] == 0
    assert gauges["process_loop_lag_max_seconds"] == 0


def test_every_gauge_of_the_catalog_is_told_and_no_other() -> None:
    told = {name.partition(" ")[0] for name in _gauges(*PROCESSES)}

    assert told == {name.removeprefix("lk_agents_") for name, family in CATALOG.items() if family.kind == "gauge"}
    assert not [name for name in told if re.search(r"room|job_id|identity", name)]
