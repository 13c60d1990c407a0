"""Turns by a detector of our own, for models whose server does not hear when the user's turn is over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from lk_agents.turns.combinations import default_interruption
from lk_agents.voice import signals as s
from lk_agents.voice.conversation import SessionError
from lk_agents.voice.hearing import Hearing
from lk_agents.voice.judging import Judging
from lk_agents.voice.own_voice import OwnVoice
from lk_agents.voice.user_watch import UserWatch

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.media.protocols import AudioIn
    from lk_agents.multimodal.api import _RealtimeAPISession
    from lk_agents.multimodal.responses import Responses
    from lk_agents.multimodal.settings import MultimodalOptions
    from lk_agents.turns.evidence import Evidence
    from lk_agents.vad import VAD
    from lk_agents.voice.attention import Attention
    from lk_agents.voice.conversation import Talk
    from lk_agents.voice.signals import Command, Input
    from lk_agents.voice.speeches import Speeches
    from lk_agents.voice.turn import TurnMachine

__all__ = ["LocalTurns"]


class LocalTurns:
    """Lets the turn machine decide, by what a detector hears, when the user's turn is over and what interrupts.

    A decided turn is committed at the server, and a response asked for. Speech under the agent's own ends that; shorter
    sounds change nothing. Build it in a running event loop.

    :param stop: tells the server to stop.
    """

    def __init__(
        self,
        talk: Talk,
        model: _RealtimeAPISession,
        *,
        vad: VAD,
        options: MultimodalOptions,
        machine: TurnMachine,
        speeches: Speeches,
        responses: Responses,
        stop: Callable[[], None],
    ) -> None:
        self._talk = talk
        self._model = model
        self._machine = machine
        self._speeches = speeches
        self._responses = responses
        self._stop = stop
        self._user = UserWatch()
        rules = options.turn
        self._hearing = Hearing(
            vad=vad,
            stt=None,
            post=self._heard,
            on_error=lambda stage, error: talk.emit("error", SessionError(stage, error)),
        )
        self._judging = Judging(
            detector=None,
            strategy=options.interruption or default_interruption(rules.interrupt_speech_duration),
            own_voice=OwnVoice(),
            complete=self._complete,
            post=talk.post,
        )

    async def run(self, inputs: AsyncIterator[AudioIn], *, tap: Callable[[rtc.AudioFrame], None]) -> None:
        """Hear one input after the other until it is closed.

        :param tap: given every frame, as it comes.
        """
        await self._hearing.run(_tapped(inputs, tap))

    async def aclose(self) -> None:
        """Hear and judge no more. Any number of times."""
        await self._hearing.aclose()
        await self._judging.aclose()

    def watch(self, event: Input, attention: Attention) -> None:
        """Tell the watchdog what is known of the user, once the machine has taken note of an input."""
        attention.user(self._user.after(event, self._machine))

    def execute(self, command: Command) -> None:
        """Do what the machine asks for beyond playing and showing."""
        match command:
            case s.BeginReply():
                self._responses.begin(command, spoken_until=self._machine.turn.spoken_until)
            case s.TurnDecided():
                self._decided(command)
            case s.AskInterruption():
                self._judging.ask_about_interruption(command)
            case s.ReportUserStarted():
                self._talk.emit("user_started_speaking")
            case s.ReportUserStopped():
                self._talk.emit("user_stopped_speaking")

    def ends(self, speech: str) -> None:
        """A speech is cut, or dropped: what the server still says of it is not wanted."""
        live = self._speeches.get(speech)
        if live is not None and self._responses.withdraw(live):
            self._stop()

    def _heard(self, event: Input) -> None:
        """Tell the machine what was heard, but for sounds under the agent's speech that are too short to be meant."""
        if not (isinstance(event, s.Final) and self._is_mere_sound()):
            self._talk.post(event)

    def _is_mere_sound(self) -> bool:
        active, turn = self._machine.floor.active, self._machine.turn
        if active is None or turn.onset_at is None or turn.last_speech_at is None:
            return False
        return turn.last_speech_at - turn.onset_at < self._machine.options.interrupt_speech_duration

    def _decided(self, command: s.TurnDecided) -> None:
        self._hearing.utterance_taken()
        if self._responses.decided(command):  # else the turn was decided before, and taken back for nothing
            self._model.commit_audio_buffer()
            self._model.create_response("cancel_existing")

    def _complete(self, evidence: Evidence) -> Evidence:
        heard = self._speeches.heard
        utterance = None if heard is None else heard.utterance
        return replace(
            evidence,
            playout_seconds=None if utterance is None else utterance.played_seconds,
            playout_text="" if utterance is None else utterance.full_text,
            chat_ctx=self._model.chat_ctx_copy(),
            recent_audio=self._hearing.recent_audio,
        )


async def _tapped(inputs: AsyncIterator[AudioIn], tap: Callable[[rtc.AudioFrame], None]) -> AsyncIterator[AudioIn]:
    async for audio_in in inputs:
        yield _Tapped(audio_in, tap)


class _Tapped:
    """An input of which somebody else gets every frame, too."""

    def __init__(self, audio_in: AudioIn, tap: Callable[[rtc.AudioFrame], None]) -> None:
        self._audio_in = audio_in
        self._frames = aiter(audio_in)
        self._tap = tap

    @property
    def participant(self) -> str:
        """The identity of whom it comes from."""
        return self._audio_in.participant

    @property
    def sample_rate(self) -> int:
        """Hz of every frame."""
        return self._audio_in.sample_rate

    @property
    def num_channels(self) -> int:
        """Channels of every frame."""
        return self._audio_in.num_channels

    def __aiter__(self) -> _Tapped:
        return self

    async def __anext__(self) -> rtc.AudioFrame:
        """Wait for the next frame."""
        frame = await anext(self._frames)
        self._tap(frame)
        return frame

    async def aclose(self) -> None:
        """Receive no more."""
        await self._audio_in.aclose()
