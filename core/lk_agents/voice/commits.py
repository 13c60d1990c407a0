"""What of a conversation becomes part of its context, at the moment at which it does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from lk_agents.foundation import clock
from lk_agents.voice import history
from lk_agents.voice.inputs import UserCommitted

if TYPE_CHECKING:
    from lk_agents.voice.conversation import Conversation
    from lk_agents.voice.live_speech import LiveSpeech
    from lk_agents.voice.utterance import Utterance

__all__ = ["Commits", "Committing"]

_SHORTEST_LOOK_SECONDS: Final = 0.02


class Committing(Protocol):
    """Writes down what was said, where the conversation is kept."""

    def watch_question(self, live: LiveSpeech) -> None:
        """A speech is let play: what it answers may count from some moment on."""

    def question(self, live: LiveSpeech, *, finished: bool = False) -> None:
        """Write down what a reply answers, if it counts by now.

        :param finished: whether it was heard to its end.
        """

    def tools(self, live: LiveSpeech) -> None:
        """A speech is not heard: write down what the functions did that it would have told about."""

    def speech(self, live: LiveSpeech, utterance: Utterance) -> None:
        """Write down what was heard of a speech whose audio is over."""


class Commits:
    """Writes into the context what was said on both sides, and tells of it."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def watch_question(self, live: LiveSpeech) -> None:
        """Look again and again whether enough was heard of a reply for its question to count."""
        live.cancel_timer()
        self.question(live)
        utterance, handle = live.utterance, live.handle
        if utterance is not None and not utterance.is_silent and handle.user_question and not handle.user_committed:
            wait = max(history.MIN_TIME_PLAYED_FOR_COMMIT - utterance.played_seconds, _SHORTEST_LOOK_SECONDS)
            live.commit_timer = asyncio.get_running_loop().call_later(wait, self.watch_question, live)

    def question(self, live: LiveSpeech, *, finished: bool = False) -> None:
        """Write down what a reply answers, if enough of it was heard.

        :param finished: whether it was heard to its end.
        """
        utterance = live.utterance
        if utterance is None or not live.playing:
            return
        if history.may_commit_question(
            live.handle,
            played_seconds=utterance.played_seconds,
            finished=finished,
            interrupted=utterance.interrupted,
            has_function_calls=utterance.has_function_calls,
        ):
            message = history.commit_question(self._conversation.chat_ctx, live.handle)
            self._conversation.post(UserCommitted(clock.monotonic(), live.id))
            self._conversation.emit("user_speech_committed", message)

    def tools(self, live: LiveSpeech) -> None:
        """Write down what functions did whose answer is not heard."""
        history.commit_tools(self._conversation.chat_ctx, live.handle)

    def speech(self, live: LiveSpeech, utterance: Utterance) -> None:
        """Write down what was heard of a speech whose audio is over."""
        cut = utterance.interrupted
        message = history.commit_speech(
            self._conversation.chat_ctx, live.handle, utterance.played_text, interrupted=cut
        )
        if message is not None:
            live.text_message_id = message.id
            self._conversation.emit("agent_speech_interrupted" if cut else "agent_speech_committed", message)
