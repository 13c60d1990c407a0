"""The speeches of a conversation while they live: begun, heard, written into the context, and ended exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from lk_agents.foundation import clock
from lk_agents.foundation.errors import LkAgentsError
from lk_agents.foundation.log import logger
from lk_agents.utils.aio.tasks import cancel_and_wait, failure_of
from lk_agents.voice import signals as s
from lk_agents.voice.conversation import ErrorStage, SessionError, Talk, within_speech
from lk_agents.voice.live_speech import LiveSpeech
from lk_agents.voice.records import Mark
from lk_agents.voice.speech_handle import SpeechHandle, SpeechOutcome
from lk_agents.voice.utterance import Utterance
from lk_agents.voice.utterance_voice import AgentVoice

if TYPE_CHECKING:
    from lk_agents.voice.attention import Attention
    from lk_agents.voice.commits import Committing
    from lk_agents.voice.signals import SpeechKind
    from lk_agents.voice.stages import Stage
    from lk_agents.voice.utterance_production import RecordedAudio
    from lk_agents.voice.utterance_progress import FailedPart
    from lk_agents.voice.utterance_source import SpeechSource

__all__ = ["Speeches"]

CLOSE_SECONDS = 5.0
_STAGES: dict[FailedPart, ErrorStage] = {"text": "llm", "callback": "callback", "audio": "tts", "playout": "playout"}
_MARKS = {mark.value: mark for mark in Mark}


class Speeches:
    """Owns every speech from its beginning to its end. What the turn machine asks for is done here, at once.

    :param attention: told how each speech comes along.
    :param commits: writes down what was said.
    :param on_silent: called when the audio of a speech that was let play is over and what was heard is written down;
        returns True where the speech goes on, with functions to call, and is concluded later.
    :param on_finished: called when a speech is over with all that belongs to it.
    """

    def __init__(
        self,
        conversation: Talk,
        attention: Attention,
        *,
        commits: Committing,
        on_silent: Callable[[LiveSpeech], bool],
        on_finished: Callable[[LiveSpeech], None],
    ) -> None:
        self._conversation = conversation
        self._attention = attention
        self._on_silent = on_silent
        self._on_finished = on_finished
        self._commits = commits
        self._live: dict[str, LiveSpeech] = {}
        self._audience = False
        self._waiting: list[LiveSpeech] = []
        self._closing: set[asyncio.Task[None]] = set()

    # --- looking -----------------------------------------------------------------------------------------------------

    def get(self, speech: str) -> LiveSpeech | None:
        """Return a speech that lives."""
        return self._live.get(speech)

    @property
    def heard(self) -> LiveSpeech | None:
        """The speech that was let play and is not over."""
        return next((live for live in self._live.values() if live.playing and not live.handle_is_silent), None)

    # --- beginning ---------------------------------------------------------------------------------------------------

    def create(self, speech: str, kind: SpeechKind, *, turn: int, **about: Any) -> LiveSpeech:
        """Register a new speech; ``about`` goes to its handle."""
        handle = SpeechHandle(id=speech, kind=kind, cancel=self._cancel_asked, **about)
        live = self._live[speech] = LiveSpeech(handle, turn)
        return live

    def prepare(self, live: LiveSpeech) -> None:
        """Begin to find out what a speech says, by its ``recipe``, and then to speak it."""
        live.task = asyncio.get_running_loop().create_task(self._prepare(live), name=f"lk-prepare {live.id}")

    def speak(self, live: LiveSpeech, source: SpeechSource, *, audio: RecordedAudio | None = None) -> None:
        """Begin to make the audio of a speech."""
        talk, io = self._conversation, self._conversation.io
        before = talk.options.before_tts
        transcription = talk.options.transcription
        with within_speech(self._conversation, live.id, live.span):
            utterance = Utterance(
                source,
                voice=AgentVoice(
                    tts=talk.tts,
                    sink=io.audio_out,
                    transcription=transcription,
                    text_io=io.text if transcription.agent_transcription else None,
                    participant=io.agent,
                    track=io.agent_track,
                ),
                audio=audio,
                before_tts=None if before is None else partial(before, talk.agent),
                on_ready=lambda: self._if_its(live, utterance, self._ready),
                on_silent=lambda: self._if_its(live, utterance, self._silent),
                on_stage=lambda stage, at: self._if_its(live, utterance, self._stage, stage, at),
                on_function_call=lambda: self._if_its(live, utterance, self._commits.question),
            )
        live.utterance = utterance
        live.handle.initialize(source, utterance)

    def audience_came(self) -> None:
        """Somebody hears the agent from now on; what is ready may be heard."""
        self._audience = True
        waiting, self._waiting = self._waiting, []
        for live in waiting:
            self._ready(live)

    # --- what the turn machine asks for ------------------------------------------------------------------------------

    def play(self, speech: str) -> None:
        """Let a speech be heard."""
        if (live := self._live.get(speech)) is None or live.utterance is None or live.utterance.interrupted:
            return
        live.playing = True
        live.utterance.play()
        self._commits.watch_question(live)

    def pause(self, speech: str) -> None:
        """Let it fall silent."""
        if (live := self._live.get(speech)) is not None and live.utterance is not None:
            live.utterance.pause()
            self._attention.paused(live)
            self._fall_silent(live)

    def resume(self, speech: str) -> None:
        """Let it go on."""
        if (live := self._live.get(speech)) is not None and live.utterance is not None:
            live.utterance.resume()
            self._attention.resumed(live)
            self._sound(live)

    def stop(self, speech: str) -> None:
        """End it, heard or not."""
        live = self._live.get(speech)
        if live is None:
            return
        if live.utterance is not None:
            live.utterance.stop()
            self._fall_silent(live)
        else:
            self.end_unheard(live, SpeechOutcome.CANCELLED)

    def drop(self, speech: str) -> None:
        """End one that was not heard; what its functions did stays known."""
        if (live := self._live.get(speech)) is not None:
            self._commits.tools(live)
            self.stop(speech)

    # --- ending ------------------------------------------------------------------------------------------------------

    def give_up(self, live: LiveSpeech, error: Exception) -> None:
        """End a speech that does not come along: it has failed."""
        live.given_up = error
        if live.utterance is not None and not live.utterance.is_silent:
            live.utterance.stop()
        elif live.utterance is None:
            self.end_unheard(live, SpeechOutcome.FAILED, error)
        else:
            self._conversation.post(s.SpeechCancelled(clock.monotonic(), live.id, nested=True))

    def retry(self, live: LiveSpeech) -> bool:
        """Make a speech of which nothing was heard anew; tells whether it can be."""
        if live.playing or live.recipe is None:
            return False
        if live.task is not None:
            live.task.cancel()
        before, live.utterance = live.utterance, None
        live.handle.withdraw()
        if before is not None:
            before.stop()
            self._close_later(before)
        if live.waterfall is not None:
            live.waterfall.restarted()
        self._attention.restarted(live)
        self.prepare(live)
        return True

    def end_unheard(self, live: LiveSpeech, outcome: SpeechOutcome, error: Exception | None = None) -> None:
        """End a speech that has no audio."""
        if live.task is not None and live.task is not asyncio.current_task():
            live.task.cancel()
        self._conversation.post(s.SpeechSilent(clock.monotonic(), live.id))
        self.conclude(live, outcome, error)

    def conclude(self, live: LiveSpeech, outcome: SpeechOutcome, error: Exception | None = None) -> None:
        """Nothing more is done for a speech; it is over when those under it are."""
        if live.concluded:
            return
        live.concluded = True
        self._conversation.post(s.SpeechClosed(clock.monotonic(), live.id))
        self._attention.closed(live)
        under = [each for each in live.handle.nested_speech_handles if not each.done]
        if under:
            self._spawn(self._finish_after(live, under, outcome, error), f"lk-finish {live.id}")
        else:
            self._finish(live, outcome, error)

    async def aclose(self) -> None:
        """End all speeches, 5 s at the longest. Any number of times.

        Cancelled, it stops waiting; they end all the same.
        """
        for live in self._live.values():
            if live.task is not None:
                live.task.cancel()
                self._closing.add(live.task)
            if live.utterance is not None:
                self._close_later(live.utterance)
        try:
            if self._closing:
                await asyncio.wait(set(self._closing), timeout=CLOSE_SECONDS)
        finally:
            for live in list(self._live.values()):
                self._finish(live, SpeechOutcome.INTERRUPTED if live.playing else SpeechOutcome.CANCELLED, None)
        await cancel_and_wait(*self._closing)

    # --- what utterances tell ----------------------------------------------------------------------------------------

    @staticmethod
    def _if_its(live: LiveSpeech, utterance: Utterance, call: Callable[..., None], *args: Any) -> None:
        """Pass on what an utterance tells, unless another one has taken its place."""
        if live.utterance is utterance:
            call(live, *args)

    def _ready(self, live: LiveSpeech) -> None:
        if not self._audience:
            self._waiting.append(live)
        elif live.utterance is not None and not live.utterance.is_silent:
            audible = live.utterance.has_audio
            self._conversation.post(s.AudioReady(clock.monotonic(), live.id, audible=audible))

    def _stage(self, live: LiveSpeech, stage: Stage, at: float) -> None:
        mark = _MARKS.get(stage.value)
        if mark is None:
            return
        if live.waterfall is not None:
            live.waterfall.mark(mark, at)
        self._attention.mark(live, mark, at)
        if mark is Mark.FIRST_PLAYED:
            self._sound(live)

    def _silent(self, live: LiveSpeech) -> None:
        """The audio of a speech is over: write down what was heard, then let the next one begin."""
        utterance = live.utterance
        assert utterance is not None
        assert utterance.outcome is not None
        live.cancel_timer()
        live.handle.mark_playout_done()
        self._fall_silent(live)
        self._attention.silent(live)
        if utterance.error is not None and utterance.failed_part is not None:
            self._tell_error(_STAGES[utterance.failed_part], utterance.error, live)
        if live.playing:
            self._commits.question(live, finished=not utterance.interrupted)
            self._commits.speech(live, utterance)
        self._conversation.post(s.SpeechSilent(clock.monotonic(), live.id))
        if not (live.playing and self._on_silent(live)):
            self.conclude(live, utterance.outcome, utterance.error)

    # --- small things ------------------------------------------------------------------------------------------------

    async def _prepare(self, live: LiveSpeech) -> None:
        assert live.recipe is not None
        try:
            with within_speech(self._conversation, live.id, live.span):
                source = await live.recipe()
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  of the program's callback, or a provider
            failure = failure_of(error)
            self._tell_error(live.asks, failure, live)
            self.end_unheard(live, SpeechOutcome.FAILED, failure)
            return
        if source is None:  # the program wants no reply: what was said is settled
            self._conversation.post(s.UserCommitted(clock.monotonic(), live.id))
            self.end_unheard(live, SpeechOutcome.CANCELLED)
        elif not live.handle.interrupted:
            self.speak(live, source)

    def _sound(self, live: LiveSpeech) -> None:
        if not live.sounding:
            live.sounding = True
            self._conversation.emit("agent_started_speaking")

    def _fall_silent(self, live: LiveSpeech) -> None:
        if live.sounding:
            live.sounding = False
            self._conversation.emit("agent_stopped_speaking")

    def _tell_error(self, stage: ErrorStage, error: Exception, live: LiveSpeech) -> None:
        logger.warning(
            "a speech has failed",
            extra={"stage": stage, "speech": live.id, "error": type(error).__name__},
            exc_info=None if isinstance(error, LkAgentsError) else error,
        )
        self._conversation.emit("error", SessionError(stage, error, live.id))

    def _cancel_asked(self, handle: SpeechHandle, nested: bool) -> None:
        self._conversation.post(s.SpeechCancelled(clock.monotonic(), handle.id, nested=nested))

    def _finish(self, live: LiveSpeech, outcome: SpeechOutcome, error: Exception | None) -> None:
        if self._live.pop(live.id, None) is None:
            return
        live.cancel_timer()
        failed = live.given_up is not None
        live.handle.finish(SpeechOutcome.FAILED if failed else outcome, error=live.given_up or error)
        if live.utterance is not None:
            self._close_later(live.utterance)
        self._on_finished(live)

    async def _finish_after(
        self, live: LiveSpeech, under: list[SpeechHandle], outcome: SpeechOutcome, error: Exception | None
    ) -> None:
        for each in under:
            await each.join()
        self._finish(live, outcome, error)

    def _close_later(self, utterance: Utterance) -> None:
        self._spawn(utterance.aclose(), "lk-close-speech")

    def _spawn(self, coroutine: Any, name: str) -> None:
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
