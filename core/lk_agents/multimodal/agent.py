"""The agent as programs know it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Literal, Unpack, get_args

from lk_agents.foundation.errors import ConfigError
from lk_agents.llm.chat_context import ChatContext
from lk_agents.multimodal import shared
from lk_agents.multimodal.session import MultimodalSession
from lk_agents.multimodal.settings import TEXT_RETRIES, MultimodalSettings, multimodal_options
from lk_agents.realtime.model import OnDuplicate
from lk_agents.voice.agent import JoiningAgent
from lk_agents.voice.transcription_options import AgentTranscriptionOptions

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.foundation.types import AgentState
    from lk_agents.llm import FunctionContext
    from lk_agents.media.session_io import SessionIO
    from lk_agents.multimodal.api import _RealtimeAPI
    from lk_agents.vad import VAD

__all__ = ["EventTypes", "MultimodalAgent"]

EventTypes = Literal[
    "user_started_speaking",
    "user_stopped_speaking",
    "agent_started_speaking",
    "agent_stopped_speaking",
    "user_speech_committed",
    "agent_speech_committed",
    "agent_speech_interrupted",
    "function_calls_collected",
    "function_calls_finished",
    "metrics_collected",
    "agent_state_changed",
    "user_message_received",
    "turn_finished",
    "dead_air",
    "reconnecting",
    "reconnected",
    "error",
    "closed",
]
"""What an agent emits."""
assert shared.LOADED, "loaded here, so that jobs share it"
_ON_DUPLICATE: Final = get_args(OnDuplicate)


class MultimodalAgent(JoiningAgent[EventTypes]):
    """Holds a conversation with one participant by one model, which hears and speaks itself.

    Most of these models hear when the user speaks and has finished, and answer by themselves; for the others, ``vad``
    does, or :meth:`generate_reply` ends the user's turn. When the user speaks, the agent falls silent, and the model's
    conversation is cut at the very sample that was heard last.

    Emits, with what is in parentheses: ``user_started_speaking``, ``user_stopped_speaking``,
    ``agent_started_speaking``, ``agent_stopped_speaking``; ``user_speech_committed``, ``agent_speech_committed``,
    ``agent_speech_interrupted`` (str); ``function_calls_collected`` (list with a FunctionCallInfo),
    ``function_calls_finished`` (list with a CalledFunction); ``metrics_collected`` (MultimodalLLMMetrics, and the
    records of turns); ``agent_state_changed`` (str); ``user_message_received`` (TextMessage); ``turn_finished``
    (TurnRecord); ``dead_air`` (DeadAir); ``reconnecting`` (the APIError, or None) and ``reconnected`` when the model's
    session gets another connection; ``error`` (SessionError); ``closed`` (the reason, str).

    :param model: hears and speaks.
    :param vad: decides about turns where the model's server does not; else it is not used.
    :param chat_ctx: the conversation so far; the model begins with a copy of it.
    :param fnc_ctx: the functions that the model may call.
    :param transcription: how transcripts of both sides are shown.
    :param max_text_response_retries: how many answers in text in a row are brought back to audio.
    :param loop: of no effect: an agent runs in the loop in which it is started.
    :param noise_cancellation: for the user's voice, as the ``AudioStream`` of the media library takes it.
    :param more: what the older framework did not have; see
        :class:`~lk_agents.multimodal.settings.MultimodalSettings`.
    :raises ConfigError: a number is negative.
    :raises TypeError: there is no such setting.
    """

    EVENTS = get_args(EventTypes)

    def __init__(
        self,
        *,
        model: _RealtimeAPI,
        vad: VAD | None = None,
        chat_ctx: ChatContext | None = None,
        fnc_ctx: FunctionContext | None = None,
        transcription: AgentTranscriptionOptions | None = None,
        max_text_response_retries: int = TEXT_RETRIES,
        loop: asyncio.AbstractEventLoop | None = None,  # noqa: ARG002  see above
        noise_cancellation: rtc.NoiseCancellationOptions | None = None,
        **more: Unpack[MultimodalSettings],
    ) -> None:
        super().__init__(noise_cancellation=noise_cancellation, settings=more, known=MultimodalSettings)
        self._options = multimodal_options(
            more,
            transcription=transcription or AgentTranscriptionOptions(),
            max_text_response_retries=max_text_response_retries,
            vad=vad,
        )
        self._model = model
        self._vad = vad
        self._chat_ctx = ChatContext() if chat_ctx is None else chat_ctx
        self._fnc_ctx = fnc_ctx
        self._session: MultimodalSession | None = None

    # --- what it is made of ------------------------------------------------------------------------------------------

    @property
    def vad(self) -> VAD | None:
        """As it was given."""
        return self._vad

    @property
    def fnc_ctx(self) -> FunctionContext | None:
        """The functions that the model may call; a change counts from its next response on."""
        return self._fnc_ctx if self._session is None else self._session.model.fnc_ctx

    @fnc_ctx.setter
    def fnc_ctx(self, fnc_ctx: FunctionContext | None) -> None:
        self._fnc_ctx = fnc_ctx
        if self._session is not None:
            self._session.model.fnc_ctx = fnc_ctx

    @property
    def state(self) -> AgentState:
        """What the agent is doing, as it is shown; empty before it is started."""
        return "" if self._session is None else self._session.state

    def chat_ctx_copy(self) -> ChatContext:
        """Return the conversation as the model has it, with what was heard of the agent; before the start, as given."""
        return self._chat_ctx.copy() if self._session is None else self._session.model.chat_ctx_copy()

    async def set_chat_ctx(self, ctx: ChatContext) -> None:
        """Make the model's conversation this one: what is missing there is added, what is too much is deleted.

        Messages are the same where their ids are. Before the start, the model will begin with a copy of it.

        :raises APIError: the model has not taken it.
        """
        if self._session is None:
            self._chat_ctx = ctx.copy()
        else:
            await self._session.model.set_chat_ctx(ctx)

    # --- what it does ------------------------------------------------------------------------------------------------

    def interrupt(self) -> None:
        """Fall silent at once: what was not heard is cut from the model's conversation, and its response stopped."""
        if self._session is not None and not self._life.closed:
            self._session.turns.interrupt()

    def generate_reply(self, on_duplicate: OnDuplicate = "cancel_existing") -> None:
        """Let the model say something. Where its server does not hear when the user has finished, this ends the turn.

        :param on_duplicate: what becomes of it while the agent speaks, or the model is at it: end that first
            (``"cancel_existing"``), say nothing new (``"cancel_new"``), or say both (``"keep_both"``).
        :raises ConfigError: it is something else.
        :raises RuntimeError: the agent was not started, or the conversation has ended.
        """
        if on_duplicate not in _ON_DUPLICATE:
            raise ConfigError(f"on_duplicate is {on_duplicate!r}; it must be one of {', '.join(_ON_DUPLICATE)}")
        self._life.check_open(self._session).turns.generate_reply(on_duplicate)

    # --- its life ----------------------------------------------------------------------------------------------------

    def _begin(self, io: SessionIO, *, room_name: str = "") -> None:
        self._session = MultimodalSession(
            self,
            model=self._model,
            options=self._options,
            chat_ctx=self._chat_ctx.copy(),
            fnc_ctx=self._fnc_ctx,
            io=io,
            emit=self._tell,
            room_name=room_name,
        )
        self._life.begin(self._session, name="lk-multimodal-agent")
