"""From the user's audio to what the turn machine is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Final

from lk_agents.foundation import clock
from lk_agents.foundation.log import logger
from lk_agents.media.inputs import read_input
from lk_agents.utils.aio.tasks import TaskSet
from lk_agents.voice.hearing_clock import HearingClock
from lk_agents.voice.hearing_memory import HearingMemory
from lk_agents.voice.hearing_recorded import RecordedUnderstanding
from lk_agents.voice.hearing_sound import SoundUnderstanding
from lk_agents.voice.hearing_streamed import StreamedUnderstanding
from lk_agents.voice.hearing_understanding import HearingOptions, HearingStage, Reports, Understanding, tell_nobody
from lk_agents.voice.hearing_voice import VoiceFollower

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.media.protocols import AudioIn
    from lk_agents.stt import STT, SpeechEvent
    from lk_agents.utils.audio import Resampler
    from lk_agents.vad import VAD, VADEvent
    from lk_agents.voice.signals import Input

__all__ = ["Hearing", "HearingOptions", "HearingStage"]

SAMPLE_RATE: Final = 16_000
RECENT_SECONDS: Final = 8.0
QUIET_SECONDS: Final = 0.5
"""Without a frame for so long, nobody is heard any more."""
LATE_SECONDS: Final = 0.1
"""Who wakes up so much too late was not the only one who was kept waiting."""
CLOSE_SECONDS: Final = 5.0
ROUNDING_SECONDS: Final = 1e-6


class Hearing:
    """Listens to one voice input after the other, and posts what the turn machine has to know.

    Every frame goes to the recogniser and to the detector once, mono at 16 kHz; audio of another kind is converted
    before. When an input ends, or gives no frame for 0.5 s, what the user was saying is over, and the recogniser is
    told to work off what it has. Providers that fail are reported and asked again, as often as it takes. Build it in
    a running event loop.

    :param vad: finds the speech.
    :param stt: understands it; one that cannot listen is asked about recordings, by way of the same detector. None
        where nobody needs the words: it is told that something was said.
    :param post: told every input of the turn machine, in order, on the event loop. It must not wait.
    :param options: how the user is listened to.
    :param on_error: told that a provider has failed for good, and with what: another stream is opened later, or the
        next recording is tried.
    :param on_vad_event: told every event of the detector, before what follows from it is posted.
    :param on_speech_event: told every event of the recogniser, before what follows from it is posted, with the key that
        the transcript has, or will have once it is final: a later transcript of the same key replaces it.
    """

    def __init__(
        self,
        *,
        vad: VAD,
        stt: STT | None,
        post: Callable[[Input], None],
        options: HearingOptions | None = None,
        on_error: Callable[[HearingStage, Exception], None] = tell_nobody,
        on_vad_event: Callable[[VADEvent], None] = tell_nobody,
        on_speech_event: Callable[[SpeechEvent, int], None] = tell_nobody,
    ) -> None:
        reports = Reports(post=post, error=on_error, speech_event=on_speech_event)
        self._sounding = asyncio.Event()
        self._memory = HearingMemory()
        self._timing = HearingClock()
        self._understanding = _understanding(stt, self._memory, options or HearingOptions(), reports)
        self._voice = VoiceFollower(
            vad,
            memory=self._memory,
            timing=self._timing,
            understanding=self._understanding,
            reports=reports,
            on_event=on_vad_event,
            on_voice=self._sounding.set,
        )
        self._converter: Resampler | None = None
        self._heard_at = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._closings = TaskSet()
        self._closer: asyncio.Task[None] | None = None

    async def run(self, inputs: AsyncIterator[AudioIn]) -> None:
        """Listen until :meth:`aclose`; call it once. The inputs are closed when they end, or when this does.

        Providers that fail never end it; what ``post`` or another callback raises does, and is raised here. Cancelled,
        it closes as :meth:`aclose` does.

        :raises RuntimeError: it was called before.
        """
        if self._tasks:
            raise RuntimeError("this Hearing listens, or has listened, already: make another one")
        if self._closer is not None:
            return
        try:
            async with asyncio.TaskGroup() as group:
                for name, work in (
                    ("text", self._understanding.run()),
                    ("voice", self._voice.run()),
                    ("quiet", self._watch_for_quiet()),
                    ("inputs", self._read(inputs)),
                ):
                    self._tasks.append(group.create_task(work, name=f"lk-hearing-{name}"))
        except BaseExceptionGroup as errors:
            if len(errors.exceptions) == 1:
                raise errors.exceptions[0] from None  # the plain error, as whoever calls expects it
            raise
        finally:
            await self.aclose()

    def utterance_taken(self) -> None:
        """Note that the turn was decided: what is said from now on is another utterance."""
        if self._closer is None:
            self._understanding.taken()

    def restart_stt(self) -> None:
        """Let the recogniser begin anew, with the audio since its last final transcript, 10 s of it at most."""
        if self._closer is None:
            self._understanding.restart()

    def recent_audio(self) -> Sequence[rtc.AudioFrame]:
        """Return the last 8 s of what was heard, mono at 16 kHz; the frames are shared, do not change them."""
        return self._memory.since(self._memory.position - RECENT_SECONDS)[1]

    async def aclose(self) -> None:
        """Stop listening, at once; 5 s at the longest. Any number of times. Cancelled, it is closed all the same."""
        if self._closer is None:
            for task in self._tasks:
                task.cancel()
            self._closer = asyncio.create_task(self._close(), name="lk-close-hearing")
        await asyncio.shield(self._closer)

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                if self._tasks:
                    await asyncio.wait(self._tasks)
                for part in (self._understanding, self._voice, self._closings):
                    await part.aclose()
        except TimeoutError:
            logger.warning("hearing does not close: a provider or an input does not end")

    # --- inputs ------------------------------------------------------------------------------------------------------

    async def _read(self, inputs: AsyncIterator[AudioIn]) -> None:
        async for audio_in in inputs:
            self._timing.begin_anew()
            try:
                await read_input(audio_in, self._take)
            finally:
                self._closings.create_task(audio_in.aclose(), name="lk-close-input")
            if self._converter is not None:
                for frame in self._converter.flush():
                    self._pass_on(frame)
            await self._voice.catch_up()
            self._pause()

    def _take(self, frame: rtc.AudioFrame) -> None:
        self._heard_at = clock.monotonic()
        self._sounding.set()
        self._timing.heard(frame.samples_per_channel / frame.sample_rate, self._heard_at)
        if self._converter is None:
            if frame.sample_rate == SAMPLE_RATE and frame.num_channels == 1:
                self._pass_on(frame)
                return
            from lk_agents.utils.audio import Resampler

            self._converter = Resampler(SAMPLE_RATE, mono=True, quality="medium")
        for each in self._converter.push(frame):
            self._pass_on(each)

    def _pass_on(self, frame: rtc.AudioFrame) -> None:
        self._memory.add(frame)
        self._understanding.push(frame)
        self._voice.push(frame)

    # --- silence without audio ---------------------------------------------------------------------------------------

    async def _watch_for_quiet(self) -> None:
        """End what is open when no frame comes any more: a muted track gives none."""
        while True:
            await self._sounding.wait()
            if await self._is_quiet():
                self._sounding.clear()
                self._pause()

    async def _is_quiet(self) -> bool:
        """Wait until it may be quiet, and tell whether it is."""
        due = self._heard_at + QUIET_SECONDS
        await asyncio.sleep(max(due - clock.monotonic(), 0.0))
        if clock.monotonic() - due > LATE_SECONDS:  # the loop was blocked: frames may be waiting to be read
            await asyncio.sleep(LATE_SECONDS)
        await self._voice.catch_up()
        return clock.monotonic() - self._heard_at >= QUIET_SECONDS - ROUNDING_SECONDS

    def _pause(self) -> None:
        self._voice.end()
        self._understanding.paused()


def _understanding(stt: STT | None, memory: HearingMemory, options: HearingOptions, reports: Reports) -> Understanding:
    if stt is None:
        return SoundUnderstanding(reports)
    kind = StreamedUnderstanding if stt.capabilities.streaming else RecordedUnderstanding
    return kind(stt, memory=memory, options=options, reports=reports)
