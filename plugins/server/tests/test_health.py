"""A server is ready when it says so and knows our key."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest

from lk_agents_server.config import Keys
from lk_agents_server.health import is_ready

OURS = Keys("APIours", "o" * 40)
THEIRS = Keys("APItheirs", "t" * 40)


@contextmanager
def http_server(*, health: int, keys: Keys) -> Iterator[int]:
    """A server that is as healthy as told, and checks tokens against its own keys."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(health if self.path == "/" else self.validate())
            self.end_headers()

        def validate(self) -> int:
            try:
                token = self.headers["Authorization"].removeprefix("Bearer ")
                claims = jwt.decode(token, keys.api_secret, algorithms=["HS256"], issuer=keys.api_key)
            except jwt.InvalidTokenError:
                return 401
            return 200 if claims["video"]["roomJoin"] and self.path == "/rtc/validate" else 403

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("health", "keys", "ready"), [(200, OURS, True), (406, OURS, False), (200, THEIRS, False)], ids=str
)
def test_ready_means_healthy_and_ours(health: int, keys: Keys, ready: bool) -> None:
    with http_server(health=health, keys=keys) as port:
        assert is_ready(port, OURS) is ready


def test_a_port_where_nobody_listens_is_not_ready() -> None:
    with http_server(health=200, keys=OURS) as port:
        pass

    assert not is_ready(port, OURS)
