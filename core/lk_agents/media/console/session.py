"""A conversation at the console."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lk_agents.foundation.log import logger
from lk_agents.media.console.ports import INPUT_RATE, USER
from lk_agents.media.console.recorder import Recorder
from lk_agents.media.inputs import AudioInputs
from lk_agents.media.protocols import TextMessage, TextSegment
from lk_agents.utils.audio import Resampler

if TYPE_CHECKING:
    from lk_agents.foundation.types import AgentState
    from lk_agents.media.console.ports import Lines, OnAudio, Screen, ToldAudioOut, VoiceSink, VoiceSource
    from lk_agents.media.protocols import AudioOut, TextIO

__all__ = ["PACE_SECONDS", "ConsoleSessionIO", "Keyboard"]

PACE_SECONDS: Final = 1.0
"""How long the agent must have been silent before the next line of a pipe is its message."""
CLOSE_SECONDS: Final = 4.0
_BUSY: Final = frozenset({"initializing", "thinking", "speaking"})
BYTES_PER_SAMPLE: Final = 2
_USER_CHANNEL, _AGENT_CHANNEL = 0, 1  # of a recording


@dataclass(frozen=True, kw_only=True)
class Keyboard:
    """What the user types.

    :param lines: they belong to the program, and stay open.
    :param is_all: the user does not speak: the end of the lines is the end of the user.
    :param paced: the lines come from a pipe: each one waits until the agent has answered the one before.
    """

    lines: Lines
    is_all: bool = False
    paced: bool = False


class _Quiet:
    """Knows whether the agent has anything to do or to say."""

    def __init__(self) -> None:
        self._state: AgentState = ""
        self._news = asyncio.Event()
        self.sink: AudioOut | None = None

    def note_state(self, state: AgentState) -> None:
        """Take note of what the agent is doing."""
        self._state = state
        self._news.set()

    def note_text(self) -> None:
        """Take note that something was said."""
        self._news.set()

    async def wait(self, seconds: float) -> None:
        """Return when nothing has happened, and nothing was heard, for so long. Cancelled, it stops waiting."""
        while True:
            if self.sink is not None:
                await self.sink.wait_for_playout()
            before = self._played()
            self._news.clear()
            try:
                async with asyncio.timeout(None if self._state in _BUSY else seconds):
                    await self._news.wait()
            except TimeoutError:
                if self._played() == before:
                    return

    def _played(self) -> float:
        return 0.0 if self.sink is None else self.sink.position() + self.sink.queued_seconds


class _ConsoleText:
    """Transcripts to the screen, lines from the keyboard; a :class:`~lk_agents.media.TextIO`."""

    def __init__(self, screen: Screen, keyboard: Keyboard | None, quiet: _Quiet) -> None:
        self._screen = screen
        self._keyboard = keyboard
        self._quiet = quiet
        self._closed = asyncio.Event()
        self._reading: asyncio.Task[str] | None = None
        self._shown = 0

    async def publish(self, segment: TextSegment) -> None:
        """Show a piece of transcript."""
        self._quiet.note_text()
        self._screen.show_text(segment, by_user=segment.participant == USER)

    def __aiter__(self) -> _ConsoleText:
        return self

    async def __anext__(self) -> TextMessage:
        """Wait for the next line."""
        if self._closed.is_set():
            raise StopAsyncIteration
        if self._reading is None:  # it outlives a reader that is cancelled, so no line is lost
            self._reading = asyncio.get_running_loop().create_task(self._next_line(), name="lk-console-line")
        await asyncio.wait({self._reading})
        if self._closed.is_set():
            raise StopAsyncIteration
        reading, self._reading = self._reading, None
        message = TextMessage(participant=USER, text=reading.result())
        if (
            self._keyboard is not None and self._keyboard.paced
        ):  # what comes through a pipe is not seen otherwise; a terminal shows what is typed
            self._shown += 1
            segment = TextSegment(participant=USER, id=f"typed-{self._shown}", text=message.text, final=True)
            self._screen.show_text(segment, by_user=True)
        return message

    async def aclose(self) -> None:
        """End it."""
        self._closed.set()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})

    async def _next_line(self) -> str:
        if self._keyboard is not None:
            if self._keyboard.paced:
                await self._quiet.wait(PACE_SECONDS)
            async for line in self._keyboard.lines:
                return line
        await self._closed.wait()  # no more lines, but what is shown goes on
        raise asyncio.CancelledError


class ConsoleSessionIO:
    """Surrounds one conversation with a microphone, a speaker, a keyboard and a screen, or with files in their place.

    A :class:`~lk_agents.media.SessionIO`. It is over when there is nothing more to come from the user, neither from
    the source nor, where that is all, from the keyboard, and the agent has been silent for ``end_silence`` seconds.

    :param source: the user's voice.
    :param sink: plays the agent's.
    :param screen: shows the conversation.
    :param keyboard: what the user types; None where nobody does.
    :param record: where to record the conversation in stereo: the user on the left, the agent on the right.
    :param agent: the agent's identity.
    """

    def __init__(
        self,
        *,
        source: VoiceSource,
        sink: VoiceSink,
        screen: Screen,
        keyboard: Keyboard | None = None,
        record: Path | None = None,
        end_silence: float = 5.0,
        agent: str = "agent",
    ) -> None:
        self._source = source
        self._sink = sink
        self._screen = screen
        self._keyboard = keyboard
        self._record = record
        self._end_silence = end_silence
        self._agent = agent
        self._quiet = _Quiet()
        self._text = _ConsoleText(screen, keyboard, self._quiet)
        self._inputs = AudioInputs()
        self._out: ToldAudioOut | None = None
        self._recorder: Recorder | None = None
        self._watch: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()
        self._end_reason = ""
        self._user_is_gone = False
        self._closed = False

    async def start(self, *, sample_rate: int, num_channels: int) -> None:
        """Open speaker and microphone.

        :raises PlayoutError: one of them cannot be had.
        :raises ConfigError: one of them lacks what it needs.
        :raises RuntimeError: it was started, or closed, already.
        """
        if self._watch is not None or self._closed:
            raise RuntimeError("this ConsoleSessionIO has been used: make another one for each conversation")
        try:
            on_heard, on_played = await self._open_recording(sample_rate, num_channels)
            self._out = await self._sink.open(sample_rate=sample_rate, num_channels=num_channels, on_played=on_played)
            voice = await self._source.open(on_heard=on_heard)
        except BaseException:
            await self.aclose()
            raise
        self._quiet.sink = self._out
        if voice is not None:
            self._inputs.switch(voice)
        self._watch = asyncio.get_running_loop().create_task(self._watch_end(), name="lk-console-end")

    @property
    def audio_out(self) -> AudioOut:
        """Where the agent is heard.

        :raises RuntimeError: it was not started.
        """
        if self._out is None:
            raise RuntimeError("this ConsoleSessionIO was not started: nothing plays yet")
        return self._out

    @property
    def text(self) -> TextIO:
        """Transcripts to the screen, lines from the keyboard."""
        return self._text

    @property
    def agent(self) -> str:
        """The identity under which the agent is heard."""
        return self._agent

    @property
    def agent_track(self) -> str:
        """Empty: there are no tracks."""
        return ""

    @property
    def user(self) -> str | None:
        """The identity of who sits at the console."""
        return USER

    @property
    def user_track(self) -> str:
        """Empty: there are no tracks."""
        return ""

    def audio_inputs(self) -> AudioInputs:
        """Give the user's voice, once; never where the user does not speak. Ends when this is closed."""
        return self._inputs

    async def wait_for_listener(self) -> None:
        """Return: who started the program listens."""

    async def show_state(self, state: AgentState) -> None:
        """Show what the agent is doing."""
        if self._closed:
            return
        self._quiet.note_state(state)
        self._screen.show_state(state)

    @property
    def user_is_gone(self) -> bool:
        """Whether it is over because there is nothing more to come from the user, and not only closed."""
        return self._user_is_gone

    async def wait_for_end(self) -> str:
        """Return, with the reason in words, when there is nothing more to come from the user."""
        await self._ended.wait()
        return self._end_reason

    async def aclose(self) -> None:
        """Close devices and files; the keyboard stays open. Any number of times, 5 s at the longest each."""
        self._closed = True
        self._end("the conversation was closed")
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait({self._watch})
        await self._text.aclose()
        closing = asyncio.ensure_future(self._close_media())
        await asyncio.wait({closing}, timeout=CLOSE_SECONDS)
        if not closing.done():
            closing.cancel()
            logger.warning("a sound device does not close")
        elif not closing.cancelled() and (error := closing.exception()) is not None:
            logger.error("a device or file of the console was not closed", exc_info=error)

    async def _close_media(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._inputs.aclose(), name="lk-console-close-inputs")
            group.create_task(self._source.aclose(), name="lk-console-close-source")
            group.create_task(self._sink.aclose(), name="lk-console-close-sink")
            if self._recorder is not None:
                group.create_task(self._recorder.aclose(), name="lk-console-close-recorder")

    async def _open_recording(self, sample_rate: int, num_channels: int) -> tuple[OnAudio, OnAudio] | tuple[None, None]:
        """Begin the recording, if there is to be one; return what is told of both voices."""
        if self._record is None:
            return None, None

        def tell() -> None:
            if self._out is not None:
                self._out.flush()

        recorder = Recorder(self._record, channels=2, sample_rate=sample_rate, before_writing=tell)
        await recorder.start()
        self._recorder = recorder
        return _user_to(recorder, sample_rate), _agent_to(recorder, num_channels)

    async def _watch_end(self) -> None:
        """Wait until the user has nothing more to say and the agent nothing more to answer."""
        await self._source.wait_over()
        keyboard = self._keyboard if self._keyboard is not None and self._keyboard.is_all else None
        if keyboard is not None:
            await keyboard.lines.over.wait()
        if keyboard is None or keyboard.paced:  # else the user has just said that this is the end
            await self._quiet.wait(self._end_silence)
        self._user_is_gone = True
        self._end("the input is over" if keyboard is None else "the user has left")

    def _end(self, reason: str) -> None:
        if not self._ended.is_set():
            self._end_reason = reason
            self._ended.set()


def _user_to(recorder: Recorder, sample_rate: int) -> OnAudio:
    from livekit import rtc

    resampler = Resampler(sample_rate)

    def keep(at: float, samples: bytes) -> None:
        frame = rtc.AudioFrame(samples, INPUT_RATE, 1, len(samples) // BYTES_PER_SAMPLE)
        for piece in resampler.push(frame):
            recorder.add(_USER_CHANNEL, at, bytes(piece.data.cast("B")))

    return keep


def _agent_to(recorder: Recorder, num_channels: int) -> OnAudio:
    def keep(at: float, samples: bytes) -> None:
        one = samples if num_channels == 1 else memoryview(samples).cast("h")[::num_channels].tobytes()
        recorder.add(_AGENT_CHANNEL, at, one)

    return keep
