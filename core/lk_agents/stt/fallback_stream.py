"""The stream of a fallback adapter: one member listens at a time, and the next one takes over where it stood."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Final

from lk_agents.foundation import clock
from lk_agents.foundation.errors import APIConnectionError, APIError, APITimeoutError, StreamInputError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.streams.inputs import FlushSentinel
from lk_agents.streams.watch import Owed
from lk_agents.stt.events import has_text
from lk_agents.stt.patience import Patience, TooSlowError
from lk_agents.stt.stream import GOOD_SECONDS, RecognizeStream
from lk_agents.stt.stream_adapter import StreamAdapterWrapper
from lk_agents.stt.trials import Trials
from lk_agents.stt.voices import Voices
from lk_agents.utils.aio.tasks import cancel_and_wait

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.streams.fallback import Members
    from lk_agents.stt.fallback import FallbackMember
    from lk_agents.stt.recognizer import STT
    from lk_agents.vad.detector import VAD

__all__ = ["FallbackRecognizeStream"]


ROUND_PAUSE_SECONDS: Final = 0.1


class FallbackRecognizeStream(RecognizeStream):
    """Made by ``FallbackAdapter.stream()``, which says what it does.

    :param stt: the adapter.
    :param members: who can be asked.
    :param live: all streams of the adapter that are live; this one enters itself.
    :param language: what is spoken; None for the members' own setting.
    :param conn_options: the adapter's own retries.
    :param vad: hears whether somebody speaks; None to know it from the members alone.
    :param member_options: those of the members; the timeout is also how long a member may be slow.
    """

    _measures: ClassVar[bool] = False

    def __init__(
        self,
        stt: STT,
        *,
        members: Members[FallbackMember],
        live: list[FallbackRecognizeStream],
        language: str | None,
        conn_options: APIConnectOptions,
        member_options: APIConnectOptions,
        vad: VAD | None = None,
    ) -> None:
        self._members = members
        self._live = live
        self._spoken_language = language
        self._member_options = member_options
        self._patience_seconds = member_options.timeout
        self._patience: Patience | None = None
        self._vad = vad
        self._voices: Voices | None = None
        self._voice: tuple[float, bool] | None = None  # what a detector has heard and nobody has understood yet
        self._asked: list[FallbackMember] = []
        self.trials = Trials(self._patience_seconds)
        """Where members that failed are given this stream's audio."""
        super().__init__(stt=stt, conn_options=conn_options)
        live.append(self)

    def end_input(self) -> None:
        """Flush, and say that nothing more comes; the stream ends by itself when everything is worked off.

        :raises StreamInputError: the input, or the stream, had ended before.
        """
        super().end_input()
        self.trials.end()

    # --- one member after the other ----------------------------------------------------------------------------------

    def _owed(self) -> Owed | None:
        return None  # it is the members who owe something

    async def _run(self) -> None:
        try:
            await self._ask_in_rounds()
        finally:
            if self._voices is not None:
                await self._voices.aclose()

    async def _ask_in_rounds(self) -> None:
        while True:
            self._asked.clear()
            began_at = clock.monotonic()
            finals, given = self._transcript_log.finals, self._audio_usage.given_seconds
            try:
                return await self._members.first(self._listen, probe=self._probe)
            except APIError:
                lasted = clock.monotonic() - began_at >= GOOD_SECONDS
                understood = self._transcript_log.finals > finals
                worked = (understood or lasted) and self._audio_usage.given_seconds > given
                if not worked and not self._somebody_else():
                    raise
            await asyncio.sleep(ROUND_PAUSE_SECONDS)  # somebody has worked for a while: everybody gets a new chance

    async def _listen(self, member: FallbackMember) -> None:
        """Let one member listen, from the first audio that no final has told of, until the end."""
        self._asked.append(member)
        self._attempt_begins()
        stream = member.listener.stream(language=self._spoken_language, conn_options=self._member_options)
        if isinstance(stream, StreamAdapterWrapper):
            stream.limit_recognition(self._patience_seconds)
        self._patience = Patience(self._patience_seconds, gives_interims=member.listener.capabilities.interim_results)
        if self._transcript_log.unsettled:
            self._speech_is_known()  # in the audio that this one is given again
        elif self._voice is not None:
            self._on_voice(*self._voice)
        hearing = asyncio.create_task(self._hear(member, stream, self._patience), name=f"lk-stt-hear {member.label}")
        giving = asyncio.create_task(self._give(member, stream, self._patience), name=f"lk-stt-give {member.label}")
        try:
            done, _ = await asyncio.wait({hearing, giving}, return_when=asyncio.FIRST_COMPLETED)
            if hearing not in done:
                giving.result()
            await hearing
        finally:
            self._patience = None
            await cancel_and_wait(hearing, giving)
            await stream.aclose()

    async def _hear(self, member: FallbackMember, stream: RecognizeStream, patience: Patience) -> None:
        """Hand on what a member tells, until its end."""
        while True:
            try:
                event = await patience.next_event(stream)
            except TooSlowError as error:
                if patience.only_suspects and not self._somebody_else():
                    patience.forgive()
                    continue
                raise APITimeoutError(f"{member.label} has told nothing for {self._patience_seconds:g} s").located(
                    provider=member.label, phase="first_output"
                ) from error
            if event is None:
                break
            patience.heard(event)
            if has_text(event):
                self._voice = None
            await self._event_ch.send(event)
        if self._input_ch.has_audio() or not self._input_ch.closed:
            raise APIConnectionError(f"{member.label} has ended before its input").located(
                provider=member.label, phase="receive"
            )

    async def _give(self, member: FallbackMember, stream: RecognizeStream, patience: Patience) -> None:
        """Give a member the input, each piece when it has taken the one before: what waits, waits here."""
        try:
            async for item in self._input_ch:
                async with asyncio.timeout(self._patience_seconds):
                    if isinstance(item, FlushSentinel):
                        stream.flush()
                    else:
                        stream.push_frame(item)
                    await stream._input_ch.wait_until_taken()  # noqa: SLF001  it is one of ours
            stream.end_input()
        except StreamInputError:
            return  # it has ended: whoever hears it learns why
        except TimeoutError as error:
            raise APITimeoutError(f"{member.label} has taken no audio for {self._patience_seconds:g} s").located(
                provider=member.label, phase="send"
            ) from error
        patience.input_ended()

    def _somebody_else(self) -> bool:
        """Tell whether a member is available that has not been asked in this round."""
        return any(self._members.is_available(member) for member in self._members if member not in self._asked)

    # --- members on trial --------------------------------------------------------------------------------------------

    def _enqueue(self, frame: rtc.AudioFrame) -> None:
        super()._enqueue(frame)
        self.trials.push(frame)
        if self._vad is not None and self._voices is None:
            self._voices = Voices(self._vad, on_voice=self._on_voice, label=self._label)
        if self._voices is not None:
            self._voices.push(frame)

    def _flush(self) -> None:
        super()._flush()
        self.trials.flush()

    async def _probe(self, member: FallbackMember) -> None:
        """Return when a member that failed has understood something of what is live; raise if it cannot."""
        for stream in (self, *self._live):
            if not stream.trials.ended:
                return await stream.let_try(member)
        raise APIConnectionError(f"no stream is live whose audio {member.label} could be tried with")

    async def let_try(self, member: FallbackMember) -> None:
        """Return when a member has understood something of this stream's audio; raise if it cannot."""
        options = replace(self._member_options, max_retry=0)
        stream = member.listener.stream(language=self._spoken_language, conn_options=options)
        await self.trials.pass_trial(stream, label=member.label, on_text=self._speech_is_known)

    def _speech_is_known(self) -> None:
        if self._patience is not None:
            self._patience.speech_is_known()

    def _on_voice(self, since: float, is_over: bool) -> None:
        self._voice = since, is_over
        if self._patience is not None:
            self._patience.voice_is_heard(since, is_over=is_over)

    def _finished(self, *, cancelled: bool, error: BaseException | None) -> None:
        super()._finished(cancelled=cancelled, error=error)
        self._live.remove(self)
        if cancelled or error is not None:
            self.trials.abandon()
        else:
            self.trials.end()
