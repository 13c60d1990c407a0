"""Members that failed hear what the healthy one hears, until they understand something again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lk_agents.foundation.errors import APIConnectionError, APITimeoutError
from lk_agents.foundation.log import logger
from lk_agents.stt.events import SpeechEventType, has_text

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.stt.stream import RecognizeStream

__all__ = ["Trials"]


@dataclass(eq=False)
class _Trial:
    stream: RecognizeStream
    label: str
    limit: asyncio.Timeout


class Trials:
    """The members on trial at one live stream. Whatever they do, neither it nor another trial notices.

    :param patience_seconds: how long a member may take to end after its input.
    """

    def __init__(self, patience_seconds: float) -> None:
        self._patience_seconds = patience_seconds
        self._trials: list[_Trial] = []
        self.ended = False
        """Whether no more audio comes."""

    def push(self, frame: rtc.AudioFrame) -> None:
        """Give a frame to all."""
        self._give(lambda stream: stream.push_frame(frame))

    def flush(self) -> None:
        """Tell all that a segment has ended."""
        self._give(lambda stream: stream.flush())

    def end(self) -> None:
        """End the input of all."""
        if not self.ended:
            self.ended = True
            self._give(lambda stream: stream.end_input())
            for trial in self._trials:
                self._limit(trial, self._patience_seconds)

    def abandon(self) -> None:
        """Let all fail at once."""
        self.ended = True
        for trial in self._trials:
            self._limit(trial, 0.0)

    async def pass_trial(self, stream: RecognizeStream, *, label: str, on_text: Callable[[], None]) -> None:
        """Return as soon as ``stream`` has given a final transcript with text; close it in any case.

        :param label: whose stream it is.
        :param on_text: told each time that it has understood something.
        :raises Exception: it failed, or nothing more comes that it could understand.
        """
        try:
            async with asyncio.timeout(None) as limit:
                trial = _Trial(stream, label, limit)
                self._trials.append(trial)
                try:
                    await _understood(stream, label, on_text)
                finally:
                    self._trials.remove(trial)
        except TimeoutError as error:
            raise APITimeoutError(f"{label} has not understood anything in time").located(provider=label) from error
        finally:
            await stream.aclose()

    def _give(self, give: Callable[[RecognizeStream], None]) -> None:
        for trial in self._trials:
            try:
                give(trial.stream)
            except Exception as error:  # noqa: BLE001  whatever it is, it must not reach the healthy member
                logger.debug(
                    "a recogniser on trial takes no input",
                    extra={"provider": trial.label, "error": type(error).__name__},
                )
                self._limit(trial, self._patience_seconds)  # it may have ended, with something left to read

    @staticmethod
    def _limit(trial: _Trial, seconds: float) -> None:
        at, planned = asyncio.get_running_loop().time() + seconds, trial.limit.when()
        if not trial.limit.expired() and (planned is None or at < planned):
            trial.limit.reschedule(at)


async def _understood(stream: RecognizeStream, label: str, on_text: Callable[[], None]) -> None:
    async for event in stream:
        if has_text(event):
            on_text()
            if event.type is SpeechEventType.FINAL_TRANSCRIPT:
                return
    raise APIConnectionError(f"{label} has ended without a transcript").located(provider=label)
