"""Text from a recogniser of recordings, which is asked about what the user has said as soon as there is a pause."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from lk_agents.foundation import clock
from lk_agents.foundation.errors import APIError
from lk_agents.foundation.log import logger
from lk_agents.voice.hearing_understanding import Understanding, best_of
from lk_agents.voice.signals import Final, RecognitionClosed, RecognitionOpened
from lk_agents.voice.speculation import (
    CloseRecognition,
    DropRecognition,
    OpenRecognition,
    Recognise,
    Speculation,
    SpeculationCommand,
)

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.stt import STT, SpeechEvent
    from lk_agents.voice.hearing_memory import HearingMemory
    from lk_agents.voice.hearing_understanding import HearingOptions, Reports

__all__ = ["RecordedUnderstanding"]


class RecordedUnderstanding(Understanding):
    """Asks when :class:`Speculation` says so, about audio from the memory."""

    def __init__(self, stt: STT, *, memory: HearingMemory, options: HearingOptions, reports: Reports) -> None:
        super().__init__()
        self._stt = stt
        self._memory = memory
        self._options = options
        self._reports = reports
        self._speculation = Speculation(
            self._keys.__next__,
            speculative=options.speculative,
            silence_seconds=options.speculative_silence_seconds,
        )
        self._group: asyncio.TaskGroup | None = None
        self._asked: dict[int, tuple[asyncio.Task[None], list[rtc.AudioFrame]]] = {}
        self._deadline: float | None = None
        self._deadline_moved = asyncio.Event()

    async def run(self) -> None:
        """Ask until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                while True:
                    await self._wait_for_deadline()
            finally:
                self._group = None

    # --- what happens ------------------------------------------------------------------------------------------------

    def run_began(self, onset: float) -> None:
        """Drop what is being recognised: it goes on."""
        self._do(self._speculation.run_began(onset))

    def run_went_on(self) -> None:
        """Cut what is too long."""
        self._do(self._speculation.run_went_on(self._memory.position))

    def run_ended(self, *, last_speech: float, last_speech_at: float, is_speech: bool) -> None:
        """Ask, now or soon."""
        self._do(
            self._speculation.run_ended(
                last_speech=last_speech,
                last_speech_at=last_speech_at,
                is_speech=is_speech,
                position=self._memory.position,
                now=clock.monotonic(),
            )
        )

    def speech_ended(self) -> None:
        """Ask about what was not recognised yet."""
        self._do(self._speculation.ended(self._memory.position))

    def taken(self) -> None:
        """Begin another utterance."""
        self._do(self._speculation.taken(self._memory.position))

    def restart(self) -> None:
        """Ask again what is being asked."""
        for key, (task, frames) in list(self._asked.items()):
            task.cancel()
            self._ask(key, frames)

    # --- what is done about it ---------------------------------------------------------------------------------------

    def _do(self, commands: list[SpeculationCommand]) -> None:
        self._memory.need(self._speculation.needs_audio_since)
        if self._deadline != self._speculation.next_deadline:
            self._deadline = self._speculation.next_deadline
            self._deadline_moved.set()
        for command in commands:
            self._carry_out(command)

    def _carry_out(self, command: SpeculationCommand) -> None:
        match command:
            case OpenRecognition(key):
                self._reports.post(RecognitionOpened(clock.monotonic(), key))
            case Recognise(key, since):
                self._ask(key, self._memory.since(since)[1])
            case DropRecognition(key):
                if (asked := self._asked.pop(key, None)) is not None:
                    asked[0].cancel()
            case CloseRecognition(key):
                self._reports.post(RecognitionClosed(clock.monotonic(), key))

    async def _wait_for_deadline(self) -> None:
        self._deadline_moved.clear()
        due = self._deadline
        try:
            async with asyncio.timeout(None if due is None else max(due - clock.monotonic(), 0.0)):
                await self._deadline_moved.wait()
        except TimeoutError:
            self._do(self._speculation.tick(self._memory.position, clock.monotonic()))

    def _ask(self, key: int, frames: list[rtc.AudioFrame]) -> None:
        if self._group is None:  # nobody listens any more
            return
        task = self._group.create_task(self._recognise(key, frames), name=f"lk-recognise {self._stt.label}")
        self._asked[key] = (task, frames)

    async def _recognise(self, key: int, frames: list[rtc.AudioFrame]) -> None:
        try:
            outcome: SpeechEvent | Exception = await self._stt.recognize(frames, **self._options.for_recogniser())
        except Exception as error:  # noqa: BLE001  whatever a provider raises, hearing goes on
            outcome = error
        if key not in self._asked or self._asked[key][0] is not asyncio.current_task():
            return  # it was dropped, and the provider has not noticed
        del self._asked[key]
        if isinstance(outcome, Exception):
            self._report(outcome)
        else:
            self._tell(key, outcome)
        self._do(self._speculation.recognised(key, success=not isinstance(outcome, Exception)))

    def _tell(self, key: int, event: SpeechEvent) -> None:
        self._reports.speech_event(event, key)
        text, language = best_of(event)
        self._reports.post(Final(clock.monotonic(), key, text, language))

    def _report(self, error: Exception) -> None:
        logger.warning(
            "a recording of the user was not recognised",
            extra={"provider": self._stt.label, "error": type(error).__name__},
            exc_info=None if isinstance(error, APIError) else error,
        )
        self._reports.error("stt", error)
