"""What an agent needs of a model: the least, for models that are not made with ``lk_agents.realtime``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import asyncio

    from livekit import rtc

    from lk_agents.llm import ChatContext, FunctionContext
    from lk_agents.realtime.model import OnDuplicate

__all__ = ["_RealtimeAPI", "_RealtimeAPISession"]


class _Capabilities(Protocol):
    @property
    def supports_truncate(self) -> bool:
        """Whether the server keeps items that can be cut and rewritten."""

    @property
    def input_audio_sample_rate(self) -> int | None:
        """Hz of the audio that it takes; None for 24,000."""


class _RealtimeAPI(Protocol):
    """A model; :class:`~lk_agents.realtime.RealtimeModel` is one.

    It may have a ``label``, and its capabilities an ``output_audio_sample_rate`` (else 24,000 Hz).
    """

    @property
    def capabilities(self) -> _Capabilities:
        """What it can do."""

    def session(
        self, *, chat_ctx: ChatContext | None = None, fnc_ctx: FunctionContext | None = None
    ) -> _RealtimeAPISession:
        """Begin a conversation."""


class _RealtimeAPISession(Protocol):
    """One conversation; :class:`~lk_agents.realtime.RealtimeSession` is one, and says what each of these does.

    It may have ``creates_responses`` (else ``server_vad_enabled`` tells), and ``aclose()``, which ends it.
    """

    playout_complete: asyncio.Event | None
    _init_sync_task: asyncio.Task[None]
    fnc_ctx: FunctionContext | None

    @property
    def server_vad_enabled(self) -> bool: ...

    def on(self, event: Any, callback: Callable[..., Any]) -> Any: ...

    async def set_chat_ctx(self, ctx: ChatContext) -> None: ...

    def chat_ctx_copy(self) -> ChatContext: ...

    def _push_audio(self, frame: rtc.AudioFrame) -> None: ...

    def commit_audio_buffer(self) -> None: ...

    def create_response(self, on_duplicate: OnDuplicate = "keep_both") -> None: ...

    def cancel_response(self) -> None: ...

    def _truncate_conversation_item(self, *, item_id: str, content_index: int, audio_end_ms: int) -> None: ...

    def _update_conversation_item_content(self, *, item_id: str, content: Any = None) -> None: ...

    def _recover_from_text_response(self, item_id: str) -> None: ...
