"""The fixtures of tests with a real server: one server with short patience and a log that is read, agents with a
journal, callers. A ``conftest.py`` takes from here what its tests need.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from multiprocessing.resource_tracker import ensure_running
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.e2e.callers import Callers
from tests.e2e.journal import Journal
from tests.e2e.office import Office
from tests.e2e.server_log import ServerLog
from tests.e2e.stage import Stage

from lk_agents.hooks.current import current_registry
from lk_agents.hooks.records import ServerInfo
from lk_agents.testing.fixtures_worker import WorkerBench

if TYPE_CHECKING:
    from lk_agents_server import LiveKitServer

DEPARTURE_SECONDS = 1
TELLS_OF_JOBS = {"logging": {"component_levels": {"agents": "debug"}}}


@pytest.fixture(scope="session", autouse=True)
def load_plugins() -> None:
    """Load the plugins before there is a loop, as the command line does: that reads files."""
    current_registry()


@pytest.fixture(scope="session")
def server_log() -> ServerLog:
    """The log of the session's server."""
    return ServerLog()


@pytest.fixture(scope="session")
def server(server_log: ServerLog) -> Iterator[LiveKitServer]:
    """The session's server: a room closes one second after its last caller has left."""
    module = pytest.importorskip("lk_agents_server", reason="lk-agents-server is not installed")
    options = module.ServerOptions(departure_timeout=DEPARTURE_SECONDS, extra_config=TELLS_OF_JOBS)
    with module.LiveKitServer(options, on_log=server_log.note) as server:
        yield server


@pytest.fixture(scope="session")
def resource_tracker() -> None:
    """Start the helper of multiprocessing, which lives as long as this process, before a test counts processes."""
    ensure_running()


@pytest.fixture(scope="session")
def lk_server(server: LiveKitServer) -> ServerInfo:
    """Put the session's server in the place of the public fixture's, for ``lk_worker``."""
    return ServerInfo(server.url, server.api_key, server.api_secret)


@pytest.fixture
async def office(server: LiveKitServer, server_log: ServerLog) -> AsyncIterator[Office]:
    """The API of the session's server."""
    office = Office(server, server_log)
    yield office
    await office.aclose()


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    """What the agents of the test write; give them ``job_user_arguments=journal.path``."""
    journal = Journal(tmp_path / "journal.sock")
    yield journal
    journal.close()


@pytest.fixture
def stage(office: Office, journal: Journal, lk_worker: WorkerBench) -> Stage:
    """Workers of this process, on the session's server."""
    return Stage(office, journal, lk_worker)


@pytest.fixture
async def callers(office: Office) -> AsyncIterator[Callers]:
    """Simulated callers in a process of their own: the native media library is never loaded in the tests' own."""
    callers = Callers(office)
    yield callers
    await callers.aclose()
