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

__all__ = ["RealtimeCapabilities", "RealtimeContent", "RealtimeModel", "RealtimeSession", "RealtimeTranscription"]

OnDuplicate = Literal["cancel_existing", "cancel_new", "keep_both"]
"""What becomes of a response that is asked for while another is under way."""

EventTypes = Literal[
    "response_content_added",
    "response_content_done",
    "input_speech_started",
    "input_speech_stopped",
    "input_speech_committed",
    "input_speech_transcription_completed",
    "agent_speech_transcription_completed",
    "agent_speech_stopped",
    "function_calls_collected",
    "function_calls_finished",
    "function_calls_cancelled",
    "metrics_collected",
    "error",
]
"""What a session may emit."""


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


@dataclass(frozen=True)
class RealtimeTranscription:
    """What was understood of one item.

    :param item_id: the item.
    :param transcript: its text.
    """

    item_id: str
    transcript: str


class RealtimeSession(ABC, EventEmitter[Any]):
    """One conversation with a model; made by :meth:`RealtimeModel.session`, which begins to connect.

    Emits what :data:`EventTypes` lists. Audio, text and calls arrive as events; commands return at once, except where
    they are asynchronous.
    """

    playout_complete: asyncio.Event | None = None
    """Cleared by the agent while audio plays; tools that must not talk over it wait for it."""
    _init_sync_task: asyncio.Task[None]
    """Ends when the first context is at the server; carries the error if it could not be brought there."""

    @property
    @abstractmethod
    def fnc_ctx(self) -> FunctionContext | None:
        """The functions that the model may call; may be set."""

    @property
    @abstractmethod
    def server_vad_enabled(self) -> bool:
        """Whether the server decides when the user's turn has ended."""

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
