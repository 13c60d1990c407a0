"""The websocket to the server: register, read, write, notice that it is gone, come back.

Losing the socket is not losing jobs: they live in rooms, which are connections of their own. While one runs, the
worker tries to come back for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NoReturn, Protocol

from lk_agents.foundation.clock import monotonic, wall_seconds
from lk_agents.foundation.errors import ProtocolError, RegistrationError, WorkerError
from lk_agents.foundation.log import logger
from lk_agents.worker import protocol
from lk_agents.worker.backoff import Backoff
from lk_agents.worker.tokens import registration_token

if TYPE_CHECKING:
    import aiohttp
    from livekit.protocol import agent

    from lk_agents.worker.config import WorkerConfig
    from lk_agents.worker.outbox import Outbox

__all__ = ["Connection", "ConnectionLimits", "ConnectionListener", "Link"]


class ConnectionListener(Protocol):
    """What the connection tells its owner; calls come on the loop and must return at once."""

    def registered(self, answer: agent.RegisterWorkerResponse) -> Iterable[agent.WorkerMessage]:
        """Take note of a registration; what is returned is written before anything else."""

    def confirmed(self) -> None:
        """Take note that the server has answered a ping: from its first answer on it offers jobs to this worker."""

    def disconnected(self) -> None:
        """Take note that a registered socket is gone."""

    def offered(self, request: agent.AvailabilityRequest, session: int) -> None:
        """Answer the server's question to the outbox, for that session."""

    def assigned(self, assignment: agent.JobAssignment) -> None:
        """Take the job that was accepted."""

    def terminated(self, termination: agent.JobTermination) -> None:
        """End that job; it may be unknown or ending already."""


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """How long the steps of a connection may take, in seconds.

    :param open: from the first packet to the open websocket.
    :param register: from there to the server's answer; the server itself waits 10 s.
    :param heartbeat: how often an answer is demanded, so that a peer that fell silent is noticed.
    :param pong: how long that answer may take.
    :param close: how long a farewell may take.
    """

    open: float = 10.0
    register: float = 10.0
    heartbeat: float = 10.0
    pong: float = 10.0
    close: float = 1.0


class Link(StrEnum):
    """The state of the connection."""

    CONNECTING = "connecting"
    REGISTERED = "registered"
    CLOSED = "closed"


class _ConnectionLostError(WorkerError):
    """The socket closed or fell silent."""


class _KeyRefusedError(WorkerError):
    """The server does not take the API key."""


class Connection:
    """Keeps the worker registered; :meth:`run` is the whole of its life.

    :param outbox: where unwritten messages wait.
    :param listener: who is told what the server says.
    :param jobs_running: whether a job runs here that must not be abandoned.
    """

    def __init__(
        self,
        config: WorkerConfig,
        outbox: Outbox,
        listener: ConnectionListener,
        *,
        jobs_running: Callable[[], bool],
        limits: ConnectionLimits | None = None,
    ) -> None:
        self._config = config
        self._outbox = outbox
        self._listener = listener
        self._jobs_running = jobs_running
        self._limits = limits or ConnectionLimits()
        self._link = Link.CONNECTING
        self._heard = asyncio.Event()

    @property
    def link(self) -> Link:
        """The state of the connection."""
        return self._link

    async def run(self) -> NoReturn:
        """Register, and come back whenever the connection is lost; when cancelled, say farewell and close.

        :raises RegistrationError: no job runs and the server refuses the key, or cannot be reached for too long.
        """
        import aiohttp

        backoff = Backoff(self._config.options.max_retry, now=monotonic())
        try:
            async with aiohttp.ClientSession(trust_env=True) as http:
                while True:
                    failure = await self._failure_of_one_connection(http, backoff)
                    await asyncio.sleep(self._delay_after(failure, backoff))
        finally:
            self._link = Link.CLOSED

    def _delay_after(self, failure: Exception, backoff: Backoff) -> float:
        """Return the seconds to wait, or raise if it is time to give up."""
        busy = self._jobs_running()
        delay = backoff.failed(monotonic(), jobs_running=busy)
        if isinstance(failure, _KeyRefusedError) and not busy:
            raise RegistrationError(str(failure)) from failure
        if delay is None:
            raise RegistrationError(
                f"the server at {self._config.url} could not be reached in {backoff.failures} attempts; "
                f"the last failure: {_in_words(failure)}"
            ) from failure
        logger.warning(
            "not connected to the server; trying again",
            extra={
                "url": self._config.url,
                "cause": _in_words(failure),
                "attempts": backoff.failures,
                "retry_in_seconds": round(delay, 2),
            },
        )
        return delay

    async def _failure_of_one_connection(self, http: aiohttp.ClientSession, backoff: Backoff) -> Exception:
        """Connect once and return what ended it."""
        import aiohttp

        try:
            await self._connect_once(http, backoff)
        except aiohttp.WSServerHandshakeError as error:
            return self._explain_handshake(error)
        except (WorkerError, ProtocolError, aiohttp.ClientError, OSError) as error:
            return error
        except Exception as error:  # noqa: BLE001  logged; a fault of ours must not end the jobs
            logger.exception("the connection to the server failed unexpectedly")
            return error
        return _ConnectionLostError("the connection ended")

    def _explain_handshake(self, error: aiohttp.WSServerHandshakeError) -> Exception:
        if error.status in {401, 403}:
            return _KeyRefusedError(
                f"the server at {self._config.url} refuses the API key {self._config.api_key!r} "
                f"(HTTP {error.status}); check that LIVEKIT_API_KEY and LIVEKIT_API_SECRET belong together, "
                f"are not swapped, and that the clocks agree"
            )
        address = protocol.agent_url(self._config.url)
        return _ConnectionLostError(f"{address} answered HTTP {error.status} instead of opening a websocket")

    async def _connect_once(self, http: aiohttp.ClientSession, backoff: Backoff) -> None:
        socket = await self._open(http)
        try:
            answer = await self._register(socket)
            backoff.registered(monotonic())
            await self._be_registered(socket, answer)
        finally:
            await self._farewell(socket)

    async def _farewell(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        try:
            async with asyncio.timeout(self._limits.close):  # a peer that reads nothing would hold us here
                await socket.close()
        except TimeoutError:
            logger.debug("the server did not answer our farewell")

    async def _open(self, http: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
        import aiohttp

        config = self._config
        token = registration_token(config.api_key, config.api_secret, now=wall_seconds())
        try:
            async with asyncio.timeout(self._limits.open):
                return await http.ws_connect(
                    # By http(s): for ws(s) aiohttp would look for proxies in WS_PROXY and WSS_PROXY, which nobody sets.
                    protocol.agent_url(config.url).replace("ws", "http", 1),
                    headers={"Authorization": f"Bearer {token}"},
                    timeout=aiohttp.ClientWSTimeout(ws_close=self._limits.close),
                )
        except TimeoutError as error:
            raise _ConnectionLostError(f"no websocket opened within {self._limits.open:g} s") from error

    async def _register(self, socket: aiohttp.ClientWebSocketResponse) -> agent.RegisterWorkerResponse:
        try:
            async with asyncio.timeout(self._limits.register):
                await socket.send_bytes(protocol.register(self._config.options).SerializeToString())
                while True:
                    message = await self._receive(socket)
                    if message is not None and message.WhichOneof("message") == "register":
                        return message.register
        except TimeoutError as error:
            raise _ConnectionLostError(
                f"the server did not answer register within {self._limits.register:g} s"
            ) from error

    async def _be_registered(
        self, socket: aiohttp.ClientWebSocketResponse, answer: agent.RegisterWorkerResponse
    ) -> None:
        session = self._outbox.open_session(self._listener.registered(answer))
        self._link = Link.REGISTERED
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read(socket, session), name="worker_socket_reader")
                group.create_task(self._write(socket), name="worker_socket_writer")
                group.create_task(self._beat(session), name="worker_socket_heartbeat")
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors.exceptions[0].__cause__
        finally:
            self._link = Link.CONNECTING
            self._outbox.close_session()
            self._listener.disconnected()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse, session: int) -> NoReturn:
        while True:
            message = await self._receive(socket)
            self._heard.set()
            if message is None:
                continue
            try:
                self._dispatch(message, session)
            except Exception:  # noqa: BLE001  logged; one message must not cost the socket
                kind = message.WhichOneof("message")
                logger.exception("a message of the server could not be handled", extra={"kind": kind})

    def _dispatch(self, message: agent.ServerMessage, session: int) -> None:
        match message.WhichOneof("message"):
            case "availability":
                self._listener.offered(message.availability, session)
            case "assignment":
                self._listener.assigned(message.assignment)
            case "termination":
                self._listener.terminated(message.termination)
            case "pong":
                self._listener.confirmed()
            case "register":
                pass
            case kind:  # a newer server may say more than we know
                logger.debug("a message of the server is skipped", extra={"kind": kind})

    async def _receive(self, socket: aiohttp.ClientWebSocketResponse) -> agent.ServerMessage | None:
        """Return the next message, or None for a frame that cannot be read as one."""
        from aiohttp import WSMsgType

        frame = await socket.receive()
        if frame.type is WSMsgType.BINARY:
            try:
                return protocol.parse(frame.data)
            except ProtocolError as error:
                logger.warning("a frame of the server is skipped", extra={"cause": str(error)})
                return None
        if frame.type is WSMsgType.TEXT:
            logger.warning("a frame of the server is skipped", extra={"cause": "it is text, not binary"})
            return None
        raise _ConnectionLostError(
            f"the server closed the connection (code {socket.close_code})"
        ) from socket.exception()

    async def _write(self, socket: aiohttp.ClientWebSocketResponse) -> NoReturn:
        while True:
            outgoing = await self._outbox.next()
            await socket.send_bytes(outgoing.message.SerializeToString())
            self._outbox.written(outgoing)

    async def _beat(self, session: int) -> NoReturn:
        """Demand an answer at once and then now and then: only so is a peer noticed that vanished without closing.

        The server answers a registration a moment before it puts the worker among those that it offers jobs to, and
        pings only afterwards.
        """
        while True:
            self._heard.clear()
            self._outbox.put_for_session(session, protocol.ping(int(wall_seconds() * 1000)))
            try:
                async with asyncio.timeout(self._limits.pong):
                    await self._heard.wait()
            except TimeoutError:
                # Where our own loop was blocked, the answer may lie in the socket: let the reader run before judging.
                await asyncio.sleep(self._limits.pong / 10)
                if not self._heard.is_set():
                    raise _ConnectionLostError(f"the server has been silent for {self._limits.pong:g} s") from None
            await asyncio.sleep(self._limits.heartbeat)


def _in_words(error: BaseException) -> str:
    if isinstance(error, WorkerError | ProtocolError):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
