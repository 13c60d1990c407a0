"""A speech with everything that belongs to it while it lives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lk_agents.utils.tracing import NO_SPAN, Span

if TYPE_CHECKING:
    from lk_agents.voice.conversation import ErrorStage
    from lk_agents.voice.speech_handle import SpeechHandle
    from lk_agents.voice.utterance import SpeechSource, Utterance
    from lk_agents.voice.waterfall import Waterfall

__all__ = ["LiveSpeech"]


@dataclass(slots=True, eq=False)
class LiveSpeech:
    """A speech, from the moment at which somebody wants it until it is over with its functions and answers.

    :param turn: the user's turn to which it belongs.
    :param recipe: finds out what it says, any number of times; None where that can be had only once. Its result None
        means that nothing is to be said.
    :param asks: who is asked what it says.
    :param waterfall: of that turn; answers share it with their reply. None for what the program says.
    :param task: what is being done for it: preparing its text, or calling its functions.
    :param text_message_id: the id of the message that says what was heard of it.
    :param decided: the turn is over, and this is the reply.
    :param playing: it was let play.
    :param sounding: listeners were told that it is heard.
    :param concluded: nothing more is done for it.
    :param is_filler: it only bridges a silence, which is watched all the same.
    :param given_up: why it was given up.
    :param span: of that turn; answers share it with their reply.
    """

    handle: SpeechHandle
    turn: int
    recipe: Callable[[], Awaitable[SpeechSource | None]] | None = None
    asks: ErrorStage = "llm"
    waterfall: Waterfall | None = None
    utterance: Utterance | None = None
    task: asyncio.Task[None] | None = None
    commit_timer: asyncio.TimerHandle | None = None
    text_message_id: str | None = None
    decided: bool = False
    playing: bool = False
    sounding: bool = False
    concluded: bool = False
    is_filler: bool = False
    given_up: Exception | None = None
    span: Span = NO_SPAN

    @property
    def id(self) -> str:
        """The speech's id."""
        return self.handle.id

    @property
    def handle_is_silent(self) -> bool:
        """Whether its audio is over."""
        return self.utterance is None or self.utterance.is_silent

    def cancel_timer(self) -> None:
        """Look no more whether enough was heard."""
        if self.commit_timer is not None:
            self.commit_timer.cancel()
            self.commit_timer = None
