"""Shows what both sides say, where the model tells it as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lk_agents.stt.events import SpeechData, SpeechEvent, SpeechEventType
from lk_agents.transcription.stt_forwarder import STTSegmentsForwarder
from lk_agents.voice.user_transcript import UserTranscript

if TYPE_CHECKING:
    from lk_agents.media.session_io import SessionIO
    from lk_agents.voice.transcription_options import AgentTranscriptionOptions

__all__ = ["Transcripts"]


class Transcripts:
    """Shows what the user says, and what the agent says where that is told as a whole, not piece by piece."""

    def __init__(self, io: SessionIO, options: AgentTranscriptionOptions) -> None:
        self._io = io
        self._user = UserTranscript(io, shown=options.user_transcription)
        self._shows_agent = options.agent_transcription
        self._agent: STTSegmentsForwarder | None = None
        self._keys = 0

    def user_is_done(self) -> None:
        """The user has said something that is not understood yet: hold its place."""
        self._user.update(_event("", final=False), self._keys + 1)

    def user_said(self, text: str) -> None:
        """This is what it was; nothing, if that is not known."""
        self._keys += 1
        self._user.update(_event(text, final=True), self._keys)

    def agent_said(self, text: str) -> None:
        """The agent has said something."""
        if not self._shows_agent:
            return
        if self._agent is None:
            self._agent = STTSegmentsForwarder(
                participant=self._io.agent, track=self._io.agent_track, text_io=self._io.text
            )
        self._agent.update(_event(text, final=True))

    async def aclose(self) -> None:
        """Show what waits, for a few seconds at most, and nothing more."""
        await self._user.aclose()
        if self._agent is not None:
            await self._agent.aclose()


def _event(text: str, *, final: bool) -> SpeechEvent:
    kind = SpeechEventType.FINAL_TRANSCRIPT if final else SpeechEventType.INTERIM_TRANSCRIPT
    return SpeechEvent(kind, alternatives=[SpeechData("", text)])
