"""The server of a scripted vendor."""

from __future__ import annotations

import asyncio
import traceback
from typing import TYPE_CHECKING, Any, Final, Self

from lk_agents.foundation.clock import monotonic
from lk_agents.foundation.errors import LkAgentsError
from lk_agents.foundation.secret import Secret
from lk_agents.testing.vendor.faults import ExchangeKind, Fault, FaultKind
from lk_agents.testing.vendor.journal import Exchange, Journal, masked_header, masked_query
from lk_agents.testing.vendor.outlets import BodyOutlet, ExchangeOverError, SocketOutlet, strike_head
from lk_agents.testing.vendor.peer import PeerGoneError, UnexpectedError, VendorSocket, follow
from lk_agents.testing.vendor.script import Answer, Conversation, Pause, Route, Script
from lk_agents.utils.aio.tasks import cancel_and_wait

if TYPE_CHECKING:
    import socket
    from types import TracebackType

    from aiohttp import web

__all__ = ["VendorError", "VendorServer"]

GRACE_SECONDS: Final = 0.5
"""How long an exchange may go on when its client has gone, or when the server ends."""
REPLACES_BODY: Final = frozenset({FaultKind.GARBAGE, FaultKind.WRONG_JSON})


class VendorError(LkAgentsError, AssertionError):
    """A client and the script did not fit; the text has every reason, and the journal."""


class VendorServer:
    """Answers on 127.0.0.1 as a script says, while the block lasts.

    :param script: what is to be had. A server that is only a fault needs none of the answers to be used.
    :param fault: what goes wrong. An exchange that it strikes uses nothing of the script up: the next one that it
        lets pass gets what this one should have had.
    :param strict: whether the end of the block raises what did not fit; otherwise it stands in ``problems`` only.
    :raises VendorError: at the end of the block, unless it ends by another error: something was asked or said that the
        script does not have, something of the script was not used, or the fault never struck.
    """

    def __init__(self, script: Script, *, fault: Fault | None = None, strict: bool = True) -> None:
        self.script = script
        self.journal = Journal()
        """What was asked and said."""
        self.problems: list[str] = []
        """What did not fit."""
        self._fault = fault
        self._strict = strict
        self._strikes = 0
        self._candidates = 0
        self._began_at = 0.0
        self._port = 0
        self._open: dict[asyncio.Task[Any], tuple[Exchange, asyncio.Event]] = {}
        self._runner: web.ServerRunner | None = None
        self._site: web.SockSite | None = None
        for route in script.routes.values():
            for value in route.headers.values():
                if isinstance(value, Secret):
                    self.journal.hide(value)

    @property
    def url(self) -> str:
        """The address, ``http://127.0.0.1:…``, without a slash at its end."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def ws_url(self) -> str:
        """The same address for sockets, ``ws://127.0.0.1:…``."""
        return f"ws://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        from aiohttp import web

        self._began_at = monotonic()
        server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=GRACE_SECONDS)
        await self._runner.setup()
        await self.listen_again()
        if self._fault is not None and self._fault.kind is FaultKind.REFUSE:
            await self.stop_listening()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._end_exchanges()
        if self._runner is not None:
            await self._runner.cleanup()
        self._look_for_what_is_left()
        if exc is None and self._strict:
            self.check()
        elif isinstance(exc, Exception | asyncio.CancelledError) and (self.problems or len(self.journal)):
            exc.add_note(self._report())

    def check(self) -> None:
        """Raise what did not fit so far.

        :raises VendorError: something did not.
        """
        if self.problems:
            raise VendorError(self._report())

    async def stop_listening(self) -> None:
        """Refuse connections from now on; those that are open stay."""
        if self._site is not None:
            await self._site.stop()
            self._site = None

    async def listen_again(self) -> None:
        """Accept connections, at the same address as before."""
        from aiohttp import web

        if self._site is None and self._runner is not None:
            listener = _listener(self._port)
            self._port = listener.getsockname()[1]
            self._site = web.SockSite(self._runner, listener)
            await self._site.start()

    # --- one exchange --------------------------------------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve in a task of its own: what a script checks in the end is not cut off by a client that hurries away."""
        exchange, over = self._note(request), asyncio.Event()
        task = asyncio.create_task(self._serve(request, exchange, over), name=f"vendor {exchange.path}")
        self._open[task] = exchange, over
        task.add_done_callback(self._open.pop)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            over.set()
            await asyncio.wait({task}, timeout=GRACE_SECONDS)
            await cancel_and_wait(task)
            exchange.ended = exchange.ended or "the client has gone"
            raise

    async def _serve(self, request: web.BaseRequest, exchange: Exchange, over: asyncio.Event) -> web.StreamResponse:
        from aiohttp import web

        try:
            if exchange.method != "GET":
                exchange.body = await request.content.read()
            route = self._route(exchange, request)
            if route is None:
                exchange.ended = "not in the script"
                return web.Response(status=404, text="there is no such path here")
            if not self._is_welcome(route, exchange, request):
                exchange.ended = "refused: wrong credentials"
                return web.Response(status=401, text="wrong credentials")
            exchange.fault = self._strike(exchange)
            return await self._answer(route, request, exchange, over)
        except ExchangeOverError:
            exchange.ended = exchange.ended or "ended by the fault"
        except (PeerGoneError, ConnectionError):
            exchange.ended = "the client has gone"
        except UnexpectedError as error:
            self._problem(exchange, str(error))
        except Exception:  # noqa: BLE001  the test's own function failed: the test is told at the end
            self._problem(exchange, f"the script failed:\n{traceback.format_exc()}")
        if request.transport is not None:
            request.transport.close()
        return web.Response(status=500)  # it goes nowhere: the connection is closed

    async def _answer(
        self, route: Route, request: web.BaseRequest, exchange: Exchange, over: asyncio.Event
    ) -> web.StreamResponse:
        from aiohttp import web

        fault = exchange.fault
        if (refusal := await strike_head(request, exchange, fault, over)) is not None:
            exchange.ended = f"answered {refusal.status}"
            return refusal
        if route.exhausted:
            self._problem(exchange, f"the script has no more answers for {route.name}")
            return web.Response(status=500, text="the script of this vendor has nothing more for you")
        turn = route.current()
        route.used += 1
        said_all = False
        try:
            if route.is_socket and not isinstance(turn, Answer):
                response, said_all = await self._talk(turn, request, exchange, over)
            else:
                answer: Answer = turn if isinstance(turn, Answer) else await turn(exchange)
                response, said_all = await self._send(answer, request, exchange, over)
        finally:
            if fault is not None and not said_all:
                route.used -= 1  # the next attempt gets what this one should have had
        return response

    async def _send(
        self, answer: Answer, request: web.BaseRequest, exchange: Exchange, over: asyncio.Event
    ) -> tuple[web.StreamResponse, bool]:
        from aiohttp import web

        fault = exchange.fault if exchange.fault is not None and exchange.fault.fits(answer.kind) else None
        replaced = answer.kind is ExchangeKind.BODY and fault is not None and fault.kind in REPLACES_BODY
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        if answer.kind is ExchangeKind.BODY and not replaced:
            response.content_length = sum(len(part) for part in answer.parts if isinstance(part, bytes))
        outlet = BodyOutlet(request, exchange, response, kind=answer.kind, fault=fault, now=self._now, over=over)
        await response.prepare(request)
        said_all = not replaced
        try:
            await _say(answer, outlet, response)
        except ExchangeOverError:
            if fault is None or fault.kind is not FaultKind.END:
                raise
            said_all = False
        await response.write_eof()
        exchange.ended = f"answered {answer.status}"
        return response, said_all

    async def _talk(
        self, turn: Any, request: web.BaseRequest, exchange: Exchange, over: asyncio.Event
    ) -> tuple[web.StreamResponse, bool]:
        from aiohttp import web

        fault = exchange.fault if exchange.fault is not None and exchange.fault.fits(ExchangeKind.SOCKET) else None
        answers_close = fault is None or fault.kind is not FaultKind.SLOW_CLOSE
        ws = web.WebSocketResponse(autoclose=answers_close, compress=False, max_msg_size=0, timeout=GRACE_SECONDS)
        await ws.prepare(request)
        outlet = SocketOutlet(request, exchange, ws, fault=fault, now=self._now, over=over)
        peer = VendorSocket(ws, exchange, outlet)
        await outlet.opened()
        said_all = False
        try:
            if isinstance(turn, Conversation):
                await follow(turn, peer)
            else:
                await turn(peer)
            await peer.close()
            said_all = True
            exchange.ended = exchange.ended or "closed by the client"
        except PeerGoneError:
            said_all = not isinstance(turn, Conversation)
            exchange.ended = "closed by the client"
        except UnexpectedError as error:
            if fault is None:  # a client that meets a fault goes its own way
                raise
            exchange.ended = str(error)
        finally:
            if fault is not None and request.transport is not None:
                request.transport.close()
        return ws, said_all

    # --- what fits and what does not -----------------------------------------------------------------------------

    def _note(self, request: web.BaseRequest) -> Exchange:
        for name, value in request.headers.items():
            self.journal.hide_header(name, value)
        exchange = Exchange(
            number=len(self.journal),
            at_seconds=self._now(),
            method=request.method,
            path=request.path,
            raw_query=masked_query(request.raw_path.partition("?")[2]),
            headers={name.lower(): masked_header(name, value) for name, value in request.headers.items()},
        )
        self.journal.exchanges.append(exchange)
        return exchange

    def _route(self, exchange: Exchange, request: web.BaseRequest) -> Route | None:
        route = self.script.routes.get((exchange.method, exchange.path))
        if route is None:
            self._problem(exchange, f"the script has no {exchange.method} {exchange.path}")
            return None
        for text in route.query_problems(request.raw_path.partition("?")[2]):
            self._problem(exchange, text)
        if route.is_socket is not ("websocket" in request.headers.get("Upgrade", "").lower()):
            self._problem(exchange, f"{route.name}: this is {'no' if route.is_socket else 'a'} request for a socket")
            return None
        return route

    def _is_welcome(self, route: Route, exchange: Exchange, request: web.BaseRequest) -> bool:
        problems = list(route.header_problems(request.headers))
        for text in problems:
            self._problem(exchange, text)
        return not problems

    def _strike(self, exchange: Exchange) -> Fault | None:
        fault = self._fault
        if fault is None or (fault.path and fault.path != exchange.path):
            return None
        self._candidates += 1
        if not fault.strikes(self._candidates - 1):
            return None
        self._strikes += 1
        return fault

    def _look_for_what_is_left(self) -> None:
        fault = self._fault
        if fault is not None and fault.kind is not FaultKind.REFUSE and self._strikes < (fault.times or 1):
            self.problems.append(f"the fault {fault.name} struck {self._strikes} times, not {fault.times or 1}")
        if fault is not None and fault.times is None:
            return  # nobody gets through
        for route in self.script.routes.values():
            if left := route.left():
                self.problems.append(f"{route.name}: {left} of {len(route.turns)} answers were not used")

    def _problem(self, exchange: Exchange, text: str) -> None:
        exchange.ended = exchange.ended or "did not fit"
        self.problems.append(self.journal.masked(f"#{exchange.number} {exchange.method} {exchange.path}: {text}"))

    def _report(self) -> str:
        problems = "".join(f"\n- {problem}" for problem in self.problems)
        return f"{len(self.problems)} things did not fit the script:{problems}\n{self.journal}"

    def _now(self) -> float:
        return monotonic() - self._began_at

    async def _end_exchanges(self) -> None:
        await self.stop_listening()
        tasks = dict(self._open)
        for exchange, over in tasks.values():
            if exchange.fault is not None:
                over.set()
        if tasks:
            await asyncio.wait(tasks, timeout=GRACE_SECONDS)
        for task, (exchange, _) in tasks.items():
            if not task.done():
                self._problem(exchange, "the client has left it open")
        await cancel_and_wait(*tasks)


async def _say(answer: Answer, outlet: BodyOutlet, response: web.StreamResponse) -> None:
    for part in answer.parts:
        if isinstance(part, Pause):
            await outlet.wait(part.seconds)
        else:
            await outlet.send(part)
    if answer.tail:
        await response.write(answer.tail)
    await outlet.finish()


def _listener(port: int) -> socket.socket:
    import socket

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    return listener
