"""A conversation's surroundings in memory, and the handles to play the user in them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, NamedTuple

from lk_agents.foundation import clock
from lk_agents.media.inputs import AudioInputs
from lk_agents.testing.audio import MemoryAudioIn, MemoryAudioOut
from lk_agents.testing.text import MemoryTextIO

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.foundation.types import AgentState
    from lk_agents.media.protocols import AudioIn

__all__ = ["MemorySessionIO", "StateShown"]

AGENT_TRACK = "TR_agent"
USER_TRACK = "TR_user"


class StateShown(NamedTuple):
    """What the agent has shown of itself.

    :param at: the clock's seconds.
    """

    at: float
    state: str


class MemorySessionIO:
    """Surrounds one conversation with memory; a :class:`~lk_agents.media.SessionIO`.

    The user is there from the start and has a microphone, :attr:`voice`; what the agent says is in ``audio_out``, what
    it shows in ``text`` and :attr:`states`. All of it takes place in the time of the clock, virtual or real.

    :param user: the user's identity; None lets nobody be there until :meth:`open_voice`.
    :param agent: the agent's identity.
    :param listener_seconds: when somebody hears the agent, from the start on; None for not until :meth:`listen`.
    :param voice_rate: Hz of the user's microphone.
    :param queue_seconds: how much may wait in the loudspeaker to be played.
    :param capture_seconds: how long it takes to take a frame.
    :param drift_ppm: how much faster than the clock it plays, in millionths; negative for slower.
    """

    def __init__(
        self,
        *,
        user: str | None = "caller",
        agent: str = "agent",
        listener_seconds: float | None = 0.0,
        voice_rate: int = 16_000,
        queue_seconds: float = 1.0,
        capture_seconds: float = 0.0,
        drift_ppm: float = 0.0,
    ) -> None:
        self.states: list[StateShown] = []
        """What the agent has shown of itself, in order."""
        self.closed = False
        """Whether the agent was taken out of it."""
        self._agent = agent
        self._user = user
        self._listener_seconds = listener_seconds
        self._listening = asyncio.Event()
        self._voice = None if user is None else MemoryAudioIn(user, sample_rate=voice_rate)
        self._voice_rate = voice_rate
        self._voices = 0 if user is None else 1
        self._inputs = AudioInputs()
        self._text = MemoryTextIO()
        self._queue_seconds = queue_seconds
        self._capture_seconds = capture_seconds
        self._drift_ppm = drift_ppm
        self._out: MemoryAudioOut | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ended = asyncio.Event()
        self._end_reason = ""

    # --- what an agent uses -----------------------------------------------------------------------------------------

    async def start(self, *, sample_rate: int, num_channels: int) -> None:
        """Make the loudspeaker.

        :raises RuntimeError: it was started, or closed, already.
        """
        if self._out is not None or self.closed:
            raise RuntimeError("this MemorySessionIO has been used: make another one for each conversation")
        self._out = MemoryAudioOut(
            sample_rate,
            num_channels,
            queue_seconds=self._queue_seconds,
            capture_seconds=self._capture_seconds,
            drift_ppm=self._drift_ppm,
        )
        if self._listener_seconds:
            self._timer = asyncio.get_running_loop().call_later(self._listener_seconds, self.listen)
        elif self._listener_seconds is not None:
            self.listen()
        if self._voice is not None:
            self._inputs.switch(self._voice)

    @property
    def audio_out(self) -> MemoryAudioOut:
        """Where the agent is heard; ``played_audio`` has all of it.

        :raises RuntimeError: it was not started.
        """
        if self._out is None:
            raise RuntimeError("this MemorySessionIO was not started: there is no loudspeaker yet")
        return self._out

    @property
    def text(self) -> MemoryTextIO:
        """Transcripts out, typed messages in: ``write()`` types one."""
        return self._text

    @property
    def agent(self) -> str:
        """The agent's identity."""
        return self._agent

    @property
    def agent_track(self) -> str:
        """An id for the agent's voice."""
        return AGENT_TRACK if self._out is not None else ""

    @property
    def user(self) -> str | None:
        """The user's identity."""
        return self._user

    @property
    def user_track(self) -> str:
        """An id for the user's microphone, another one for each."""
        return f"{USER_TRACK}_{self._voices}" if self._voice is not None else ""

    def audio_inputs(self) -> AsyncIterator[AudioIn]:
        """Give the user's microphones."""
        return self._inputs

    async def wait_for_listener(self) -> None:
        """Return when somebody hears the agent."""
        await self._listening.wait()

    async def show_state(self, state: AgentState) -> None:
        """Write it down."""
        if not self.closed:
            self.states.append(StateShown(clock.monotonic(), state))

    async def wait_for_end(self) -> str:
        """Return the reason once there is one."""
        await self._ended.wait()
        return self._end_reason

    async def aclose(self) -> None:
        """Close the microphone and the text."""
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._voice = None
        self.end("the surroundings were closed")
        await self._text.aclose()
        await self._inputs.aclose()

    # --- playing the user -------------------------------------------------------------------------------------------

    @property
    def voice(self) -> MemoryAudioIn:
        """The user's microphone: ``feed()`` lets the user speak, ``end()`` lets the track end.

        :raises RuntimeError: there is none at present.
        """
        if self._voice is None:
            raise RuntimeError("the user has no microphone at present: open_voice() gives one")
        return self._voice

    def say(self, frames: Iterable[rtc.AudioFrame]) -> float:
        """Let the user speak; see :meth:`MemoryAudioIn.feed`.

        :returns: the clock's moment at which the last frame is over.
        :raises RuntimeError: the user has no microphone at present.
        """
        return self.voice.feed(frames)

    def open_voice(
        self, user: str | None = None, *, sample_rate: int | None = None, num_channels: int = 1
    ) -> MemoryAudioIn:
        """Let the user publish a microphone: after coming, after coming back, or in place of the present one.

        Needs a running event loop. What was not yet heard of the old one is not heard any more.

        :param user: who it belongs to; by default the user who was there.
        :param sample_rate: in Hz; by default that of the others.
        """
        self._user = user or self._user or "caller"
        self._voices += 1
        self._voice = MemoryAudioIn(self._user, sample_rate=sample_rate or self._voice_rate, num_channels=num_channels)
        if self._out is not None:
            self._inputs.switch(self._voice)
        return self._voice

    def close_voice(self) -> None:
        """Let the user take the microphone back, or leave. Needs a running event loop."""
        self._voice = None
        self._inputs.switch(None)

    def listen(self) -> None:
        """Let somebody hear the agent from now on."""
        self._listening.set()

    def end(self, reason: str = "the user has left") -> None:
        """Let the surroundings be over; the first reason counts."""
        if not self._ended.is_set():
            self._end_reason = reason
            self._ended.set()
