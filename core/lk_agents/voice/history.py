"""What of a conversation becomes part of its context, and when. Pure: contexts and messages, no clock, no audio.

Calls enter a context together with their outputs, one behind the other, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from lk_agents.llm.chat_context import ChatContext, ChatMessage

if TYPE_CHECKING:
    from lk_agents.voice.tools import ToolResult

__all__ = [
    "CUT_MARK",
    "MIN_TIME_PLAYED_FOR_COMMIT",
    "SpeechInContext",
    "answer_context",
    "call_messages",
    "commit_question",
    "commit_speech",
    "commit_tools",
    "insert_calls",
    "may_commit_question",
    "reply_context",
]

MIN_TIME_PLAYED_FOR_COMMIT: Final = 1.5
"""Seconds of a reply that must be heard before what it answers is part of the conversation, if it does not end."""
CUT_MARK: Final = "..."
"""Stands behind what was heard of a speech that was cut."""
EMPTY_QUESTION: Final = "<continue>"
"""What a model is asked when nothing was understood."""


class SpeechInContext(Protocol):
    """What is known of a speech here; a :class:`~lk_agents.voice.speech_handle.SpeechHandle` is one."""

    user_committed: bool
    speech_committed: bool
    tools_committed: bool

    @property
    def user_question(self) -> str:
        """What it replies to; empty for none."""

    @property
    def add_to_chat_ctx(self) -> bool:
        """Whether it becomes part of the conversation."""

    @property
    def allow_interruptions(self) -> bool:
        """Whether it may be cut."""

    @property
    def extra_tools_messages(self) -> list[ChatMessage]:
        """The calls and outputs that it tells about."""

    @property
    def fnc_text_message_id(self) -> str | None:
        """The id of the message with the text that accompanied these calls."""


# --- the user's question ---------------------------------------------------------------------------------------------


def may_commit_question(
    speech: SpeechInContext, *, played_seconds: float, finished: bool, interrupted: bool, has_function_calls: bool
) -> bool:
    """Tell whether what a speech replies to is to become part of the conversation now.

    Ask from the moment at which it is to be heard: when that begins, when a function call is seen, when
    :data:`MIN_TIME_PLAYED_FOR_COMMIT` were heard, and at the end.

    :param played_seconds: of the speech.
    :param finished: whether it was heard to its end.
    :param interrupted: whether it was cut.
    :param has_function_calls: whether its model calls functions.
    """
    if not speech.user_question or speech.user_committed:
        return False
    if finished or played_seconds >= MIN_TIME_PLAYED_FOR_COMMIT:
        return True
    return not interrupted and (has_function_calls or not speech.allow_interruptions)


def commit_question(chat_ctx: ChatContext, speech: SpeechInContext) -> ChatMessage:
    """Append what a speech replies to; returns the message."""
    message = ChatMessage.create(text=speech.user_question, role="user")
    chat_ctx.messages.append(message)
    speech.user_committed = True
    return message


# --- what the agent has said -----------------------------------------------------------------------------------------


def commit_speech(
    chat_ctx: ChatContext, speech: SpeechInContext, text: str, *, interrupted: bool
) -> ChatMessage | None:
    """Append what was heard of a speech, behind the calls that it tells about.

    Nothing of it is appended where it replies to what has not become part of the conversation, or shall not be part of
    it itself.

    :param text: what was heard.
    :param interrupted: whether it was cut.
    :returns: the message; None if nothing was appended.
    """
    commit_tools(chat_ctx, speech)
    if not _belongs(speech) or not text or speech.speech_committed:
        return None
    message = ChatMessage.create(text=text + CUT_MARK if interrupted else text, role="assistant")
    chat_ctx.messages.append(message)
    speech.speech_committed = True
    return message


def commit_tools(chat_ctx: ChatContext, speech: SpeechInContext) -> None:
    """Put the calls that a speech tells about, and their outputs, into the conversation; once.

    To be done when that speech has ended, and when it is dropped: what functions did is not forgotten.
    """
    if _belongs(speech) and not speech.tools_committed:
        insert_calls(chat_ctx, speech.extra_tools_messages, text_message_id=speech.fnc_text_message_id)
        speech.tools_committed = True


def _belongs(speech: SpeechInContext) -> bool:
    return speech.add_to_chat_ctx and (not speech.user_question or speech.user_committed)


# --- calls and their outputs -----------------------------------------------------------------------------------------


def call_messages(results: Sequence[ToolResult], *, text: str = "") -> list[ChatMessage]:
    """Return the message that asks for calls, and behind it the output of each, in their order.

    :param results: of all calls of one answer; without any there are no messages.
    :param text: what was heard of the text that accompanied the calls.
    """
    if not results:
        return []
    asking = ChatMessage.create_tool_calls([result.call for result in results], text=text)
    return [asking, *(result.message() for result in results)]


def insert_calls(chat_ctx: ChatContext, messages: Sequence[ChatMessage], *, text_message_id: str | None = None) -> None:
    """Append calls with their outputs.

    The message with the text that accompanied them is replaced where it is the last one, and its text goes with the
    calls; else it stays, and the calls come without that text.

    :param messages: of :func:`call_messages`; may be empty.
    :param text_message_id: the id of the message with that text; None if there is none.
    """
    if not messages:
        return
    asking, *outputs = messages
    spoken = next((message for message in chat_ctx.messages if message.id == text_message_id), None)
    if spoken is not None:
        is_last = spoken is chat_ctx.messages[-1]
        asking = asking.copy()
        asking.content = chat_ctx.messages.pop().content if is_last else ""
    chat_ctx.messages += [asking, *outputs]


# --- what models are asked -------------------------------------------------------------------------------------------


def answer_context(
    chat_ctx: ChatContext, messages: Sequence[ChatMessage], extra_chat_messages: Iterable[ChatMessage] = ()
) -> ChatContext:
    """Return what a model is asked to tell about the outputs of its calls.

    :param chat_ctx: the conversation that it was given when it asked for the calls; stays as it is.
    :param messages: of :func:`call_messages`.
    :param extra_chat_messages: what the functions want to be seen besides.
    """
    copied = chat_ctx.copy()
    copied.messages += [*messages, *extra_chat_messages]
    return copied


def reply_context(
    chat_ctx: ChatContext,
    question: str,
    *,
    playing: SpeechInContext | None = None,
    played_text: str = "",
) -> ChatContext:
    """Return what a model is asked for a reply.

    :param chat_ctx: the conversation; stays as it is.
    :param question: what the user has said; blank for a turn in which nothing was understood.
    :param playing: the speech that is being heard, which is not part of the conversation yet.
    :param played_text: what was heard of it so far.
    """
    copied = chat_ctx.copy()
    if playing is not None and _belongs(playing) and not playing.speech_committed:
        if not playing.tools_committed:
            insert_calls(copied, playing.extra_tools_messages, text_message_id=playing.fnc_text_message_id)
        if played_text:
            copied.append(text=played_text, role="assistant")
    return copied.append(text=question if question.strip() else EMPTY_QUESTION, role="user")
