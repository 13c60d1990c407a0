"""One conversation by voice: joins those who listen, think, speak and judge with the machine that takes turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lk_agents.foundation import clock
from lk_agents.foundation.ids import short_id
from lk_agents.utils.aio.tasks import cancel_and_wait
from lk_agents.voice import announce
from lk_agents.voice import signals as s
from lk_agents.voice.answering import Answering
from lk_agents.voice.attention import Attention
from lk_agents.voice.commits import Commits
from lk_agents.voice.conversation import ENDED, Conversation, SessionError
from lk_agents.voice.driver import TurnDriver
from lk_agents.voice.first_aid import FirstAid
from lk_agents.voice.hearing import Hearing
from lk_agents.voice.judging import Judging
from lk_agents.voice.measuring import Measuring
from lk_agents.voice.own_voice import OwnVoice
from lk_agents.voice.records import SessionInfo
from lk_agents.voice.replying import reply_source
from lk_agents.voice.saying import Saying
from lk_agents.voice.signals import SpeechKind
from lk_agents.voice.speech_handle import SpeechHandle
from lk_agents.voice.speeches import Speeches
from lk_agents.voice.surrounded import SurroundedSession
from lk_agents.voice.turn import TurnMachine
from lk_agents.voice.turn_span import begin_turn_span
from lk_agents.voice.user_transcript import UserTranscript
from lk_agents.voice.user_watch import UserWatch
from lk_agents.voice.watchdog import Watchdog
from lk_agents.voice.waterfall import Waterfall

if TYPE_CHECKING:
    from lk_agents.llm import ChatContext, FunctionContext
    from lk_agents.media.session_io import SessionIO
    from lk_agents.turns.evidence import Evidence
    from lk_agents.turns.judges import InterruptionStrategy
    from lk_agents.vad import VADEvent
    from lk_agents.voice.live_speech import LiveSpeech
    from lk_agents.voice.options import TurnOptions
    from lk_agents.voice.session_options import Providers, SessionOptions
    from lk_agents.voice.utterance_source import SpeechSource
    from lk_agents.voice.watchdog import DeadAir

__all__ = ["VoiceSession"]


class VoiceSession(SurroundedSession):
    """One conversation. Build it in a running event loop, then :meth:`run` it; :meth:`aclose` ends it.

    What happens is told by ``emit``, with the names of the agent's events.

    :param agent: whom programs know; handed to their callbacks.
    :param chat_ctx: the conversation so far; what is said is appended to it.
    :param emit: tells the program; it must not raise.
    """

    def __init__(
        self,
        agent: Any,
        *,
        providers: Providers,
        options: SessionOptions,
        chat_ctx: ChatContext,
        fnc_ctx: FunctionContext | None,
        io: SessionIO,
        emit: Callable[..., None],
        room_name: str = "",
    ) -> None:
        super().__init__(io, emit)
        self.conversation = Conversation(agent, options, io, emit, self._post, providers, chat_ctx, fnc_ctx)
        self._room_name = room_name
        machine = TurnMachine(options.turn, new_id=_new_id)
        self._machine = machine
        self._driver = TurnDriver(machine, self._execute, on_handled=self._watch_user)
        self._measuring = Measuring(self.conversation)
        self._own_voice = OwnVoice()
        self._attention = Attention(
            Watchdog(timeout_seconds=options.dead_air_timeout),
            on_alarm=self._alarm,
            heard=lambda: self._speeches.heard,
        )
        self._speeches = self._speaker()
        self._answering = Answering(
            self.conversation, self._speeches, self._attention, is_wanted=self._is_wanted, new_id=_new_id
        )
        self._transcript = UserTranscript(io, shown=options.transcription.user_transcription)
        self._hearing = self._listener(providers, options)
        self._judging = Judging(
            detector=providers.detector,
            strategy=providers.strategy,
            own_voice=self._own_voice,
            complete=self._complete,
            post=self._post,
        )
        self._user = UserWatch()
        self._saying = Saying(self.conversation, self._speeches, self._attention, machine=machine, new_id=_new_id)
        self._first_aid = self._helper()

    def _speaker(self) -> Speeches:
        talk, measuring = self.conversation, self._measuring
        return Speeches(
            talk,
            self._attention,
            commits=Commits(talk),
            on_silent=self._audio_over,
            on_finished=measuring.speech_over,
        )

    def _listener(self, providers: Providers, options: SessionOptions) -> Hearing:
        return Hearing(
            vad=providers.vad,
            stt=providers.stt,
            post=lambda event: self._post(self._own_voice.without_tail(event, onset_at=self._machine.turn.onset_at)),
            options=options.hearing,
            on_error=lambda stage, error: self._emit("error", SessionError(stage, error)),
            on_vad_event=self._vad_event,
            on_speech_event=self._transcript.update,
        )

    def _helper(self) -> FirstAid:
        return FirstAid(
            self.conversation,
            self._speeches,
            self._attention,
            restart_stt=self._hearing.restart_stt,
            retry=self._speeches.retry,
            say=self._saying.say_recorded,
            end=self.end,
            measure=self._measuring.dead_air,
        )

    # --- its life ----------------------------------------------------------------------------------------------------

    async def run(self) -> str:
        """Hold the conversation until its surroundings are over, or it is closed; returns why, in words.

        :raises PlayoutError: the agent cannot be made hearable.
        """
        tts = self.conversation.providers.tts
        if not await self._start(sample_rate=tts.sample_rate, num_channels=tts.num_channels):
            return self._ending.result()
        self._state.set("listening")
        announce.session_started(_info(self, self._room_name))
        self._attention.audience(present=False)
        hearing = self._hearing.run(self._io.audio_inputs())
        tasks = [
            self._watched(self._measuring.begin(hearing, name="lk-hearing")),
            self._keep_on(self._read_messages(), name="lk-messages"),
            self._keep_on(self._await_audience(), name="lk-audience"),
            self._keep_on(self._await_end(), name="lk-end"),
        ]
        try:
            return await asyncio.shield(self._ending)
        finally:
            await cancel_and_wait(*tasks)

    async def _close(self) -> None:
        self.end("closed")
        self._attention.close()
        await self._hearing.aclose()
        self._driver.post(s.InterruptAll(clock.monotonic()))
        self._driver.close()
        await self._first_aid.aclose()
        await self._judging.aclose()
        await self._answering.aclose()
        await self._speeches.aclose()
        await self._transcript.aclose()
        self._measuring.close()
        await self._leave()

    # --- for the program ---------------------------------------------------------------------------------------------

    async def say(self, source: SpeechSource, **about: Any) -> SpeechHandle:
        """Say something as soon as nothing that was said before is in its way; see :meth:`Saying.say`."""
        if not await asyncio.shield(self._started) or self._ending.done():
            raise RuntimeError(ENDED)
        return await self._saying.say(source, **about)

    def update_rules(self, rules: TurnOptions, strategy: InterruptionStrategy) -> None:
        """Let other rules of turn-taking count from now on."""
        self._machine.options = rules
        self._judging.strategy = strategy
        self._post(s.Tick(clock.monotonic()))

    def interrupt(self, *, everything: bool = True) -> None:
        """Fall silent at once, whatever may be interrupted or not."""
        self._post(s.InterruptAll(clock.monotonic(), everything=everything))

    # --- what the machine asks for -----------------------------------------------------------------------------------

    def _post(self, event: s.Input) -> None:
        self._driver.post(event)

    def _watch_user(self, event: s.Input) -> None:
        self._attention.user(self._user.after(event, self._machine))

    def _execute(self, command: s.Command) -> None:
        match command:
            case s.BeginReply():
                self._begin_reply(command)
            case s.TurnDecided():
                self._decided(command)
            case s.AskTurnDetector():
                self._judging.ask_about_turn(command)
            case s.AskInterruption():
                self._judging.ask_about_interruption(command)
            case s.ShowState(state, delay):
                self._state.set(state, delay_seconds=delay)
            case s.ReportUserStarted():
                self._emit("user_started_speaking")
            case s.ReportUserStopped():
                self._emit("user_stopped_speaking")
            case _:
                self._move(command)

    def _move(self, command: s.Command) -> None:
        match command:
            case s.PlaySpeech(speech):
                self._speeches.play(speech)
            case s.PauseSpeech(speech):
                self._speeches.pause(speech)
            case s.ResumeSpeech(speech):
                self._speeches.resume(speech)
            case s.StopSpeech(speech):
                self._speeches.stop(speech)
            case s.DropSpeech(speech):
                self._speeches.drop(speech)

    def _begin_reply(self, command: s.BeginReply) -> None:
        live = self._speeches.create(
            command.speech,
            SpeechKind.REPLY,
            turn=command.turn,
            allow_interruptions=self._machine.options.allow_interruptions,
            user_question=command.text,
        )
        live.waterfall = Waterfall(turn=command.turn, speech=command.speech, user_characters=len(command.text))
        live.span = begin_turn_span(command, spoken_until=self._machine.turn.spoken_until)
        live.recipe = lambda: reply_source(self.conversation, live, heard=self._speeches.heard)
        self._speeches.prepare(live)

    def _decided(self, command: s.TurnDecided) -> None:
        self._hearing.utterance_taken()
        live = self._speeches.get(command.speech)
        self._attention.decided(command, has_words=live is not None and bool(live.handle.user_question))
        self._measuring.decided(command, live)
        if live is not None and live.waterfall is not None:
            live.decided = True
            live.waterfall.decided(
                command.decided_at, last_speech_at=command.last_speech_at, last_final_at=command.last_final_at
            )

    # --- speeches ----------------------------------------------------------------------------------------------------

    def _alarm(self, alarm: DeadAir) -> None:
        self._first_aid.alarm(alarm)

    def _audio_over(self, live: LiveSpeech) -> bool:
        self._own_voice.fell_silent("" if live.utterance is None else live.utterance.full_text)
        return self._answering.take(live)

    def _is_wanted(self, speech: str) -> bool:
        entry = self._machine.floor.get(speech)
        return entry is not None and not entry.superseded

    # --- the surroundings --------------------------------------------------------------------------------------------

    async def _await_audience(self) -> None:
        await self._io.wait_for_listener()
        self._attention.audience(present=True)
        self._speeches.audience_came()

    async def _read_messages(self) -> None:
        async for message in self._io.text:
            self._emit("user_message_received", message)
            self._post(s.Typed(clock.monotonic(), message.text))

    def _vad_event(self, event: VADEvent) -> None:
        self._emit("vad_event", event)

    def _complete(self, evidence: Evidence) -> Evidence:
        heard = self._speeches.heard
        utterance = None if heard is None else heard.utterance
        chat_ctx = self.conversation.chat_ctx
        return replace(
            evidence,
            agent_state=self._state.state,
            playout_seconds=None if utterance is None else utterance.played_seconds,
            playout_text="" if utterance is None else utterance.full_text,
            chat_ctx=chat_ctx.copy().append(text=evidence.text, role="user")
            if evidence.final and evidence.text
            else chat_ctx,
            recent_audio=self._hearing.recent_audio,
        )


def _info(session: VoiceSession, room_name: str) -> SessionInfo:
    talk = session.conversation
    providers = talk.providers
    return SessionInfo(
        id=session.id,
        room_name=room_name,
        participant=talk.io.user or "",
        stt=providers.stt.label,
        llm=providers.llm.label,
        tts=providers.tts.label,
        vad=providers.vad.label,
    )


def _new_id() -> str:
    return short_id("SP_")
