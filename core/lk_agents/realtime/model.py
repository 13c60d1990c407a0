"""The interface of speech-to-speech models: audio in and out over one session that holds the conversation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from lk_agents.utils.events import EventEmitter

if TYPE_CHECKING:
    import asyncio

    from livekit import rtc

    from lk_agents.llm import ChatContext, FunctionContext

__all__ = [
    "EventTypes",
    "OnDuplicate",
    "RealtimeCapabilities",
    "RealtimeContent",
    "RealtimeModel",
    "RealtimeResponse",
    "RealtimeSession",
    "RealtimeTranscription",
    "RealtimeTranscriptionFailed",
]

OnDuplicate = Literal["cancel_existing", "cancel_new", "keep_both"]
"""What becomes of a response that is asked for while another is under way."""

EventTypes = Literal[
    "input_speech_started",
    "input_speech_stopped",
    "input_speech_committed",
    "input_speech_transcription_completed",
    "input_speech_transcription_failed",
    "response_created",
    "response_content_added",
    "response_content_done",
    "response_done",
    "agent_speech_transcription_completed",
    "agent_speech_stopped",
    "function_calls_collected",
    "function_calls_finished",
    "function_calls_cancelled",
    "metrics_collected",
    "reconnecting",
    "reconnected",
    "error",
    "closed",
]
"""What a session may emit; see :class:`RealtimeSession`."""


@dataclass(frozen=True, kw_only=True)
class RealtimeCapabilities:
    """What a model can do.

    :param supports_truncate: the server keeps a list of items that can be cut and rewritten.
    :param input_audio_sample_rate: Hz of the audio it takes; None for 24,000.
    :param output_audio_sample_rate: Hz of the audio it gives.
    """

    supports_truncate: bool
    input_audio_sample_rate: int | None = None
    output_audio_sample_rate: int = 24_000


class RealtimeContent(Protocol):
    """One part of a response, while it comes."""

    response_id: str
    item_id: str
    output_index: int
    content_index: int
    text: str
    content_type: Literal["text", "audio"]

    @property
    def text_stream(self) -> AsyncIterable[str]:
        """The text, piece by piece; ends with the part."""

    @property
    def audio_stream(self) -> AsyncIterable[rtc.AudioFrame]:
        """The audio, at the model's output rate, mono; ends with the part."""


class RealtimeResponse(Protocol):
    """A response, as far as an agent has to know it."""

    id: str
    status: str
    """Once it is done: ``"completed"``, ``"cancelled"``, ``"failed"`` or ``"incomplete"``."""


@dataclass(frozen=True)
class RealtimeTranscription:
    """What was understood of one item.

    :param item_id: the item.
    :param transcript: its text.
    """

    item_id: str
    transcript: str


@dataclass(frozen=True)
class RealtimeTranscriptionFailed:
    """Why nothing was understood of one item.

    :param item_id: the item.
    :param message: what the service says.
    """

    item_id: str
    message: str


class RealtimeSession(ABC, EventEmitter[Any]):
    """One conversation with a model; made by :meth:`RealtimeModel.session`, which begins to connect.

    Audio, text and calls arrive as events; commands return at once, except where they are asynchronous. Everything
    happens in one event loop. Commands to a session that is not connected, yet or at present, wait in their order.
    Audio does not come in the meantime: an agent gives it from the end of the first synchronisation on, and not between
    ``reconnecting`` and ``reconnected``; it keeps what is said then, and gives again what the user had begun
    to say before. The kit for sessions is ``lk_agents.testing.conformance.realtime``.

    It emits, with what is in parentheses:

    - Of the user, where the server hears when somebody speaks: ``input_speech_started``; ``input_speech_stopped``
      (position of the last sample of speech in the audio that the session was given, in seconds; may be left out);
      ``input_speech_committed`` when what was said has become an item. Then, of that item, either
      ``input_speech_transcription_completed`` (:class:`RealtimeTranscription`) or
      ``input_speech_transcription_failed`` (:class:`RealtimeTranscriptionFailed`).
    - Of a response, in this order: ``response_created`` (:class:`RealtimeResponse`); for each part
      ``response_content_added`` (:class:`RealtimeContent`), whose streams have begun by then, and
      ``response_content_done`` (the same object), whose streams have ended; ``response_done`` (the response). Behind
      :meth:`cancel_response`, and behind a cut of the connection, nothing of the responses of before is added, and the
      streams of their parts end. Sessions that do not know responses leave the first and the last one out.
    - Where the server does not keep items (``supports_truncate`` is False):
      ``agent_speech_transcription_completed`` (:class:`RealtimeTranscription`), and ``agent_speech_stopped`` when the
      user has interrupted.
    - Of functions, which the session calls itself: for each call ``function_calls_collected`` (a list with it), later
      ``function_calls_finished`` (a list with what came of it), whatever that is: the model gets an output for every
      call, also for one that failed or is unknown. Before it gives the model an output it waits for
      :attr:`playout_complete`, and asks for a response unless the function returned None.
      ``function_calls_cancelled`` (list of ids) for those that the server takes back.
    - ``metrics_collected`` (``MultimodalLLMMetrics``), one for each response, by ``metrics.publish``.
    - ``reconnecting`` (what has happened, an ``APIError``; None where the renewal was planned) and ``reconnected``: in
      between, the session brings its conversation to another connection. Responses of before are over; where one is
      still waited for, the agent asks again (:meth:`create_response`).
    - ``error`` (an ``APIError``, or a record with a ``message``): something failed, and the session goes on.
    - ``closed`` (an ``APIError``; None behind :meth:`aclose`), once: it does not go on.
    """

    playout_complete: asyncio.Event | None = None
    """Cleared by the agent while audio plays; tools that must not talk over it wait for it."""
    _init_sync_task: asyncio.Task[None]
    """Ends when the first context is at the server; carries the error if it could not be brought there."""

    @property
    @abstractmethod
    def fnc_ctx(self) -> FunctionContext | None:
        """The functions that the model may call. Setting it tells the server; it counts from the next response on."""

    @fnc_ctx.setter
    @abstractmethod
    def fnc_ctx(self, fnc_ctx: FunctionContext | None) -> None: ...

    @property
    @abstractmethod
    def server_vad_enabled(self) -> bool:
        """Whether the server decides when the user's turn has ended."""

    @property
    def creates_responses(self) -> bool:
        """Whether the server answers by itself when the user's turn has ended; by default where it decides that."""
        return self.server_vad_enabled

    @abstractmethod
    async def set_chat_ctx(self, ctx: ChatContext) -> None:
        """Make the server's conversation this one; returns when the server has confirmed every change.

        :raises APIError: it did not, in time or at all.
        """

    @abstractmethod
    def chat_ctx_copy(self) -> ChatContext:
        """Return the conversation as the server has it."""

    @abstractmethod
    def _push_audio(self, frame: rtc.AudioFrame) -> None:
        """Give the model audio: mono, 16 bit, at its input rate."""

    @abstractmethod
    def commit_audio_buffer(self) -> None:
        """End the user's turn where the server does not decide that."""

    @abstractmethod
    def create_response(self, on_duplicate: OnDuplicate = "keep_both") -> None:
        """Ask for a response."""

    @abstractmethod
    def cancel_response(self) -> None:
        """Stop the response under way; nothing if there is none."""

    def _truncate_conversation_item(self, *, item_id: str, content_index: int, audio_end_ms: int) -> None:
        """Cut the server's audio of an item where the user stopped hearing it."""

    def _update_conversation_item_content(self, *, item_id: str, content: Any = None) -> None:
        """Change the local copy of an item."""

    def _recover_from_text_response(self, item_id: str) -> None:
        """Bring the model back to speaking after it has answered in text."""

    @abstractmethod
    async def aclose(self) -> None:
        """End the session; any number of times."""


class RealtimeModel(ABC):
    """A speech-to-speech model."""

    @property
    @abstractmethod
    def capabilities(self) -> RealtimeCapabilities:
        """What it can do."""

    @property
    def label(self) -> str:
        """Its name in logs, errors and metrics."""
        return f"{type(self).__module__}.{type(self).__name__}"

    @abstractmethod
    def session(
        self, *, chat_ctx: ChatContext | None = None, fnc_ctx: FunctionContext | None = None
    ) -> RealtimeSession:
        """Begin a conversation: builds the session and starts to connect."""

    @abstractmethod
    async def aclose(self) -> None:
        """Close all sessions."""
