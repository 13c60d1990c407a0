"""What surrounds one conversation: a room, a console or a test. All of it behind one interface."""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from lk_agents.foundation.types import AgentState
    from lk_agents.media.protocols import AudioIn, AudioOut, TextIO

__all__ = ["EndPolicy", "SessionIO"]


class EndPolicy(StrEnum):
    """When a conversation is over because people have left. A room that is closed ends it in any case."""

    LINKED_LEAVES = "linked_leaves"
    """When the participant who is listened to leaves."""
    ALL_LEAVE = "all_leave"
    """When the last human has left; agents, recorders and the like do not count."""
    GRACE = "grace"
    """When the participant who is listened to has been away for a while; coming back in time, it goes on."""
    MANUAL = "manual"
    """Never; the program ends it."""


class SessionIO(Protocol):
    """What surrounds one conversation. Positions and lengths are seconds, rates are Hz.

    Used in this order, once: :meth:`start`, then everything else, then :meth:`aclose`.
    """

    async def start(self, *, sample_rate: int, num_channels: int) -> None:
        """Make the agent hearable, with audio of that kind; returns when :attr:`audio_out` takes it.

        Cancelled, it is closed.

        :raises PlayoutError: it cannot be done; the text says why.
        """

    @property
    def audio_out(self) -> AudioOut:
        """Where the agent is heard.

        :raises RuntimeError: it was not started.
        """

    @property
    def text(self) -> TextIO:
        """Transcripts out, typed messages in."""

    @property
    def agent(self) -> str:
        """The identity under which the agent is heard."""

    @property
    def agent_track(self) -> str:
        """The id of the agent's track; empty where there are no tracks."""

    @property
    def user(self) -> str | None:
        """The identity of the participant who is listened to; None as long as there is none.

        It stays when they leave: they may come back.
        """

    @property
    def user_track(self) -> str:
        """The id of the track that is listened to; empty where there is none."""

    def audio_inputs(self) -> AsyncIterator[AudioIn]:
        """Give the user's voice, again and again: each one replaces, and ends, the one before.

        A new one comes when the track is replaced or published anew and when the participant has come back. Ends when
        this is closed. It has one reader; whoever reads closes the inputs.
        """

    async def wait_for_listener(self) -> None:
        """Return when somebody hears the agent: what it says before is said to nobody. Cancelled, it stops waiting."""

    async def show_state(self, state: AgentState) -> None:
        """Show what the agent is doing to those who look. Never raises; drops it where nobody can look."""

    async def wait_for_end(self) -> str:
        """Return, with the reason in words, when the surroundings are over: the user has left, the room is closed.

        When this is closed, they are over as well. The first reason counts.

        Any number of tasks may wait. Cancelled, it stops waiting.
        """

    async def aclose(self) -> None:
        """Take the agent out of it again; the room itself stays. Any number of times, 5 s at the longest each."""
