"""What ``doctor`` looks at between here and the LiveKit server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from lk_agents.cli.findings import Check
from lk_agents.foundation import clock
from lk_agents.foundation.errors import ProtocolError
from lk_agents.foundation.ids import short_id

if TYPE_CHECKING:
    import aiohttp

__all__ = ["server_checks"]

_SECONDS: Final = 5.0
_SKEW_SECONDS: Final = 60.0
"""Tokens are valid from their making on; a server whose clock is behind refuses them."""


async def server_checks(url: str, api_key: str, api_secret: str) -> AsyncIterator[Check]:
    """Reach the server, compare clocks, and register as a worker that gets no jobs, to see that the key is taken.

    The name it registers under is used by nobody, so no job can be dispatched to it.
    """
    import aiohttp

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_SECONDS)) as http:
        try:
            yield await _clock_check(http, url)
            yield await _registration_check(http, url, api_key, api_secret)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            cause = str(error) or type(error).__name__
            yield Check.problem(
                "server",
                f"{url} cannot be reached: {cause}",
                "check LIVEKIT_URL, the network, and that the server runs (lk-agents dev --server brings its own)",
            )


async def _clock_check(http: aiohttp.ClientSession, url: str) -> Check:
    async with http.get(_http_url(url)) as answer:
        stamp = answer.headers.get("Date")
    if stamp is None:
        return Check.ok("clock", "the server does not tell its time")
    try:
        skew = clock.wall_seconds() - parsedate_to_datetime(stamp).timestamp()
    except ValueError:
        return Check.ok("clock", "the server's time cannot be read")
    detail = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the server's"
    if abs(skew) > _SKEW_SECONDS:
        return Check.problem("clock", detail, "set this machine's clock (NTP): the server would refuse tokens")
    return Check.ok("clock", detail)


async def _registration_check(http: aiohttp.ClientSession, url: str, api_key: str, api_secret: str) -> Check:
    import aiohttp
    from livekit.protocol import agent

    from lk_agents.worker.protocol import agent_url, parse
    from lk_agents.worker.tokens import registration_token

    token = registration_token(api_key, api_secret, now=clock.wall_seconds())
    request = agent.WorkerMessage(register=agent.RegisterWorkerRequest(agent_name=short_id("lk-agents-doctor-")))
    try:
        async with (
            asyncio.timeout(_SECONDS),
            http.ws_connect(agent_url(url), headers={"Authorization": f"Bearer {token}"}) as socket,
        ):
            await socket.send_bytes(request.SerializeToString())
            answer = parse(await socket.receive_bytes())
    except aiohttp.WSServerHandshakeError as error:
        return _refused(url, api_key, error.status)
    except (ProtocolError, TypeError) as error:  # aiohttp raises TypeError for a frame of another kind
        return Check.problem("server", f"{url} does not speak as a LiveKit server does: {error}", "check LIVEKIT_URL")
    if not answer.HasField("register"):
        return Check.problem("server", f"{url} did not register the worker", "look at the server's log")
    info = answer.register.server_info
    place = f", region {info.region}" if info.region else ""
    return Check.ok("server", f"{url} runs version {info.version or 'unknown'}{place} and takes the key {api_key!r}")


def _refused(url: str, api_key: str, status: int) -> Check:
    if status in {401, 403}:
        return Check.problem(
            "server",
            f"{url} refuses the key {api_key!r} (HTTP {status})",
            "check LIVEKIT_API_KEY and LIVEKIT_API_SECRET: they must be a pair of this server's configuration",
        )
    return Check.problem(
        "server", f"{url} does not take workers (HTTP {status})", "check LIVEKIT_URL, its path included"
    )


def _http_url(url: str) -> str:
    return "http" + url.removeprefix("ws") if url.startswith("ws") else url
