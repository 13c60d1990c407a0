"""Shows what the user says, as it is understood."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lk_agents.transcription.stt_forwarder import STTSegmentsForwarder

if TYPE_CHECKING:
    from lk_agents.media.session_io import SessionIO
    from lk_agents.stt import SpeechEvent

__all__ = ["UserTranscript"]


class UserTranscript:
    """Forwards the recogniser's events for the participant and the track that are listened to at the time.

    :param shown: False shows nothing.
    """

    def __init__(self, io: SessionIO, *, shown: bool) -> None:
        self._io = io
        self._shown = shown
        self._forwarder: STTSegmentsForwarder | None = None
        self._of: tuple[str, str] | None = None
        self._before: list[STTSegmentsForwarder] = []

    def update(self, event: SpeechEvent, key: int) -> None:
        """Show an event; a transcript replaces what was shown of the same key."""
        user = self._io.user
        if not self._shown or user is None:
            return
        of = (user, self._io.user_track)
        if self._forwarder is None or of != self._of:
            if self._forwarder is not None:
                self._before.append(self._forwarder)
            self._of = of
            self._forwarder = STTSegmentsForwarder(participant=user, track=of[1], text_io=self._io.text)
        self._forwarder.update(event, key=key)

    async def aclose(self) -> None:
        """Show what waits, for a few seconds at most, and nothing more."""
        forwarders = [*self._before, *([self._forwarder] if self._forwarder else [])]
        self._shown, self._forwarder, self._before = False, None, []
        for forwarder in forwarders:
            await forwarder.aclose()
