"""When a recogniser that is alive has been silent for too long."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from lk_agents.foundation.errors import LkAgentsError
from lk_agents.stt.events import SpeechEvent, SpeechEventType, has_text

if TYPE_CHECKING:
    from lk_agents.stt.stream import RecognizeStream

__all__ = ["Patience", "TooSlowError"]


class TooSlowError(LkAgentsError):
    """A member's stream owes something for too long."""


class Patience:
    """Watches over one member's stream: it owes a transcript once somebody speaks, and an end after its input's.

    Only a member that gives interim results owes a transcript while somebody speaks: any other may have to hear the
    speech to its end first, however long that is. That somebody speaks, the member itself may tell, or a detector of
    voice activity, or another member that has understood something.

    :param seconds: how long it may owe something.
    :param gives_interims: whether it tells what it understands before the speech is over.
    """

    def __init__(self, seconds: float, *, gives_interims: bool) -> None:
        self._seconds = seconds
        self._gives_interims = gives_interims
        self._owing_since: float | None = None
        self._speech_is_certain = False
        self._voice_is_heard = False
        self._transcript_at: float | None = None
        self._silent_since: float | None = None  # since its input ended, or its last event after that
        self._timer: asyncio.Timeout | None = None

    @property
    def only_suspects(self) -> bool:
        """Whether all that speaks against the member is a start of speech of its own, which may have been a noise."""
        return self._silent_since is None and not self._speech_is_certain

    async def next_event(self, stream: RecognizeStream) -> SpeechEvent | None:
        """Return the next event of the member's stream, None at its end.

        :raises TooSlowError: it has been silent for too long.
        """
        limit = asyncio.timeout_at(self._deadline())
        try:
            async with limit:
                self._timer = limit
                return await anext(stream, None)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise TooSlowError from error
        finally:
            self._timer = None

    def heard(self, event: SpeechEvent) -> None:
        """Note what the member has told."""
        if event.type is SpeechEventType.RECOGNITION_USAGE:
            return  # that it takes audio is no sign that it understands any
        now = self._now()
        if self._silent_since is not None:
            self._silent_since = now
        if has_text(event):
            self._transcript_at = now
            self.forgive()
        elif event.type is SpeechEventType.START_OF_SPEECH:
            self._owe(certain=False)
        elif event.type is SpeechEventType.END_OF_SPEECH and not (self._speech_is_certain or self._voice_is_heard):
            self.forgive()  # a noise, most likely

    def speech_is_known(self) -> None:
        """Note that somebody else has understood something in the same audio."""
        if self._transcript_at is None or self._now() - self._transcript_at >= self._seconds:
            self._owe(certain=True)

    def voice_is_heard(self, since: float, *, is_over: bool) -> None:
        """Note that a detector hears a voice, or its end: the member owes a transcript that came after its beginning.

        :param since: when the voice began, on the loop's clock.
        """
        if self._transcript_at is None or self._transcript_at < since:
            self._voice_is_heard = True
            self._owe(certain=False, may_wait_for_end=not is_over)

    def input_ended(self) -> None:
        """Note that the member has all its input."""
        self._silent_since = self._now()
        self._reschedule()

    def forgive(self) -> None:
        """Begin anew with what it owes."""
        self._owing_since = None
        self._speech_is_certain = self._voice_is_heard = False

    def _owe(self, *, certain: bool, may_wait_for_end: bool = True) -> None:
        if may_wait_for_end and not self._gives_interims:
            return
        if self._owing_since is None:
            self._owing_since = self._now()
        self._speech_is_certain |= certain
        self._reschedule()

    def _reschedule(self) -> None:
        if self._timer is not None and not self._timer.expired():
            self._timer.reschedule(self._deadline())

    def _deadline(self) -> float | None:
        since = [each for each in (self._owing_since, self._silent_since) if each is not None]
        return min(since) + self._seconds if since else None

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
