"""Where each message of the server goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation.log import logger
from lk_agents_openai.asking import FINAL_CODES
from lk_agents_openai.realtime.messages import (
    Cleared,
    Committed,
    ConversationItemCreated,
    ConversationItemDeleted,
    ItemTruncated,
    NothingNew,
    ResponseCreated,
    ResponseDone,
    SessionCreated,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    TranscriptionCompleted,
    TranscriptionFailed,
)
from lk_agents_openai.realtime.records import RealtimeError

if TYPE_CHECKING:
    from lk_agents_openai.realtime.connection import Heard
    from lk_agents_openai.realtime.conversation import Conversation
    from lk_agents_openai.realtime.generations import Generations
    from lk_agents_openai.realtime.requests import Requests
    from lk_agents_openai.realtime.user import User

__all__ = ["Incoming"]

EXPIRED: Final = "session_expired"
"""The server ends the session now; another one is as good."""
NOTHING_TO_COMMIT: Final = "input_audio_buffer_commit_empty"
HARMLESS: Final = frozenset({"response_cancel_not_active", NOTHING_TO_COMMIT})
"""There was nothing to stop, or to commit: the server was faster."""
HARMLESS_WORDS: Final = "Cancellation failed"
"""How the text begins where the older dialect has no code for it."""
OF_USER: Final = (SpeechStarted, SpeechStopped, Committed, TranscriptionCompleted, TranscriptionFailed)


class Incoming:
    """Hands each message of the server to whom it concerns.

    :param tell: emits an event of the session.
    :param on_updated: the server has taken a change of the session.
    :param on_final: it does nothing more here, with the error; and whether it would elsewhere.
    """

    def __init__(
        self,
        *,
        conversation: Conversation,
        requests: Requests,
        generations: Generations,
        user: User,
        tell: Callable[..., None],
        on_updated: Callable[[], None],
        on_final: Callable[[RealtimeError, bool], None],
    ) -> None:
        self._conversation = conversation
        self._requests = requests
        self._generations = generations
        self._user = user
        self._tell = tell
        self._on_updated = on_updated
        self._on_final = on_final

    def hear(self, heard: Heard) -> bool:
        """Take one message; tells whether it means that something goes on."""
        match heard:
            case NothingNew() | SessionCreated() | Cleared():
                return False
            case SessionUpdated():
                self._on_updated()
            case RealtimeError():
                self._hear_error(heard)
            case ConversationItemCreated() | ConversationItemDeleted() | ItemTruncated():
                self._hear_of_item(heard)
            case ResponseCreated():
                is_wanted = self._requests.created(heard)
                self._user.answered()
                self._generations.created(heard, is_wanted=is_wanted)
            case ResponseDone():
                self._requests.done(heard.response.id)
                self._conversation.response_over()
                self._generations.done(heard)
            case _ if isinstance(heard, OF_USER):
                self._user.hear(heard)
            case _:
                self._generations.hear(heard)
        return True

    def _hear_of_item(self, heard: Any) -> None:
        match heard:
            case ConversationItemCreated():
                self._conversation.created(heard, self._user.said_in(heard.item.id))
            case ConversationItemDeleted():
                self._conversation.deleted(heard.item_id)
            case ItemTruncated():
                self._conversation.truncated(heard.item_id)

    def _hear_error(self, error: RealtimeError) -> None:
        if error.code == EXPIRED or error.code in FINAL_CODES:
            self._on_final(error, error.code == EXPIRED)
            return
        if self._requests.refused(error) or self._conversation.refused(error) is False:
            return
        if error.code == NOTHING_TO_COMMIT:
            self._user.voice.commit_refused()
        told = {"code": error.code, "type": error.type}
        if error.code in HARMLESS or error.message.startswith(HARMLESS_WORDS):
            logger.debug("OpenAI had nothing to do", extra=told)
            return
        logger.warning("OpenAI reports an error", extra=told)
        self._tell("error", error)
