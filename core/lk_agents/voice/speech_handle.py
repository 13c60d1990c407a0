"""One thing that the agent says, as the program sees it: whether it may be interrupted, how far it is, how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from lk_agents.llm import ChatMessage
    from lk_agents.transcription import Alignment
    from lk_agents.voice.signals import SpeechKind
    from lk_agents.voice.utterance import SpeechSource, Utterance

__all__ = ["AnsweredCalls", "SpeechHandle", "SpeechOutcome"]


class SpeechOutcome(StrEnum):
    """How a speech has ended; each ends in exactly one of these ways."""

    FINISHED = "finished"
    """All of it was heard."""
    INTERRUPTED = "interrupted"
    """It was cut while it was being heard."""
    CANCELLED = "cancelled"
    """It was dropped before anything of it was heard."""
    FAILED = "failed"
    """Whoever should write, speak or play it could not; what there was of it was heard."""
    EMPTY = "empty"
    """There was nothing to say."""


@dataclass(frozen=True, kw_only=True)
class AnsweredCalls:
    """The calls that a speech tells about.

    :param depth: how many rounds of functions led to the speech, this one included.
    :param messages: the calls and their outputs.
    :param text_message_id: the id of the message with the text that accompanied the calls; None if there is none.
    """

    depth: int
    messages: list[ChatMessage]
    text_message_id: str | None = None


_CUT: Final = (SpeechOutcome.INTERRUPTED, SpeechOutcome.CANCELLED)


class SpeechHandle:
    """One speech of the agent. ``await`` it to wait until it is over, with the functions it calls and their answers.

    Build it in a running event loop. Those who play it fill it in; programs read it, wait for it and interrupt it.

    :param id: the same in events, metrics and logs.
    :param kind: why the agent says it.
    :param cancel: ends a speech; called with it and whether the speeches under it end, too.
    :param allow_interruptions: whether the user, and :meth:`interrupt`, may cut it.
    :param add_to_chat_ctx: whether it becomes part of the conversation.
    :param user_question: what it replies to; empty for none.
    :param answers: the calls that it tells about; None for replies and what the program says.
    """

    def __init__(
        self,
        *,
        id: str,
        kind: SpeechKind,
        cancel: Callable[[SpeechHandle, bool], None],
        allow_interruptions: bool = True,
        add_to_chat_ctx: bool = True,
        user_question: str = "",
        answers: AnsweredCalls | None = None,
    ) -> None:
        self._id = id
        self._kind = kind
        self._cancel = cancel
        self._allow_interruptions = allow_interruptions
        self._add_to_chat_ctx = add_to_chat_ctx
        self._user_question = user_question
        self._answers = answers or AnsweredCalls(depth=0, messages=[])
        self.user_committed = False
        """Whether what it replies to is part of the conversation."""
        self.speech_committed = False
        """Whether what was heard of it is part of the conversation."""
        self.tools_committed = False
        """Whether ``extra_tools_messages`` are part of the conversation."""
        self._source: SpeechSource | None = None
        self._utterance: Utterance | None = None
        self._cancel_asked = False
        self._outcome: SpeechOutcome | None = None
        self._error: Exception | None = None
        self._played_text = ""
        self._heard_alignment: Alignment = "estimate"
        loop = asyncio.get_running_loop()
        self._playout_over: asyncio.Future[None] = loop.create_future()
        self._over: asyncio.Future[SpeechOutcome] = loop.create_future()
        self._nested: list[SpeechHandle] = []
        self._nested_done = True
        self.nested_speech_changed = asyncio.Event()
        """Set when a speech was added under this one, or the nested phase has ended; whoever waits clears it."""

    def __repr__(self) -> str:
        state = self._outcome or ("prepared" if self.initialized else "created")
        return f"<SpeechHandle {self._id} {self._kind} {state}>"

    # --- what it is --------------------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """The same in events, metrics and logs."""
        return self._id

    @property
    def kind(self) -> SpeechKind:
        """Why the agent says it."""
        return self._kind

    @property
    def is_reply(self) -> bool:
        """Whether it answers the user's turn."""
        return self._kind == "reply"

    @property
    def allow_interruptions(self) -> bool:
        """Whether the user, and :meth:`interrupt`, may cut it."""
        return self._allow_interruptions

    @property
    def add_to_chat_ctx(self) -> bool:
        """Whether it becomes part of the conversation."""
        return self._add_to_chat_ctx

    @property
    def user_question(self) -> str:
        """What it replies to; empty for none."""
        return self._user_question

    @property
    def fnc_nested_depth(self) -> int:
        """How many rounds of functions led to it; 0 for replies and what the program says."""
        return self._answers.depth

    @property
    def extra_tools_messages(self) -> list[ChatMessage]:
        """The calls and outputs that it tells about."""
        return self._answers.messages

    @property
    def fnc_text_message_id(self) -> str | None:
        """The id of the message with the text that accompanied these calls."""
        return self._answers.text_message_id

    # --- how far it is -----------------------------------------------------------------------------------------------

    def initialize(self, source: SpeechSource, synthesis_handle: Utterance) -> None:
        """Give it what it says.

        :raises RuntimeError: it was interrupted, or ended, already.
        """
        if self.interrupted or self._outcome is not None:
            raise RuntimeError(f"the speech {self._id} was interrupted before there was anything to say")
        self._source = source
        self._utterance = synthesis_handle

    def withdraw(self) -> None:
        """Take back what it says, of which nothing was heard: it is made anew."""
        self._source = self._utterance = None

    @property
    def initialized(self) -> bool:
        """Whether it has what it says."""
        return self._utterance is not None

    @property
    def source(self) -> SpeechSource:
        """Where its text comes from.

        :raises RuntimeError: it has none yet.
        """
        if self._source is None:
            raise RuntimeError(f"the speech {self._id} has no text yet: look at initialized first")
        return self._source

    @property
    def synthesis_handle(self) -> Utterance:
        """Its audio.

        :raises RuntimeError: it has none yet.
        """
        if self._utterance is None:
            raise RuntimeError(f"the speech {self._id} has no audio yet: look at initialized first")
        return self._utterance

    @property
    def interrupted(self) -> bool:
        """Whether it was, or is about to be, cut or dropped."""
        if self._outcome is not None:
            return self._outcome in _CUT
        return self._cancel_asked or (self._utterance is not None and self._utterance.interrupted)

    @property
    def done(self) -> bool:
        """Whether it is over."""
        return self._outcome is not None

    @property
    def outcome(self) -> SpeechOutcome | None:
        """How it has ended; None until then."""
        return self._outcome

    @property
    def error(self) -> Exception | None:
        """What it failed of."""
        if self._outcome is None and self._utterance is not None:
            return self._utterance.error
        return self._error

    @property
    def played_text(self) -> str:
        """The words of it that were heard, so far."""
        if self._outcome is None and self._utterance is not None:
            return self._utterance.played_text
        return self._played_text

    @property
    def heard_alignment(self) -> Alignment:
        """How :attr:`played_text` is known: ``"words"``, by their times, or ``"estimate"``."""
        if self._outcome is None and self._utterance is not None:
            return self._utterance.alignment
        return self._heard_alignment

    # --- ending it ---------------------------------------------------------------------------------------------------

    def interrupt(self) -> None:
        """Ask for its end; what was heard by then stays said. Nothing happens once it is over.

        :raises RuntimeError: it may not be interrupted.
        """
        if not self._allow_interruptions:
            raise RuntimeError(
                f"the speech {self._id} may not be interrupted: it was made with allow_interruptions=False"
            )
        self.cancel()

    def cancel(self, cancel_nested: bool = False) -> None:
        """Ask for its end, whether it may be interrupted or not. Nothing happens once it is over.

        :param cancel_nested: whether the speeches under it end as well.
        """
        if cancel_nested:
            for nested in self._nested:
                nested.cancel(cancel_nested=True)
            self.mark_nested_speech_done()
        if self._outcome is None and not self._cancel_asked:
            self._cancel_asked = True
            self._cancel(self, cancel_nested)

    def mark_playout_done(self) -> None:
        """Say that its audio is over, whatever else belongs to it. Any number of times."""
        if not self._playout_over.done():
            self._playout_over.set_result(None)

    def finish(self, outcome: SpeechOutcome, *, error: Exception | None = None) -> None:
        """Say how it has ended; exactly once. What was heard of it is fixed now.

        :raises RuntimeError: it had ended.
        """
        if self._outcome is not None:
            raise RuntimeError(f"the speech {self._id} ends as {outcome}, and has ended as {self._outcome} before")
        self._played_text = self.played_text
        self._heard_alignment = self.heard_alignment
        self._error = error or self.error
        self._outcome = outcome
        self.mark_nested_speech_done()
        self.mark_playout_done()
        self._over.set_result(outcome)

    # --- waiting for it ----------------------------------------------------------------------------------------------

    async def join(self) -> SpeechOutcome:
        """Wait until it is over, with the functions it calls and their answers. Cancelled, only the waiting ends."""
        return await asyncio.shield(self._over)

    def __await__(self) -> Generator[Any, None, SpeechOutcome]:
        return self.join().__await__()

    async def wait_for_playout(self) -> None:
        """Wait until nothing more of its own audio is heard. Cancelled, only the waiting ends."""
        await asyncio.shield(self._playout_over)

    # --- speeches under it -------------------------------------------------------------------------------------------

    def add_nested_speech(self, speech: SpeechHandle) -> None:
        """Put a speech under it: it is heard behind this one's audio and before all that waits behind this one."""
        self._nested.append(speech)
        self._nested_done = False
        self.nested_speech_changed.set()

    @property
    def nested_speech_handles(self) -> list[SpeechHandle]:
        """The speeches under it, in their order."""
        return self._nested

    @property
    def nested_speech_done(self) -> bool:
        """Whether the nested phase has not begun, or is over."""
        return self._nested_done

    def mark_nested_speech_done(self) -> None:
        """End the nested phase."""
        self._nested_done = True
        self.nested_speech_changed.set()
