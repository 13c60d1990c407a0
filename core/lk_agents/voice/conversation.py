"""What the parts of one conversation share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from lk_agents.utils.tracing import NO_SPAN, Span

if TYPE_CHECKING:
    from lk_agents.llm import ChatContext, FunctionContext
    from lk_agents.media.session_io import SessionIO
    from lk_agents.tts import TTS
    from lk_agents.voice.session_options import Providers, SessionOptions
    from lk_agents.voice.signals import Input

__all__ = ["ENDED", "Conversation", "ErrorStage", "SessionError", "Talk", "current_speech", "within_speech"]

ErrorStage: TypeAlias = Literal["vad", "stt", "llm", "tts", "playout", "callback", "realtime"]
ENDED: Final = "the conversation has ended: nothing more can be said in it"
"""What whoever wants to say something is told then."""

_speech: ContextVar[tuple[Talk, str] | None] = ContextVar("lk_agents_speech", default=None)


@dataclass(frozen=True)
class SessionError:
    """Something failed for good; the conversation goes on without it.

    :param stage: what has failed; ``"callback"`` is ``before_llm_cb`` or ``before_tts_cb``.
    :param error: how.
    :param speech: the id of the speech that it was for; None where it concerns all.
    """

    stage: ErrorStage
    error: Exception
    speech: str | None = None


@dataclass(slots=True)
class Talk:
    """What every conversation has, whoever finds the agent's words.

    :param agent: whom programs know; handed to their callbacks.
    :param emit: emits an event of the agent; a failing listener is logged there and stops nothing here.
    :param post: tells the turn machine.
    """

    agent: Any
    options: SessionOptions
    io: SessionIO
    emit: Callable[..., None]
    post: Callable[[Input], None]

    @property
    def tts(self) -> TTS[Any] | None:
        """What speaks texts; None where only audio is spoken."""
        return None


@dataclass(slots=True)
class Conversation(Talk):
    """The parts of one conversation with a provider for each, and the context that they write."""

    providers: Providers
    chat_ctx: ChatContext
    fnc_ctx: FunctionContext | None

    @property
    def tts(self) -> TTS[Any]:
        """What speaks texts."""
        return self.providers.tts


@contextmanager
def within_speech(conversation: Talk, speech: str, span: Span = NO_SPAN) -> Iterator[None]:
    """Let what begins in the block, streams of providers above all, belong to a speech, and to the span of its turn."""
    token = _speech.set((conversation, speech))
    try:
        with span.active():
            yield
    finally:
        _speech.reset(token)


def current_speech(conversation: Talk) -> str | None:
    """Return the id of the speech to which this belongs; None if to none, or to one of another conversation."""
    found = _speech.get()
    return found[1] if found is not None and found[0] is conversation else None
