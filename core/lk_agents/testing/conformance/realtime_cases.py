"""What is asked in the checks of speech-to-speech models, and what they look at."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, get_args

from lk_agents.llm import ChatContext, ChatMessage, FunctionContext, TypeInfo, ai_callable
from lk_agents.realtime.model import EventTypes, RealtimeContent, RealtimeModel, RealtimeSession
from lk_agents.testing.conformance.case import Case, Trouble
from lk_agents.testing.conformance.frame import Conformance, opened, skip_unless
from lk_agents.testing.providers.realtime import RealtimeAnswer
from lk_agents.testing.providers.speech import Heard, voice
from lk_agents.utils.aio.tasks import cancel_and_wait

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.testing.providers.script import Break
    from lk_agents.testing.vendor import Fault

__all__ = [
    "ANSWER",
    "CALLER",
    "SECOND",
    "SLOW",
    "Part",
    "RealtimeCase",
    "RealtimeKit",
    "Tools",
    "Watch",
    "beginning",
    "conversation_of",
    "texts_of",
]

ANSWER: Final = RealtimeAnswer(text="Good day to you.")
SECOND: Final = RealtimeAnswer(text="Is there anything else?")
SLOW: Final = RealtimeAnswer(text="One two three four five six seven.", pace=4.0)
"""Takes half a second to come."""
CALLER: Final = (Heard("hello there", 0.2, 0.8),)
AFTERWARDS_SECONDS: Final = 0.2
"""How long it is looked for what must not happen."""


class Tools(FunctionContext):
    """The functions that the model may call in checks; each call is recorded."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    @ai_callable(description="Tells the weather.")
    async def get_weather(self, city: Annotated[str, TypeInfo(description="where")]) -> str:
        """Tell the weather of a city."""
        self.asked.append(city)
        return f"sunny in {city}"

    @ai_callable(description="Counts.")
    async def count(self) -> dict[str, int]:
        """Return what is no text."""
        self.asked.append("count")
        return {"found": 2}

    @ai_callable(description="Remembers.")
    async def remember(self) -> None:
        """Return nothing."""
        self.asked.append("remember")

    @ai_callable(description="Fails.")
    async def fail(self) -> str:
        """Fail."""
        self.asked.append("fail")
        raise RuntimeError("the service is down")


class RealtimeCase(Case):
    """What a model is to answer in one check.

    :param answers: its responses, in their order; the last one is the answer to all further ones.
    :param caller: what the user says: tones of ``voice()``, which an ``Ear`` knows.
    :param server_vad: whether its server is to hear when the user's turn has ended, and to answer then.
    """

    def __init__(
        self, answers: Sequence[RealtimeAnswer], caller: Sequence[Heard], *, server_vad: bool, **case: Any
    ) -> None:
        super().__init__(socket=True, **case)
        self.answers = tuple(answers)
        self.caller = tuple(caller)
        self.server_vad = server_vad
        self._truncated: Callable[[], Sequence[tuple[str, int]]] | None = None
        self._functions: Callable[[], Sequence[Sequence[str]]] | None = None

    def answer(self, number: int) -> RealtimeAnswer:
        """Return the answer of the response with that number, from 0 on."""
        return self.answers[min(number, len(self.answers) - 1)]

    def breaks(self) -> list[Break]:
        """Return the trouble for a :class:`~lk_agents.testing.providers.ScriptedRealtime`."""
        return [] if self.trouble is None else [self.trouble.as_break(min(self.trouble.after, 1))]

    def watch_server(
        self,
        *,
        truncated: Callable[[], Sequence[tuple[str, int]]] | None = None,
        functions: Callable[[], Sequence[Sequence[str]]] | None = None,
    ) -> None:
        """Let checks see what reached the server; those that need what is not told are skipped.

        :param truncated: returns each item that was cut, and behind which millisecond.
        :param functions: returns the names of the functions that the server was told of, each time.
        """
        self._truncated = truncated or self._truncated
        self._functions = functions or self._functions

    def truncated(self) -> Sequence[tuple[str, int]]:
        """Return what was cut. Skips the check if nobody tells."""
        skip_unless(self._truncated, "the model does not tell what is cut: case.watch_server(truncated=…)")
        assert self._truncated is not None
        return self._truncated()

    def functions(self) -> Sequence[Sequence[str]]:
        """Return which functions the server knew, each time. Skips the check if nobody tells."""
        skip_unless(self._functions, "the model does not tell of its functions: case.watch_server(functions=…)")
        assert self._functions is not None
        return self._functions()


@dataclass(eq=False)
class Part:
    """A part of a response, as it was given."""

    content: RealtimeContent
    text: str = ""
    frames: list[rtc.AudioFrame] = field(default_factory=list)
    ended: bool = False
    """Whether both of its streams have ended."""


class Watch:
    """Everything that a session tells, and all that its streams give."""

    def __init__(self, session: RealtimeSession) -> None:
        self.session = session
        self.log: list[tuple[str, Any]] = []
        self.parts: list[Part] = []
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        for event in get_args(EventTypes):
            session.on(event, self._note(event))

    def told(self, event: str) -> list[Any]:
        """Return what came with an event, each time."""
        return [told for name, told in self.log if name == event]

    def names(self, *events: str) -> list[str]:
        """Return which of these events have come, in their order."""
        return [name for name, _ in self.log if name in events]

    async def until(self, event: str, count: int = 1) -> Any:
        """Wait until an event has come so often; returns what came with the last one."""
        await self.until_true(lambda: len(self.told(event)) >= count)
        return self.told(event)[count - 1]

    async def until_true(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so, as far as the session's events and streams show it."""
        while not condition():
            self._news.clear()
            await self._news.wait()

    async def afterwards(self) -> None:
        """Wait for what should not come."""
        await asyncio.sleep(AFTERWARDS_SECONDS)

    async def aclose(self) -> None:
        """Read no more."""
        await cancel_and_wait(*self._tasks)

    def _note(self, event: str) -> Callable[..., None]:
        def note(*told: Any) -> None:
            self.log.append((event, told[0] if told else None))
            if event == "response_content_added":
                part = Part(told[0])
                self.parts.append(part)
                self._tasks.append(asyncio.get_running_loop().create_task(self._read(part), name="lk-kit-part"))
            self._news.set()

        return note

    async def _read(self, part: Part) -> None:
        async for piece in part.content.text_stream:
            part.text += piece
            self._news.set()
        async for frame in part.content.audio_stream:
            part.frames.append(frame)
            self._news.set()
        part.ended = True
        self._news.set()


class RealtimeKit(Conformance):
    """What an author says of a speech-to-speech model, and what the checks of it share."""

    calls_functions: ClassVar[bool] = True
    """Whether the model can call functions."""
    writes_text: ClassVar[bool] = True
    """Whether the model may answer in text, and can be brought back from that."""
    transcribes: ClassVar[bool] = True
    """Whether the session tells what the user has said."""
    messages_before_audio: ClassVar[int] = 1
    """How many messages its server sends before the first audio of the first response."""

    def provider(self, case: RealtimeCase) -> AbstractAsyncContextManager[RealtimeModel]:
        """Return what gives the model of one check, and closes it behind that.

        Write it as an asynchronous generator under ``@asynccontextmanager``. The vendor's server is run by
        ``case.serve(script)``; a model without one plays ``case.trouble`` itself. The model should be impatient:
        ``attempt_seconds`` says how long a check waits that is about a silent server.
        """
        raise NotImplementedError

    # --- what checks use -------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _given(
        self,
        *answers: RealtimeAnswer,
        caller: Sequence[Heard] = CALLER,
        server_vad: bool = False,
        trouble: Trouble | None = None,
        fault: Fault | None = None,
    ) -> AsyncIterator[tuple[RealtimeModel, RealtimeCase]]:
        case = RealtimeCase(answers or (ANSWER,), caller, server_vad=server_vad, trouble=trouble, fault=fault)
        async with opened(self.provider(case)) as model:
            yield model, case

    @asynccontextmanager
    async def _session(
        self,
        model: RealtimeModel,
        *,
        chat_ctx: ChatContext | None = None,
        functions: FunctionContext | None = None,
        begun: bool = True,
    ) -> AsyncIterator[Watch]:
        """Give a session that has begun, and what it tells; it is closed behind that."""
        session = model.session(chat_ctx=chat_ctx, fnc_ctx=functions)
        session.playout_complete = asyncio.Event()
        session.playout_complete.set()
        watch = Watch(session)
        try:
            if begun:
                await session._init_sync_task  # noqa: SLF001  the protocol's
            yield watch
        finally:
            await session.aclose()
            await beginning(session)
            await watch.aclose()

    async def _speak(self, watch: Watch, model: RealtimeModel, *, seconds: float = 2.0) -> None:
        """Let the user say what the caller's script says, and be silent."""
        rate = model.capabilities.input_audio_sample_rate or 24_000
        for frame in voice(CALLER, seconds, sample_rate=rate, frame_seconds=0.05):
            watch.session._push_audio(frame)  # noqa: SLF001  the protocol's
            await asyncio.sleep(0)


async def beginning(session: RealtimeSession) -> BaseException | None:
    """Wait until it is known whether a session has begun; returns the error if it has not."""
    task = session._init_sync_task  # noqa: SLF001  the protocol's
    await asyncio.wait([task])
    return None if task.cancelled() else task.exception()


def conversation_of(session: RealtimeSession) -> list[tuple[str, str | None, Any]]:
    """Return the conversation: of each message the role, the id and the content."""
    return [(each.role, each.id, each.content) for each in session.chat_ctx_copy().messages]


def texts_of(session: RealtimeSession, *roles: str) -> list[Any]:
    """Return what was said, by these roles or by all."""
    messages: list[ChatMessage] = session.chat_ctx_copy().messages
    return [each.content for each in messages if not roles or each.role in roles]
