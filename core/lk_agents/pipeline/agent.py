"""The agent as programs know it."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Unpack, get_args

from lk_agents.llm.chat_context import ChatContext
from lk_agents.pipeline import shared
from lk_agents.pipeline.keeping import Keeping
from lk_agents.pipeline.settings import AgentSettings, TurnRules, session_options
from lk_agents.turns.combinations import default_interruption
from lk_agents.turns.judges import as_turn_detector
from lk_agents.voice.agent import JoiningAgent
from lk_agents.voice.checks import check_arguments, check_providers
from lk_agents.voice.history import MIN_TIME_PLAYED_FOR_COMMIT
from lk_agents.voice.session import VoiceSession
from lk_agents.voice.session_options import BeforeLLM, BeforeTTS, Providers
from lk_agents.voice.settings import check_names
from lk_agents.voice.transcription_options import AgentTranscriptionOptions

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.foundation.types import AgentState
    from lk_agents.llm import LLM, FunctionContext, LLMStream
    from lk_agents.media.session_io import SessionIO
    from lk_agents.stt import STT
    from lk_agents.tts import TTS
    from lk_agents.turns import EndOfTurnPredictor, TurnDetector
    from lk_agents.vad import VAD
    from lk_agents.voice.speech_handle import SpeechHandle
    from lk_agents.voice.utterance_production import RecordedAudio

__all__ = ["EventTypes", "VoicePipelineAgent"]

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
    "error",
    "closed",
]
"""What an agent emits."""
assert shared.LOADED, "loaded here, so that jobs share it"
_INNER: Final = "vad_event"
"""For the recording alone."""


class VoicePipelineAgent(JoiningAgent[EventTypes]):
    """Listens to one participant, knows when it is its turn, thinks, speaks, and stops when it is interrupted.

    Durations are seconds. Rules of turn-taking, in short: the user's turn is over ``min_endpointing_delay`` after the
    last sample of speech, once what was said is understood; ``interrupt_speech_duration`` of speech under the agent's
    own stops it, and it goes on if no words follow; the conversation says what was really heard.

    Emits, with what is in parentheses: ``user_started_speaking``, ``user_stopped_speaking``,
    ``agent_started_speaking``, ``agent_stopped_speaking``; ``user_speech_committed``, ``agent_speech_committed``,
    ``agent_speech_interrupted`` (ChatMessage); ``function_calls_collected`` (list of FunctionCallInfo),
    ``function_calls_finished`` (list of CalledFunction); ``metrics_collected`` (a record of ``lk_agents.metrics``);
    ``agent_state_changed`` (str); ``user_message_received`` (TextMessage); ``turn_finished`` (TurnRecord);
    ``dead_air`` (DeadAir); ``error`` (SessionError); ``closed`` (the reason, str).

    :param vad: finds speech.
    :param stt: understands it. One that cannot listen is given recordings, by way of ``vad``.
    :param llm: thinks.
    :param tts: speaks. One that takes whole texts only is given sentences.
    :param noise_cancellation: for the user's voice, as the ``AudioStream`` of the media library takes it.
    :param turn_detector: judges whether the user has finished, where what was understood is in its language.
    :param chat_ctx: the conversation so far; it is used itself, and what is said is appended.
    :param fnc_ctx: the functions that the model may call.
    :param allow_interruptions: whether the user may interrupt replies.
    :param interrupt_speech_duration: how long the user must speak to interrupt.
    :param interrupt_min_words: how many words must be understood to interrupt; 0 for none.
    :param min_endpointing_delay: how long after the user's last sample of speech the turn is over.
    :param max_endpointing_delay: the same where ``turn_detector`` says that the user has not finished.
    :param max_nested_fnc_calls: how many rounds of functions may follow each other.
    :param preemptive_synthesis: prepare a reply whenever something was understood, before the turn is over.
    :param transcription: how transcripts of both sides are shown.
    :param before_llm_cb: called with the agent and a copy of the conversation before a reply; may change the copy, or
        return the answer of a model, or False for no reply. May be async.
    :param before_tts_cb: called with the agent and the text, or its pieces, of every speech; returns what is spoken.
    :param plotting: record the conversation for ``lk-agents plot``: True for a file in the current folder, or its path.
    :param loop: of no effect: an agent runs in the loop in which it is started.
    :param will_synthesize_assistant_reply: the older name of ``before_llm_cb``.
    :param more: what the older framework did not have; see :class:`~lk_agents.pipeline.settings.AgentSettings`.
    :raises ConfigError: an argument is not what it should be; it says which, and what to give.
    :raises TypeError: there is no such setting.
    """

    EVENTS = get_args(EventTypes)
    MIN_TIME_PLAYED_FOR_COMMIT = MIN_TIME_PLAYED_FOR_COMMIT
    """Seconds of a reply that must be heard before what it answers is part of the conversation, if it does not end."""

    def __init__(
        self,
        *,
        vad: VAD,
        stt: STT,
        llm: LLM[Any],
        tts: TTS[Any],
        noise_cancellation: rtc.NoiseCancellationOptions | None = None,
        turn_detector: TurnDetector | EndOfTurnPredictor | None = None,
        chat_ctx: ChatContext | None = None,
        fnc_ctx: FunctionContext | None = None,
        allow_interruptions: bool = True,
        interrupt_speech_duration: float = 0.5,
        interrupt_min_words: int = 0,
        min_endpointing_delay: float = 0.5,
        max_endpointing_delay: float = 6.0,
        max_nested_fnc_calls: int = 1,
        preemptive_synthesis: bool = False,
        transcription: AgentTranscriptionOptions | None = None,
        before_llm_cb: BeforeLLM | None = None,
        before_tts_cb: BeforeTTS | None = None,
        plotting: bool | str | Path = False,
        loop: asyncio.AbstractEventLoop | None = None,  # noqa: ARG002  see above
        will_synthesize_assistant_reply: BeforeLLM | None = None,
        **more: Unpack[AgentSettings],
    ) -> None:
        super().__init__(noise_cancellation=noise_cancellation, settings=more, known=AgentSettings)
        if will_synthesize_assistant_reply is not None:
            warnings.warn("will_synthesize_assistant_reply is now before_llm_cb", DeprecationWarning, stacklevel=2)
            before_llm_cb = will_synthesize_assistant_reply
        check_providers(vad=vad, stt=stt, llm=llm, tts=tts)
        check_arguments(
            turn_detector=turn_detector,
            chat_ctx=chat_ctx,
            fnc_ctx=fnc_ctx,
            max_nested_fnc_calls=max_nested_fnc_calls,
            transcription=transcription,
            before_llm_cb=before_llm_cb,
            before_tts_cb=before_tts_cb,
            plotting=plotting,
        )
        self._options = session_options(
            {
                "allow_interruptions": allow_interruptions,
                "interrupt_speech_duration": interrupt_speech_duration,
                "interrupt_min_words": interrupt_min_words,
                "min_endpointing_delay": min_endpointing_delay,
                "max_endpointing_delay": max_endpointing_delay,
                "preemptive_synthesis": preemptive_synthesis,
            },
            more,
            detector=turn_detector is not None,
            transcription=transcription or AgentTranscriptionOptions(),
            max_nested_fnc_calls=max_nested_fnc_calls,
            before_llm=before_llm_cb,
            before_tts=before_tts_cb,
        )
        self._strategy = more.get("interruption")
        self._providers = Providers(
            vad=vad,
            stt=stt,
            llm=llm,
            tts=_streaming(tts),
            detector=None if turn_detector is None else as_turn_detector(turn_detector),
            strategy=self._strategy or default_interruption(interrupt_speech_duration, interrupt_min_words),
        )
        self._chat_ctx = ChatContext() if chat_ctx is None else chat_ctx
        self._fnc_ctx = fnc_ctx
        self._plotting = plotting
        self._session: VoiceSession | None = None
        self._keeping: Keeping | None = None
        self._adapter = None if self._providers.tts is tts else self._providers.tts
        """Made here around what was given, and so closed here."""

    # --- what it is made of ------------------------------------------------------------------------------------------

    @property
    def vad(self) -> VAD:
        """Finds speech."""
        return self._providers.vad

    @property
    def stt(self) -> STT:
        """Understands it."""
        return self._providers.stt

    @property
    def llm(self) -> LLM[Any]:
        """Thinks."""
        return self._providers.llm

    @property
    def tts(self) -> TTS[Any]:
        """Speaks; an adapter, where what was given takes whole texts only."""
        return self._providers.tts

    @property
    def chat_ctx(self) -> ChatContext:
        """The conversation."""
        return self._chat_ctx

    @property
    def fnc_ctx(self) -> FunctionContext | None:
        """The functions that the model may call; a change counts from its next answer on."""
        return self._fnc_ctx

    @fnc_ctx.setter
    def fnc_ctx(self, fnc_ctx: FunctionContext | None) -> None:
        self._fnc_ctx = fnc_ctx
        if self._session is not None:
            self._session.conversation.fnc_ctx = fnc_ctx

    @property
    def state(self) -> AgentState:
        """What the agent is doing, as it is shown; empty before it is started."""
        return "" if self._session is None else self._session.state

    def update_options(self, **rules: Unpack[TurnRules]) -> None:
        """Change rules of turn-taking; they count from now on, also for a turn that has begun.

        :raises ConfigError: a number is negative; nothing is changed then.
        :raises TypeError: there is no such rule.
        """
        check_names(rules, TurnRules, what="turn-taking")
        turn = replace(self._options.turn, **rules)
        self._options = replace(self._options, turn=turn)
        strategy = self._strategy or default_interruption(turn.interrupt_speech_duration, turn.interrupt_min_words)
        self._providers = replace(self._providers, strategy=strategy)
        if self._session is not None:
            self._session.update_rules(turn, strategy)

    # --- what it does ------------------------------------------------------------------------------------------------

    def _begin(self, io: SessionIO, *, room_name: str = "") -> None:
        self._session = VoiceSession(
            self,
            providers=self._providers,
            options=self._options,
            chat_ctx=self._chat_ctx,
            fnc_ctx=self._fnc_ctx,
            io=io,
            emit=self._tell,
            room_name=room_name,
        )
        self._keeping = Keeping(self._plotting, session=self._session.id)
        self._life.begin(self._session, name="lk-voice-agent")

    async def say(
        self,
        source: str | LLMStream | AsyncIterable[str],
        *,
        allow_interruptions: bool = True,
        add_to_chat_ctx: bool = True,
        audio: RecordedAudio | None = None,
    ) -> SpeechHandle:
        """Say something: behind what is being said and what it brings with it, before all else that waits.

        Waits until the agent can be heard and returns once the speech is in line, not when it was heard: for that,
        ``await`` what it returns. In a function that a model has called, the text is shown to the model when it is
        asked what to say about the function, and pieces are read to their end before this returns.

        :param source: a text, the answer of a model, or pieces of text.
        :param allow_interruptions: whether the user may interrupt it.
        :param add_to_chat_ctx: whether it becomes part of the conversation.
        :param audio: a recording, which is played instead of speaking the text; frames of any rate.
        :raises RuntimeError: the agent was not started, or the conversation has ended.
        """
        return await self._life.check_open(self._session).say(
            source, allow_interruptions=allow_interruptions, add_to_chat_ctx=add_to_chat_ctx, audio=audio
        )

    def interrupt(self, interrupt_all: bool = True) -> None:
        """Fall silent at once, whatever may be interrupted or not.

        :param interrupt_all: drop what waits to be said, too.
        """
        if self._session is not None:
            self._session.interrupt(everything=interrupt_all)

    # --- its life ----------------------------------------------------------------------------------------------------

    async def _over(self, reason: str) -> None:
        await super()._over(reason)
        if self._adapter is not None:
            await self._adapter.aclose()
        if self._keeping is not None:
            await self._keeping.aclose()

    def _tell(self, event: Any, *args: Any) -> None:
        if self._keeping is not None:
            self._keeping.note(event, *args)
        if event != _INNER:
            super()._tell(event, *args)


def _streaming(tts: TTS[Any]) -> TTS[Any]:
    if tts.capabilities.streaming:
        return tts
    from lk_agents.tokenize import basic
    from lk_agents.tts import StreamAdapter

    return StreamAdapter(tts=tts, sentence_tokenizer=basic.SentenceTokenizer())
