"""Conversations of real speech with an agent on a real server, and what is known of them when they are over."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from benchmarks.frameworks import OURS
from benchmarks.ground import Ground
from benchmarks.server_log import JobEnd, ServerLog
from benchmarks.talk.callers import tokens
from benchmarks.talk.proof import Conversation
from benchmarks.talk.sound import RATE, phrases
from benchmarks.waiting import comes_true
from benchmarks.worker import BenchWorker
from tests.e2e.journal import SOON
from tests.e2e.talkers import Talkers

from lk_agents_server import LiveKitServer, ServerOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Call", "Held", "Site", "hold"]

TALKING: Final = replace(
    OURS,
    program=Path(__file__).with_name("talking.py"),
    interpreter=Path(sys.executable),
    worker_settings={},
)
STAYS: Final = ServerOptions(departure_timeout=60)
"""Rooms stay when everybody has left: that a job ends then is the agent's doing, not the server's."""
HANGS_UP: Final = json.dumps({"end_policy": "linked_leaves"})
STUMBLE_SECONDS: Final = 0.5
ATTEMPTS: Final = 3
TURN_SECONDS: Final = 40.0
"""Nobody needs longer for one, whatever the agent does."""


class Site:
    """A server of its own, a worker with the agent that talks, and people who come to talk. Use :meth:`open`."""

    def __init__(self, ground: Ground, worker: BenchWorker, talkers: Talkers) -> None:
        self.ground, self.worker, self.talkers = ground, worker, talkers

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Self]:
        """Have everything there while the block lasts."""
        async with AsyncExitStack() as stack:
            log = ServerLog()
            server = await stack.enter_async_context(LiveKitServer(STAYS, on_log=log.note))
            ground = await stack.enter_async_context(Ground.at(server, log))
            worker = await stack.enter_async_context(BenchWorker.running(TALKING, ground, warm=1))
            await worker.wait_registered()
            await worker.wait_warm(1)
            yield cls(ground, worker, await stack.enter_async_context(Talkers.ready()))

    async def call(self, metadata: str = "") -> str:
        """Have the agent come to a new room, whose name is returned when it is there.

        :param metadata: the options of the agent, as JSON.
        """
        (room,) = await self.ground.make_rooms(1)
        await self.ground.dispatch(self.worker.agent, room, metadata)
        journal = self.worker.journal
        await journal.until(lambda: bool(journal.of("connected", room=room)), what="an agent in its room", seconds=SOON)
        return room

    async def join(self, room: str, identity: str = "caller") -> str:
        """Have somebody join, and return by which name orders reach them."""
        name = f"{identity} in {room}"
        (token,) = tokens(self.ground, [room], identity)
        await self.talkers.do(name, "join", self.ground.server.url, token, seconds=SOON * 2)
        return name

    async def job_end(self, room: str) -> JobEnd:
        """Wait until the server notes the end of the room's job, and return it."""
        (entered,) = self.worker.journal.of("entered", room=room)
        job: str = entered.fields["job"]
        assert await comes_true(lambda: self.ground.log.end(job) is not None, SOON), f"the job in {room} did not end"
        end = self.ground.log.end(job)
        assert end is not None
        return end

    async def history(self, room: str) -> dict[str, Any]:
        """Return what the agent of the room tells when its job ends."""
        journal = self.worker.journal
        await journal.until(lambda: bool(journal.of("history", room=room)), what="the agent's account", seconds=SOON)
        (told,) = journal.of("history", room=room)
        return told.fields


@dataclass(frozen=True, kw_only=True)
class Call:
    """One conversation that is over.

    :param interruptions: for each phrase, whether it interrupted the answer to the one before.
    :param phrase_seconds: how long each phrase was.
    :param talk: what the caller said and heard.
    :param messages: the conversation as the agent had it, each with its role.
    :param outcomes: how the agent's turns ended.
    :param problems: what the agent told of errors and dead air.
    :param states: what the agent was shown to do, one after the other.
    :param shown: the transcripts in the room: who said it, what, and whether that was final.
    :param end: of the job, as the server noted it.
    :param reason: of the job's end, as the agent was told.
    """

    interruptions: Sequence[bool]
    phrase_seconds: Sequence[float]
    talk: Conversation
    messages: Sequence[tuple[str, str]]
    outcomes: Sequence[str]
    problems: Sequence[str]
    states: Sequence[str]
    shown: Sequence[dict[str, Any]]
    end: JobEnd
    reason: str

    @property
    def cut(self) -> list[bool]:
        """For each answer, whether it was interrupted."""
        return [*self.interruptions[1:], False]

    def texts(self, role: str) -> list[str]:
        """Return what one side said, as the agent remembers it."""
        return [text for who, text in self.messages if who == role]

    def transcript(self, identity: str) -> str:
        """Return what was shown in the room of what somebody said, as one text."""
        return " ".join(each["text"] for each in self.shown if each["who"] == identity)

    @property
    def agent(self) -> str:
        """The agent's identity."""
        (identity,) = {str(each["who"]) for each in self.shown} - {"caller"}
        return identity

    def answered(self) -> list[int]:
        """Return the numbers of the answers, as the agent remembers them."""
        return [int(number) for text in self.texts("assistant") for number in re.findall(r"answer (\d+)", text)[:1]]


@dataclass(frozen=True, kw_only=True)
class Held:
    """Conversations that were held at once.

    :param exit_status: of the worker, when it was asked to end.
    :param left: its processes that were there after that.
    """

    calls: Sequence[Call]
    exit_status: int | None
    left: Sequence[int]


async def hold(count: int, interruptions: Sequence[bool]) -> Held:
    """Hold conversations at once, each in a room of its own, until everybody hangs up and the worker is ended.

    A caller whose microphone stumbled, on a machine with too much to do, has not said what was planned, and shows
    nothing: then they are held again.

    :param interruptions: for each phrase of a conversation, whether it interrupts the answer to the one before.
    """
    for _ in range(ATTEMPTS - 1):
        held = await _hold(count, interruptions)
        if max(call.talk.late for call in held.calls) <= STUMBLE_SECONDS:
            return held
    return await _hold(count, interruptions)


async def _hold(count: int, interruptions: Sequence[bool]) -> Held:
    async with Site.open() as site:
        rooms = [await site.call(HANGS_UP) for _ in range(count)]
        names = [await site.join(room) for room in rooms]
        seconds = TURN_SECONDS * len(interruptions)
        talking = [
            site.talkers.do(name, "converse", list(interruptions), number, seconds=seconds)
            for number, name in enumerate(names)
        ]
        talks = [Conversation.of(room, told) for room, told in zip(rooms, await asyncio.gather(*talking), strict=True)]
        seen = await site.talkers.do_all(names, "seen")
        await site.talkers.do_all(names, "leave")
        ends = [await site.job_end(room) for room in rooms]
        site.worker.send(signal.SIGTERM)
        status = await site.worker.exit_status(SOON)
        calls = [
            _call(number, interruptions, talk, await site.history(room), saw, end)
            for number, (room, talk, saw, end) in enumerate(zip(rooms, talks, seen, ends, strict=True))
        ]
        return Held(calls=calls, exit_status=status, left=site.worker.family.pids())


def _call(
    number: int,
    interruptions: Sequence[bool],
    talk: Conversation,
    history: dict[str, Any],
    seen: dict[str, Any],
    end: JobEnd,
) -> Call:
    lengths = [len(each.samples) / RATE for each in phrases()]
    return Call(
        interruptions=interruptions,
        phrase_seconds=[lengths[(number + index) % len(lengths)] for index in range(len(interruptions))],
        talk=talk,
        messages=[(role, text) for role, text in history["messages"]],
        outcomes=history["outcomes"],
        problems=history["problems"],
        states=seen["states"],
        shown=seen["shown"],
        end=end,
        reason=history["reason"],
    )
