"""The user's side of a session: who speaks, where in the audio, and what was understood of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from lk_agents.realtime.model import RealtimeTranscription, RealtimeTranscriptionFailed
from lk_agents_openai.realtime.messages import (
    Committed,
    SpeechStarted,
    SpeechStopped,
    TranscriptionCompleted,
    TranscriptionFailed,
)
from lk_agents_openai.realtime.options import ServerVadOptions
from lk_agents_openai.realtime.voice import Voice

if TYPE_CHECKING:
    from lk_agents_openai.realtime.conversation import Conversation
    from lk_agents_openai.realtime.options import TurnDetection

__all__ = ["User"]

DUE_SECONDS: Final = 3.0
"""How long the server may take to begin to answer by itself; longer, and it will not."""


class User:
    """Follows the user over all connections of a session. Needs a running event loop.

    :param tell: emits an event of the session.
    """

    def __init__(self, conversation: Conversation, *, tell: Callable[..., None], turns: TurnDetection) -> None:
        self._conversation = conversation
        self._tell = tell
        self._turns = turns
        self._offset = 0.0
        self.voice = Voice(finds_turns=turns is not None)
        """The audio that this connection was given."""
        self._is_speaking = False
        self._said: dict[str, bytes] = {}  # of the item that is about to be there
        self._due: asyncio.TimerHandle | None = None

    @property
    def has_the_floor(self) -> bool:
        """Whether the user speaks, or the server is about to answer what was said."""
        return self._is_speaking or self._due is not None

    def begin(self, turns: TurnDetection) -> None:
        """There is another connection, which knows nothing of the audio before.

        :param turns: how it finds turns.
        """
        self._offset += self.voice.seconds
        self.voice = Voice(finds_turns=turns is not None)
        self._turns = turns
        self._is_speaking = False
        self.answered()

    def answered(self) -> None:
        """The server has begun to answer."""
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def said_in(self, item_id: str) -> bytes | None:
        """Return what the user says in an item, as sound, if it is the last one that has become one."""
        return self._said.pop(item_id, None)

    def hear(self, message: Any) -> None:
        """Take a message about what the user does."""
        match message:
            case SpeechStarted():
                self.voice.started(message.item_id, _seconds(message.audio_start_ms))
                self._is_speaking = True
                self._tell("input_speech_started")
            case SpeechStopped():
                self._stopped(message)
            case Committed():
                self._said = {message.item_id: self.voice.of(message.item_id)}
                self._tell("input_speech_committed")
            case TranscriptionCompleted():
                self._conversation.understood(message.item_id, message.transcript)
                told = RealtimeTranscription(message.item_id, message.transcript)
                self._tell("input_speech_transcription_completed", told)
            case TranscriptionFailed():
                failed = RealtimeTranscriptionFailed(
                    message.item_id, message.error.message or "OpenAI does not say why"
                )
                self._tell("input_speech_transcription_failed", failed)

    def _stopped(self, message: SpeechStopped) -> None:
        end = _seconds(message.audio_end_ms)
        self.voice.stopped(message.item_id, end)
        self._is_speaking = False
        if self._turns is not None and self._turns.create_response:
            self.answered()
            self._due = asyncio.get_running_loop().call_later(DUE_SECONDS, self.answered)
        if end is None or not isinstance(self._turns, ServerVadOptions):  # how long the server has waited is not known
            self._tell("input_speech_stopped")
        else:
            spoken_until = end - self._turns.silence_duration_ms / 1000
            self._tell("input_speech_stopped", max(self._offset + spoken_until, 0.0))


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
