"""What the parts of one conversation share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from lk_agents.utils.tracing import NO_SPAN, Span

if TYPE_CHECKING:
    from lk_agents.llm import ChatContext, FunctionContext
    from lk_agents.media.session_io import SessionIO
    from lk_agents.voice.session_options import Providers, SessionOptions
    from lk_agents.voice.signals import Input

__all__ = ["Conversation", "ErrorStage", "SessionError", "current_speech", "within_speech"]

ErrorStage: TypeAlias = Literal["vad", "stt", "llm", "tts", "playout", "callback"]

_speech: ContextVar[tuple[Conversation, str] | None] = ContextVar("lk_agents_speech", default=None)


@dataclass(frozen=True)
class SessionError:
    """Something failed for good; the conversation goes on without it.

    :param stage: what has failed.
    :param error: how.
    :param speech: the id of the speech that it was for; None where it concerns all.
    """

    stage: ErrorStage
    error: Exception
    speech: str | None = None


@dataclass(slots=True)
class Conversation:
    """The parts of one conversation, and the context that they write.

    :param agent: whom programs know; handed to their callbacks.
    :param emit: emits an event of the agent; a failing listener is logged there and stops nothing here.
    :param post: tells the turn machine.
    """

    agent: Any
    providers: Providers
    options: SessionOptions
    chat_ctx: ChatContext
    fnc_ctx: FunctionContext | None
    io: SessionIO
    emit: Callable[..., None]
    post: Callable[[Input], None]


@contextmanager
def within_speech(conversation: Conversation, speech: str, span: Span = NO_SPAN) -> Iterator[None]:
    """Let what begins in the block, streams of providers above all, belong to a speech, and to the span of its turn."""
    token = _speech.set((conversation, speech))
    try:
        with span.active():
            yield
    finally:
        _speech.reset(token)


def current_speech(conversation: Conversation) -> str | None:
    """Return the id of the speech to which this belongs; None if to none, or to one of another conversation."""
    found = _speech.get()
    return found[1] if found is not None and found[0] is conversation else None
