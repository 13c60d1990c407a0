"""What a console is made of: somebody who speaks, something that plays, lines that are typed, a screen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

from lk_agents.media.protocols import AudioOut

if TYPE_CHECKING:
    from lk_agents.foundation.types import AgentState
    from lk_agents.media.protocols import AudioIn, TextSegment

__all__ = ["FRAME_MS", "INPUT_RATE", "USER", "Lines", "OnAudio", "Screen", "ToldAudioOut", "VoiceSink", "VoiceSource"]

USER = "console-user"
"""The identity of who sits at the console."""
INPUT_RATE = 16_000
"""Hz of the user's voice."""
FRAME_MS = 32
"""Length of each frame of it: one window of voice activity detection."""


OnAudio: TypeAlias = Callable[[float, bytes], None]
"""Told the clock's moment at which audio began to be spoken or heard, and its 16-bit samples; from any thread."""


class ToldAudioOut(AudioOut, Protocol):
    """A sink that tells what it has played."""

    def flush(self) -> None:
        """Tell what was played until now, if that was not told already."""


class VoiceSource(Protocol):
    """Where the user's voice comes from. Opened once, then closed."""

    async def open(self, *, on_heard: OnAudio | None = None) -> AudioIn | None:
        """Return the voice, 16 kHz mono in frames of 32 ms; None where nobody speaks.

        :param on_heard: is told what was spoken, with the moment at which it was.
        :raises PlayoutError: it cannot be had; the text says why.
        """

    async def wait_over(self) -> None:
        """Return when all was said; never where that cannot be known. Cancelled, it stops waiting."""

    async def aclose(self) -> None:
        """Let go of it. Any number of times, also if it was not opened."""


class VoiceSink(Protocol):
    """What plays the agent's voice. Opened once, then closed."""

    async def open(self, *, sample_rate: int, num_channels: int, on_played: OnAudio | None = None) -> ToldAudioOut:
        """Return the sink, for audio of that kind.

        :param on_played: is told what was played.
        :raises PlayoutError: it cannot be had; the text says why.
        """

    async def aclose(self) -> None:
        """Let go of it. Any number of times, also if it was not opened."""


class Lines(Protocol):
    """What is typed, line by line. Iterate over it to get the lines; it has one reader.

    One that is cancelled while it waits loses nothing.
    """

    over: asyncio.Event
    """Set when the reader has seen the end."""

    def __aiter__(self) -> Lines: ...

    async def __anext__(self) -> str:
        """Wait for the next line.

        :raises StopAsyncIteration: there are no more.
        """


class Screen(Protocol):
    """What shows the conversation. Nothing that it does raises or waits."""

    def show_text(self, segment: TextSegment, *, by_user: bool) -> None:
        """Show a piece of transcript; it replaces what was shown under its id."""

    def show_state(self, state: AgentState) -> None:
        """Show what the agent is doing."""
