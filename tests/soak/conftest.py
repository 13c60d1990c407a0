"""A soak: many jobs through one worker, on a server that does nothing else. Each is run once, for all its tests."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from lk_agents.hooks.records import ServerInfo

ROOT = str(Path(__file__).resolve().parent.parent.parent)
if ROOT not in sys.path:  # the agent is a module of its own
    sys.path.append(ROOT)

from tests.e2e.journal import Journal  # noqa: E402
from tests.soak.ends import Ends  # noqa: E402
from tests.soak.soaked import Job, Look, soaked  # noqa: E402

TELLS_OF_JOBS = {"logging": {"component_levels": {"agents": "debug"}}}
SHORT, LONG = 100, 500
WARM_UP = 20
"""Jobs before one looks: what the first ones load and cache stays for good, and rightly."""


@dataclass(frozen=True, kw_only=True)
class Soak:
    """What is known when it is over.

    :param jobs: in the order in which they ended.
    :param joined: the jobs that were in their rooms.
    :param entered: the job of each call of the entrypoint.
    :param warm: the worker at rest, after the first jobs.
    :param last: the same after all.
    :param code: what it exited with when it was asked to.
    """

    crashing: bool
    jobs: Sequence[Job]
    joined: frozenset[str]
    entered: Sequence[str]
    warm: Look
    last: Look
    code: int
    log: str


@pytest.fixture(scope="session")
def ends() -> Ends:
    """How jobs ended, as the server saw it."""
    return Ends()


@pytest.fixture(scope="session")
def soak_server(ends: Ends) -> Iterator[ServerInfo]:
    """A real server."""
    module = pytest.importorskip("lk_agents_server", reason="lk-agents-server is not installed")
    with module.LiveKitServer(module.ServerOptions(extra_config=TELLS_OF_JOBS), on_log=ends.note) as server:
        yield ServerInfo(server.url, server.api_key, server.api_secret)


def _deed(number: int, *, crashing: bool) -> str:
    """Return what that job does: most end at once, every 20th joins its room, every 10th may crash."""
    if crashing and number % 10 == 9:
        return ("raise", "exit", "die")[number // 10 % 3]
    return "join" if number % 20 == 10 else "leave"


async def _soak(count: int, folder: Path, server: ServerInfo, ends: Ends, *, crashing: bool) -> Soak:
    deeds = [_deed(number, crashing=crashing) for number in range(count)]
    journal = Journal(folder / "journal.sock")
    try:
        async with soaked(folder, journal, server) as worker:
            await worker.look(0)  # what looking itself makes the worker keep is there from now on
            jobs = await worker.run(deeds[:WARM_UP], ends)
            warm = last = await worker.look(len(jobs))
            for start in range(WARM_UP, count, quarter := (count - WARM_UP) // 4):
                jobs += await worker.run(deeds[start : start + quarter], ends)
                last = await worker.look(len(jobs))
            code = await worker.end()
    finally:
        journal.close()
    return Soak(
        crashing=crashing,
        jobs=jobs,
        joined=frozenset(entry["job"] for entry in journal.of("joined")),
        entered=[entry["job"] for entry in journal.of("entered")],
        warm=warm,
        last=last,
        code=code,
        log=(folder / "log.txt").read_text(),
    )


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((SHORT, False), marks=pytest.mark.e2e, id="short"),
        pytest.param((SHORT, True), marks=pytest.mark.e2e, id="short and crashing"),
        pytest.param((LONG, False), marks=pytest.mark.soak, id="long"),
        pytest.param((LONG, True), marks=pytest.mark.soak, id="long and crashing"),
    ],
)
def soak(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, soak_server: ServerInfo, ends: Ends
) -> Soak:
    """A soak that is over."""
    count, crashing = request.param
    return asyncio.run(_soak(count, tmp_path_factory.mktemp("soak"), soak_server, ends, crashing=crashing))
