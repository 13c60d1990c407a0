"""What programs can tell a session beyond what agents need, under the names that they know."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lk_agents.foundation.errors import ConfigError
from lk_agents.llm.chat_context import ChatImage
from lk_agents_openai.realtime.session_format import output_modalities

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.llm.chat_context import ChatMessage
    from lk_agents.realtime.model import OnDuplicate
    from lk_agents_openai.realtime.api_proto import Modality
    from lk_agents_openai.realtime.session import RealtimeSession

__all__ = ["ConversationCommands", "InputAudioBuffer", "ItemCommands", "ResponseCommands"]


class InputAudioBuffer:
    """What the user has said and is no item yet: ``session.input_audio_buffer``."""

    def __init__(self, session: RealtimeSession) -> None:
        self._session = session

    def append(self, frame: rtc.AudioFrame) -> None:
        """Give the model audio, of any rate and number of channels."""
        self._session._push_audio(frame)  # noqa: SLF001  the session's own commands

    def clear(self) -> None:
        """Let the server forget it."""
        self._session._clear_audio()  # noqa: SLF001

    def commit(self) -> None:
        """Make an item of it; nothing, if it is less than 100 ms."""
        self._session.commit_audio_buffer()


class ItemCommands:
    """The items of the conversation: ``session.conversation.item``. Futures fail with an ``APIError``."""

    def __init__(self, session: RealtimeSession) -> None:
        self._session = session

    def create(self, message: ChatMessage, previous_item_id: str | None = None) -> asyncio.Future[bool]:
        """Add a message.

        :param previous_item_id: behind which message, or item; None for the end.
        :returns: done with True when the server has it; False, if it says nothing that OpenAI can keep.
        :raises ConfigError: it has a video frame, which takes time to encode: use :meth:`RealtimeSession.set_chat_ctx`.
        """
        parts = message.content if isinstance(message.content, list) else [message.content]
        if any(isinstance(part, ChatImage) and not isinstance(part.image, str) for part in parts):
            raise ConfigError("a message with a video frame takes time to encode: use set_chat_ctx()")
        return _last(self._session._conversation.create(message, behind=previous_item_id))  # noqa: SLF001

    def truncate(self, *, item_id: str, content_index: int, audio_end_ms: int) -> asyncio.Future[bool]:
        """Cut what the model has said."""
        return self._session._conversation.truncate(item_id, content_index, audio_end_ms)  # noqa: SLF001

    def delete(self, *, item_id: str) -> asyncio.Future[bool]:
        """Delete an item."""
        return self._session._conversation.delete(item_id)  # noqa: SLF001


class ConversationCommands:
    """The conversation: ``session.conversation``."""

    def __init__(self, session: RealtimeSession) -> None:
        self.item = ItemCommands(session)
        """Its items."""


class ResponseCommands:
    """What the model says: ``session.response``."""

    def __init__(self, session: RealtimeSession) -> None:
        self._session = session

    def create(
        self,
        *,
        on_duplicate: OnDuplicate = "keep_both",
        instructions: str | None = None,
        modalities: Sequence[Modality] | None = None,
        conversation: str = "auto",
        metadata: Mapping[str, Any] | None = None,
    ) -> asyncio.Future[bool]:
        """Ask for a response.

        :param on_duplicate: what becomes of it while another one is under way.
        :param instructions: instead of those of the session.
        :param modalities: instead of those of the session.
        :param conversation: ``"none"`` keeps it out of the conversation.
        :param metadata: given back with the response.
        :returns: done with whether the server has begun with it.
        :raises ConfigError: there is no such way.
        """
        is_older = self._session.dialect == "beta"
        fields: dict[str, Any] = {}
        if instructions is not None:
            fields["instructions"] = instructions
        if modalities is not None and is_older:
            fields["modalities"] = list(modalities)
        elif modalities is not None:
            fields["output_modalities"] = output_modalities(modalities)
        if is_older or conversation != "auto":
            fields["conversation"] = conversation
        if metadata:
            fields["metadata"] = dict(metadata)
        return self._session._ask(fields, on_duplicate)  # noqa: SLF001

    def cancel(self) -> None:
        """Stop the response under way, and do not ask for those that wait."""
        self._session.cancel_response()


def _last(futures: list[asyncio.Future[bool]]) -> asyncio.Future[bool]:
    """Return what is done when all are: the server confirms them one after the other."""
    if futures:
        return futures[-1]
    nothing: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    nothing.set_result(False)
    return nothing
