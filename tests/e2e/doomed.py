"""A server that dies and comes back."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.e2e.fixtures import TELLS_OF_JOBS
from tests.e2e.office import Office
from tests.e2e.server_log import ServerLog

from lk_agents.hooks.records import ServerInfo


class Doomed:
    """A server that can die and come back under the same address."""

    def __init__(self) -> None:
        self.log = ServerLog()
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.info = ServerInfo(f"ws://127.0.0.1:{self.port}", "devkey", "secret-of-32-characters-and-more-")

    @asynccontextmanager
    async def life(self) -> AsyncIterator[Office]:
        """Live for as long as the block lasts."""
        module = pytest.importorskip("lk_agents_server", reason="lk-agents-server is not installed")
        options = module.ServerOptions(
            port=self.port,
            api_key=self.info.api_key,
            api_secret=self.info.api_secret,
            departure_timeout=1,
            extra_config=TELLS_OF_JOBS,
        )
        async with module.LiveKitServer(options, on_log=self.log.note) as server:
            office = Office(server, self.log)
            try:
                yield office
            finally:
                server.kill()
                await office.api.aclose()
