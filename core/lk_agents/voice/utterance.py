"""One speech from its source to what was heard of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from lk_agents.foundation.log import logger
from lk_agents.llm.stream import LLMStream
from lk_agents.media.playout import Playout
from lk_agents.voice.speech_handle import SpeechOutcome
from lk_agents.voice.stages import Stage
from lk_agents.voice.utterance_production import Production, RecordedAudio
from lk_agents.voice.utterance_progress import FailedPart, Progress
from lk_agents.voice.utterance_source import BeforeTTS, SpeechSource
from lk_agents.voice.utterance_text import Transcript

if TYPE_CHECKING:
    from lk_agents.llm import FunctionCallInfo
    from lk_agents.transcription import Alignment
    from lk_agents.voice.utterance_voice import AgentVoice

__all__ = ["FailedPart", "RecordedAudio", "SpeechSource", "Utterance"]

CLOSE_SECONDS: Final = 15.0
"""How long closing waits for a model, a synthesizer and a sink to end, each of which has limits of its own."""


def _ignore(*_: object) -> None:
    return


class Utterance:
    """The audio of one speech. Text is read and spoken from the moment on at which it is made; it is heard from
    :meth:`play` on.

    Up to 30 s of audio gather ahead of what is heard, then the synthesizer waits. What fails on the way is kept in
    :attr:`error`; what was synthesized until then is heard all the same. Callbacks are called in the event loop, and
    never from within a method of this class.

    Build it in a running event loop, and close it.

    :param source: what is said: a text, the answer of a model, or pieces of text; with ``audio``, its transcript.
    :param voice: what speaks it, and where. Several utterances may be prepared; one is heard at a time.
    :param audio: a recording of it, which is played instead of synthesizing.
    :param before_tts: changes what is spoken, and not what is shown or remembered.
    :param on_ready: called once, when the first audio is there, or when it is known that there will be none
        (:attr:`has_audio` tells which).
    :param on_silent: called once, when it was played and its audio is over, or when it was stopped. Unless it was, its
        text and its calls are complete then.
    :param on_stage: told when each stage is reached.
    :param on_function_call: called once, at the first call that the model asks for.
    """

    def __init__(
        self,
        source: SpeechSource,
        *,
        voice: AgentVoice,
        audio: RecordedAudio | None = None,
        before_tts: BeforeTTS | None = None,
        on_ready: Callable[[], None] = _ignore,
        on_silent: Callable[[], None] = _ignore,
        on_stage: Callable[[Stage, float], None] = _ignore,
        on_function_call: Callable[[], None] = _ignore,
    ) -> None:
        self._source = source
        self._on_silent = on_silent
        self._progress = Progress(on_ready=on_ready, on_stage=on_stage, on_function_call=on_function_call)
        self._transcript = Transcript(voice)
        self._playout = Playout(voice.sink)
        self._playout.pause()  # it gathers what is pushed
        self._is_silent = self._validated = self._interrupted = self._is_paused = False
        self._production = Production(
            source,
            voice=voice,
            audio=audio,
            before_tts=before_tts,
            transcript=self._transcript,
            playout=self._playout,
            progress=self._progress,
        )
        loop = asyncio.get_running_loop()
        self._starting = loop.create_task(self._await_start(), name="lk-speech-start")
        self._ending = loop.create_task(self._await_end(), name="lk-speech-end")

    # --- what there is, and what was heard of it ---------------------------------------------------------------------

    @property
    def validated(self) -> bool:
        """Whether :meth:`play` was called."""
        return self._validated

    @property
    def interrupted(self) -> bool:
        """Whether it was stopped before it was over."""
        return self._interrupted

    @property
    def is_ready(self) -> bool:
        """Whether its first audio is there, or it is known that it has none."""
        return self._progress.is_ready

    @property
    def is_silent(self) -> bool:
        """Whether its audio is over."""
        return self._is_silent

    @property
    def is_complete(self) -> bool:
        """Whether all of it was heard: nothing was cut, nothing has failed."""
        return self.outcome is SpeechOutcome.FINISHED

    @property
    def has_audio(self) -> bool:
        """Whether there is any audio, so far."""
        return self.prepared_seconds > 0

    @property
    def prepared_seconds(self) -> float:
        """How much audio there is so far, heard or not."""
        return self._playout.pushed_seconds

    @property
    def has_unplayed_audio(self) -> bool:
        """Whether there is audio that was not heard."""
        return self._playout.pushed_seconds > self._playout.played_seconds

    @property
    def error(self) -> Exception | None:
        """What has failed first."""
        return self._progress.error

    @property
    def failed_part(self) -> FailedPart | None:
        """Which part of it that was."""
        return self._progress.failed_part

    @property
    def outcome(self) -> SpeechOutcome | None:
        """How it has ended; None until it is silent."""
        if not self._is_silent:
            return None
        if self._progress.error is not None:
            return SpeechOutcome.FAILED
        if self._interrupted:
            return SpeechOutcome.INTERRUPTED if self._validated else SpeechOutcome.CANCELLED
        return SpeechOutcome.FINISHED if self.has_audio else SpeechOutcome.EMPTY

    @property
    def full_text(self) -> str:
        """All of its text, as far as it has come; as it was written."""
        return self._transcript.full_text

    @property
    def played_seconds(self) -> float:
        """How much of it was heard."""
        return self._playout.played_seconds

    @property
    def played_text(self) -> str:
        """The words of it that were heard; all of its text, without white space at the ends, once all was heard."""
        return self._transcript.heard(self.played_seconds) if self._validated else ""

    @property
    def alignment(self) -> Alignment:
        """How :attr:`played_text` is known: ``"words"``, by their times, or ``"estimate"``."""
        return self._transcript.alignment

    @property
    def stages(self) -> Mapping[Stage, float]:
        """When each stage was reached."""
        return self._progress.stages

    @property
    def first_audio_at(self) -> float | None:
        """When its first audio came."""
        return self.stages.get(Stage.FIRST_AUDIO)

    @property
    def has_function_calls(self) -> bool:
        """Whether the model has asked for calls, so far."""
        return self._progress.has_function_calls

    @property
    def function_calls(self) -> list[FunctionCallInfo]:
        """The calls that the model has asked for; all of them once it is silent, unless it was stopped."""
        return self._source.function_calls if isinstance(self._source, LLMStream) else []

    # --- moving it ---------------------------------------------------------------------------------------------------

    def play(self) -> None:
        """Let it be heard, from its start, now or as soon as there is audio. Nothing happens if it is played already.

        :raises RuntimeError: it was stopped.
        """
        if self._interrupted:
            raise RuntimeError("this speech was stopped: it cannot be heard any more")
        if not self._validated:
            self._validated = True
            self._playout.resume()

    def pause(self) -> None:
        """Fall silent at once; :meth:`resume` goes on. Nothing happens unless it is being heard."""
        if self._validated and not self._is_paused and not self._playout.done:
            self._is_paused = True
            self._playout.pause()
            self._transcript.paused()

    def resume(self) -> None:
        """Go on at the start of the last word, or, where that is not known, at the very sample. Only after a pause."""
        if self._is_paused and not self._playout.done:
            self._is_paused = False
            self._playout.resume()
            self._transcript.resumed()

    def stop(self) -> None:
        """End it at once, played or not: what was heard is fixed, and nobody is asked for anything more.

        Nothing happens once it is over.
        """
        if self._is_silent or self._interrupted:
            return
        self._interrupted = not self._playout.done
        self._playout.stop()
        if self._interrupted:
            self._transcript.fix(self.played_seconds, whole=False)
        self._production.stop()

    async def aclose(self) -> None:
        """Stop it, and wait until all that has ended, 15 s at the longest. Any number of times.

        Cancelled itself, it stops waiting; it is stopped all the same.
        """
        self.stop()
        _, pending = await asyncio.wait([self._ending, self._starting], timeout=CLOSE_SECONDS)
        if pending:
            logger.warning("a speech does not end although it was stopped")
            for task in pending:
                task.cancel()

    # --- what happens to it ------------------------------------------------------------------------------------------

    async def _await_start(self) -> None:
        await self._playout.started.wait()
        self._note_start()

    def _note_start(self) -> None:
        if self._progress.reach(Stage.FIRST_PLAYED):
            self._transcript.started(lambda: self._playout.played_seconds)

    async def _await_end(self) -> None:
        try:
            await self._hear()
        finally:
            self._is_silent = True
            self._starting.cancel()
            try:
                self._on_silent()
            except Exception:  # noqa: BLE001  all that is open must be closed
                logger.exception("nobody takes note of the end of a speech")
        await self._production.aclose()
        await self._transcript.aclose()
        await self._playout.aclose()

    async def _hear(self) -> None:
        """Wait until it is over, and keep what was heard."""
        try:
            is_heard = await self._playout.wait_for_playout()
        except Exception as error:  # noqa: BLE001  of the sink
            is_heard = False
            self._progress.fail("playout", error)
            self._production.stop()
        if self._playout.started.is_set():
            self._note_start()
            self._progress.reach(Stage.LAST_PLAYED)
        if is_heard:
            await self._production.wait()  # the text may go on behind the audio
        if not self._interrupted:
            self._transcript.fix(self.played_seconds, whole=is_heard and self._production.is_whole)
