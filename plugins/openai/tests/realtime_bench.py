"""What tests of speech-to-speech sessions share: a session whose server is in memory, so that no time passes for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

from aiohttp import WSMsgType
from realtime_fake import World

from lk_agents.foundation.errors import APIError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.llm import ChatContext, FunctionContext
from lk_agents.testing.conformance.realtime_cases import Watch
from lk_agents.testing.providers.speech import Heard, voice
from lk_agents.testing.vendor.peer import PeerGoneError
from lk_agents.utils.aio.tasks import cancel_and_wait
from lk_agents_openai.realtime import RealtimeSession, RealtimeSessionOptions, ServerVadOptions
from lk_agents_openai.realtime.options import SessionRules

CALLER = (Heard("hello there", 0.2, 0.8),)
RATE = 24_000
LABEL = "the model"


@dataclass
class Frame:
    """A message as a client receives it."""

    type: WSMsgType
    data: Any = None
    extra: str | None = None


class MemorySocket:
    """Both ends of a socket: what the session uses of it, and what the scripted server does."""

    def __init__(self, headers: Mapping[str, str] | None = None) -> None:
        self.exchange = SimpleNamespace(headers=headers or {})
        self.sent: list[dict[str, Any]] = []
        """What the session has sent."""
        self.close_code: int | None = None
        self._to_server: asyncio.Queue[str | None] = asyncio.Queue()
        self._to_client: asyncio.Queue[Frame] = asyncio.Queue()
        self.is_gone = False
        self.takes = asyncio.Event()
        """Cleared, it takes nothing."""
        self.takes.set()

    # --- the session's end
    async def send_str(self, data: str) -> None:
        await self.takes.wait()
        if self.is_gone:
            raise ConnectionResetError("the socket is closing")
        self.sent.append(json.loads(data))
        self._to_server.put_nowait(data)

    async def receive(self) -> Frame:
        return await self._to_client.get()

    async def close(self, code: int = 0, reason: str = "") -> bool:
        if code:  # it is the server's end
            self.lose(code, reason)
        self.is_gone = True
        self._to_server.put_nowait(None)
        return True

    # --- the server's end
    async def send(self, message: Mapping[str, Any] | str) -> None:
        if self.is_gone:
            raise PeerGoneError("the client has gone")
        self.say(message)

    def say(self, message: Mapping[str, Any] | str) -> None:
        """Send a message, whether anybody is there or not."""
        text = message if isinstance(message, str) else json.dumps(message)
        self._to_client.put_nowait(Frame(WSMsgType.TEXT, text))

    def lose(self, code: int = 1006, reason: str = "") -> None:
        """Let the connection be over."""
        self.close_code, self.is_gone = code, True
        self._to_client.put_nowait(Frame(WSMsgType.CLOSE, code, reason))
        self._to_server.put_nowait(None)

    def __aiter__(self) -> MemorySocket:
        return self

    async def __anext__(self) -> str:
        text = await self._to_server.get()
        if text is None:
            raise StopAsyncIteration
        return text


@dataclass
class Vendor:
    """A scripted server in memory, and all that has connected to it.

    :param refusals: errors of the next connections.
    :param asked_in_beta: whether it is spoken with in the older dialect, whether it speaks that or not.
    """

    world: World = field(default_factory=World)
    refusals: list[APIError] = field(default_factory=list)
    connect_seconds: float = 0.0
    asked_in_beta: bool = False
    sockets: list[MemorySocket] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def connect(self) -> Any:
        await asyncio.sleep(self.connect_seconds)
        if self.refusals:
            raise self.refusals.pop(0)
        socket = MemorySocket({"openai-beta": "realtime=v1"} if self.is_older else {})
        self.sockets.append(socket)
        self.tasks.append(asyncio.get_running_loop().create_task(self.world.talk(socket)))  # type: ignore[arg-type]
        return socket

    @property
    def is_older(self) -> bool:
        """Whether it is spoken with in the older dialect."""
        return self.world.beta or self.asked_in_beta

    @property
    def socket(self) -> MemorySocket:
        """The newest connection."""
        return self.sockets[-1]

    def sent(self, kind: str) -> list[dict[str, Any]]:
        """Return what the session has sent of one type, on all connections."""
        return [each for socket in self.sockets for each in socket.sent if each["type"] == kind]

    async def aclose(self) -> None:
        """End the servers; what they have found wrong is raised."""
        for socket in self.sockets:
            socket.lose()
        await asyncio.sleep(0)
        self.check()
        await cancel_and_wait(*self.tasks)

    def check(self) -> None:
        """Raise what the servers have found wrong."""
        for task in self.tasks:
            if not task.done() or task.cancelled():
                continue
            if (error := task.exception()) is not None and not isinstance(error, PeerGoneError):
                raise error


@dataclass
class Desk:
    """One session, what it tells, and its server."""

    session: RealtimeSession
    watch: Watch
    vendor: Vendor

    @property
    def world(self) -> World:
        return self.vendor.world

    async def say(self, caller: Sequence[Heard] = CALLER, seconds: float = 2.0) -> None:
        """Let the user speak; in the time of the clock."""
        for frame in voice(caller, seconds, sample_rate=RATE):
            self.session._push_audio(frame)
            await asyncio.sleep(frame.duration)

    async def answered(self, count: int = 1) -> None:
        """Wait until so many responses are over, and their streams."""
        await self.watch.until("response_done", count)
        await self.watch.until_true(lambda: all(part.ended for part in self.watch.parts))

    def spoken(self) -> list[str]:
        """Return what the model has said."""
        return [part.text for part in self.watch.parts]

    def conversation(self) -> list[tuple[str, Any]]:
        """Return what the session knows of the conversation."""
        return [(each.role, each.content) for each in self.session.chat_ctx_copy().messages]


OPTIONS = RealtimeSessionOptions(model="gpt-realtime", turn_detection=None)
VAD = replace(OPTIONS, turn_detection=ServerVadOptions())
RULES = SessionRules(conn_options=APIConnectOptions(max_retry=2, retry_interval=0.5, timeout=5.0))


def begun(
    vendor: Vendor,
    opts: RealtimeSessionOptions = OPTIONS,
    *,
    chat_ctx: ChatContext | None = None,
    functions: FunctionContext | None = None,
    rules: SessionRules = RULES,
) -> RealtimeSession:
    """Return a session that has just begun to connect."""
    return RealtimeSession(
        opts=opts,
        rules=replace(rules, dialect="beta" if vendor.is_older else "ga"),
        connect=vendor.connect,
        chat_ctx=chat_ctx or ChatContext(),
        fnc_ctx=functions,
        label=LABEL,
    )


@asynccontextmanager
async def held(
    world: World | None = None,
    opts: RealtimeSessionOptions = OPTIONS,
    *,
    connected: bool = True,
    vendor: Vendor | None = None,
    seconds: float = 60.0,
    **about: Any,
) -> AsyncIterator[Desk]:
    """Hold a session with a scripted server.

    :param seconds: how long it may take: there are always timers, so a virtual clock would let it wait for ever.
    """
    vendor = vendor or Vendor(world or World())
    session = begun(vendor, opts, **about)
    watch = Watch(session)
    try:
        async with asyncio.timeout(seconds):
            if connected:
                await session._init_sync_task
            yield Desk(session, watch, vendor)
            await session.aclose()
            await vendor.aclose()
    except TimeoutError:
        vendor.check()  # which says why it did not go on
        raise
    finally:
        await session.aclose()
        await watch.aclose()
        await cancel_and_wait(*vendor.tasks)
