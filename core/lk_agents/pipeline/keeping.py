"""Keeps a record of a conversation for ``lk-agents plot``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lk_agents.vad.events import VADEventType
from lk_agents.voice.recording import Recording, recording_path

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Keeping"]

_SPEAKING: Final = frozenset(
    {"user_started_speaking", "user_stopped_speaking", "agent_started_speaking", "agent_stopped_speaking"}
)


class Keeping:
    """Takes an agent's events and writes those down that a plot shows. Build it in a running event loop.

    :param plotting: as the agent was given it.
    :param session: names the conversation.
    """

    def __init__(self, plotting: bool | str | Path, *, session: str) -> None:
        path = recording_path(plotting, session)
        self._recording = None if path is None else Recording(path, session=session)

    def note(self, event: str, *args: Any) -> None:
        """Write an event down, if it is one of those."""
        recording = self._recording
        if recording is None:
            return
        if event in _SPEAKING:
            recording.event(event)
        elif event == "vad_event" and args[0].type == VADEventType.INFERENCE_DONE:
            recording.vad(args[0].probability)
        elif event == "turn_finished":
            recording.turn(args[0])

    async def aclose(self) -> None:
        """Write what is left. Any number of times."""
        if self._recording is not None:
            await self._recording.aclose()
