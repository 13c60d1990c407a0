"""What the agent replies: the program's word first, then the model's."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from lk_agents.llm.stream import LLMStream
from lk_agents.voice.history import reply_context

if TYPE_CHECKING:
    from lk_agents.voice.conversation import Conversation
    from lk_agents.voice.live_speech import LiveSpeech

__all__ = ["reply_source"]


async def reply_source(conversation: Conversation, live: LiveSpeech, *, heard: LiveSpeech | None) -> LLMStream | None:
    """Ask for the reply to what the user has said; None if the program wants none.

    :param live: the reply; what is being asked at the moment is noted there.
    :param heard: the speech that is being heard at this moment.
    :raises Exception: whatever the program's callback raises, or the model at once.
    """
    utterance = None if heard is None else heard.utterance
    chat_ctx = reply_context(
        conversation.chat_ctx,
        live.handle.user_question,
        playing=None if heard is None else heard.handle,
        played_text="" if utterance is None else utterance.played_text,
    )
    answer: Any = None
    if conversation.options.before_llm is not None:
        live.asks = "callback"
        answer = conversation.options.before_llm(conversation.agent, chat_ctx)
        if inspect.isawaitable(answer):
            answer = await answer
    live.asks = "llm"
    if answer is False:
        return None
    if isinstance(answer, LLMStream):
        return answer
    return conversation.providers.llm.chat(chat_ctx=chat_ctx, fnc_ctx=conversation.fnc_ctx)
