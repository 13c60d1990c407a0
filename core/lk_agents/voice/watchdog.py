"""Notices that the user has finished and nothing is heard, and which stage is to blame. Pure: time is told.

Two things are dead air: the user has finished, or the agent is to say something, and nothing was audible for
``timeout_seconds``; and a speech is being played, audio waits, and none of it leaves for ``stall_seconds``. Alarms
about the same silence come every ``timeout_seconds``, counted. What to do about them is the policy's matter
(``dead_air``).

No dead air is: the user speaking; noise without words; a speech that is paused until it is clear whether the user
interrupts; a turn detector that has asked for more time; that nobody listens yet.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from lk_agents.foundation.errors import ConfigError
from lk_agents.voice.records import Mark

__all__ = ["DeadAir", "Stage", "UserState", "Watchdog"]

DEAD_AIR_SECONDS: Final = 4.0
STALL_SECONDS: Final = 1.0
ENOUGH_SPEECH_SECONDS: Final = 1.0
"""So much speech without a word is the recogniser's fault; less may be a cough."""
REMEMBERED: Final = 64
"""Of so many speeches that are over it is known that what comes late means nothing."""
_ROUNDING_SECONDS: Final = 1e-6
_NEVER: Final = float("-inf")


class Stage(StrEnum):
    """What is waited for."""

    STT_FINAL = "stt_final"
    """The recogniser's final text."""
    ENDPOINTING = "endpointing"
    """The decision that the turn is over, though all is understood."""
    LLM_FIRST_TOKEN = "llm_first_token"  # noqa: S105  a token of a language model
    """Text that can be spoken, from the language model or the program."""
    TTS_FIRST_BYTE = "tts_first_byte"
    """Audio from the synthesis."""
    PLAYOUT = "playout"
    """That audio which is there be heard, or a speech that was heard end."""
    TOOL = "tool"
    """A function."""


@dataclass(frozen=True, kw_only=True)
class DeadAir:
    """An alarm: nothing is heard, and this stage is to blame.

    :param since: since when nothing was audible, in seconds of ``foundation.clock.monotonic()``.
    :param seconds: how long that is.
    :param turn: the user's turn that waits for an answer.
    :param speech: the id of what is to be heard; empty where the turn is not decided.
    :param count: counts the alarms about the same silence, from 1.
    :param given_up: how many replies in a row were given up before, without anything heard between them.
    """

    stage: Stage
    since: float
    seconds: float
    turn: int
    speech: str = ""
    count: int = 1
    given_up: int = 0


@dataclass(frozen=True, kw_only=True)
class UserState:
    """What is known of the user's undecided turn.

    :param turn: its number.
    :param speaking: whether a voice run is open.
    :param last_speech_at: when the last sample of speech was spoken; None for never.
    :param speech_seconds: how long the longest speech was that the recogniser has not answered, be it by saying that it
        was nothing.
    :param understood: whether there are words that were neither answered nor set aside.
    :param recognizing: whether an interim or a recognition is open.
    :param waits_until: until when a turn detector has put off the decision; None if none has.
    """

    turn: int = 0
    speaking: bool = False
    last_speech_at: float | None = None
    speech_seconds: float = 0.0
    understood: bool = False
    recognizing: bool = False
    waits_until: float | None = None


@dataclass(slots=True)
class _Speech:
    """Something that is to be heard, from its first preparation until it is over with all that belongs to it.

    :param due_since: since when it is waited for; None while it is only prepared.
    :param tools: how many functions run.
    """

    id: str
    turn: int
    due_since: float | None = None
    marks: set[Mark] = field(default_factory=set)
    playing: bool = False
    paused: bool = False
    silent: bool = False
    tools: int = 0
    had_tools: bool = False
    position: float = 0.0
    has_audio: bool = True


@dataclass(frozen=True, slots=True)
class _Silence:
    """Something that is waited for: who waits, for what, since when, and how long that may take."""

    stage: Stage
    since: float
    patience: float
    turn: int
    speech: str = ""


class Watchdog:
    """Told what happens, it says when to look (:attr:`next_deadline`) and what is wrong then (:meth:`check`).

    All moments are seconds of ``foundation.clock.monotonic()``, and go forward from call to call.

    :param timeout_seconds: how long nothing may be audible when something should; None to watch nothing.
    :param stall_seconds: how long a speech may stand still while it has audio.
    :raises ConfigError: one of them is not above 0.
    """

    def __init__(
        self, *, timeout_seconds: float | None = DEAD_AIR_SECONDS, stall_seconds: float = STALL_SECONDS
    ) -> None:
        for name, value in (("dead_air_timeout", timeout_seconds), ("stall_seconds", stall_seconds)):
            if value is not None and not value > 0:
                raise ConfigError(f"{name} is {value!r}; it must be above 0")
        self._timeout = timeout_seconds
        self._stall = stall_seconds
        self._user = UserState()
        self._user_silent_at = _NEVER
        self._heard_at = _NEVER
        self._speeches: dict[str, _Speech] = {}
        self._closed: deque[str] = deque(maxlen=REMEMBERED)
        self._given_up_turn: tuple[int, float | None] | None = None
        self._given_up = 0
        self._nobody_listens = False
        self._alarmed: float | None = None  # about the silence since then, whatever has become of it
        self._alarmed_at = _NEVER
        self._count = 0

    # --- what happens ------------------------------------------------------------------------------------------------

    def user(self, at: float, state: UserState) -> None:
        """Tell what is known of the user; call it whenever anything of it has changed."""
        if self._user.speaking and not state.speaking:
            self._user_silent_at = at
        self._user = state

    def audience(self, at: float, *, present: bool) -> None:
        """Tell whether anybody can hear the agent; from the moment that somebody can, silence counts anew."""
        if present and self._nobody_listens:
            self._heard_at = at
        self._nobody_listens = not present

    def turn_decided(self, at: float, *, turn: int, speech: str, last_speech_at: float | None) -> None:
        """The user's turn is over, and ``speech`` answers it; it may have been prepared before.

        A reply that is decided upon again, because the user made a sound without words before it was heard, is waited
        for since the first time.
        """
        since = at if last_speech_at is None else last_speech_at
        if self._user.waits_until is not None and self._user.turn == turn:
            since = max(since, self._user.waits_until)
        self._due(speech, turn, since)

    def speech_due(self, at: float, *, turn: int, speech: str) -> None:
        """Something is to be said that is no reply to a turn: by the program, or about what came of functions."""
        self._due(speech, turn, at)

    def mark(self, at: float, speech: str, mark: Mark) -> None:
        """A stage of a speech was reached, due or not; after ``FIRST_PLAYED`` it counts as being heard."""
        known = self._known(speech)
        known.marks.add(mark)
        if mark is Mark.FIRST_PLAYED:
            known.playing, known.silent = True, False
            self._heard_at = at
            self._given_up = 0

    def restarted(self, speech: str) -> None:
        """A speech of which nothing was heard is generated anew; it is waited for since the same moment as before."""
        self._known(speech).marks.clear()

    def position(self, at: float, speech: str, seconds: float, *, has_audio: bool) -> None:
        """Tell how far a speech was heard. Call it before :meth:`check` while one is being played.

        :param has_audio: whether there is more audio, so that the position should move.
        """
        known = self._known(speech)
        if seconds > known.position or (has_audio and not known.has_audio):
            self._heard_at = at
        known.position, known.has_audio = seconds, has_audio

    def paused(self, speech: str) -> None:
        """A speech is silent until it is clear whether the user interrupts."""
        self._known(speech).paused = True

    def resumed(self, at: float, speech: str) -> None:
        """It goes on."""
        self._known(speech).paused = False
        self._heard_at = at

    def tool_started(self, speech: str) -> None:
        """A function begins that the speech has called."""
        known = self._known(speech)
        known.tools += 1
        known.had_tools = True

    def tool_finished(self, at: float, speech: str) -> None:
        """It has ended, however; what the agent has to say about it is waited for from now on."""
        known = self._known(speech)
        known.tools = max(known.tools - 1, 0)
        if known.due_since is not None:
            known.due_since = at

    def silent(self, at: float, speech: str) -> None:
        """The audio of a speech is over, or there was none; its functions may go on."""
        known = self._known(speech)
        if known.playing:
            self._heard_at = at
        known.playing = known.paused = False
        known.silent = True

    def closed(self, speech: str) -> None:
        """A speech is over with all that belongs to it, or is not wanted any more."""
        if self._speeches.pop(speech, None) is not None:
            self._closed.append(speech)

    def gave_up(self, alarm: DeadAir) -> None:
        """What an alarm was about is given up: a reply is not waited for any more, nor an answer to an open turn.

        For what waits behind it, silence counts anew.
        """
        self._heard_at = max(self._heard_at, self._alarmed_at)
        if alarm.speech:
            self._given_up += 1
            self.closed(alarm.speech)
        else:
            self._given_up_turn = (alarm.turn, self._user.last_speech_at)

    # --- what is to be done ------------------------------------------------------------------------------------------

    @property
    def next_deadline(self) -> float | None:
        """When :meth:`check` may have something to say if nothing happens before; None for never."""
        silence = self._silence()
        return None if silence is None else self._alarm_at(silence)

    def check(self, at: float) -> DeadAir | None:
        """Return the alarm that is due, if there is one; tell the :meth:`position` of what is being played before."""
        silence = self._silence()
        if silence is None or at < self._alarm_at(silence) - _ROUNDING_SECONDS:
            return None
        self._count = self._count + 1 if silence.since == self._alarmed else 1
        self._alarmed, self._alarmed_at = silence.since, at
        return DeadAir(
            stage=silence.stage,
            since=silence.since,
            seconds=at - silence.since,
            turn=silence.turn,
            speech=silence.speech,
            count=self._count,
            given_up=self._given_up,
        )

    def _alarm_at(self, silence: _Silence) -> float:
        assert self._timeout is not None, "without it there is no silence"
        if silence.since == self._alarmed:
            due = self._alarmed_at + self._timeout
        else:
            due = silence.since + silence.patience
        # The user's own sound has just ended: whatever follows from it comes first.
        return max(due, self._user_silent_at + min(self._stall, self._timeout))

    def _silence(self) -> _Silence | None:
        """Return what is waited for, as things are."""
        if self._timeout is None or self._nobody_listens or self._user.speaking:
            return None
        due = [speech for speech in self._speeches.values() if speech.due_since is not None]
        if any(speech.paused for speech in due):
            return None
        if playing := next((speech for speech in due if speech.playing), None):
            return self._of_playing(playing, self._timeout)
        if (turn := self._of_turn(self._timeout)) is not None and (self._user.understood or self._user.recognizing):
            return turn  # what is due before it was taken back, or will be decided about with it
        if unheard := next((speech for speech in due if not speech.silent), None):
            return self._of_unheard(unheard, self._timeout)
        if unfinished := next(iter(due), None):
            return self._of_unheard(unfinished, self._timeout)
        return turn

    def _of_playing(self, speech: _Speech, timeout: float) -> _Silence:
        if speech.has_audio:
            stage, patience = Stage.PLAYOUT, self._stall
        else:
            complete = Mark.TEXT_COMPLETE in speech.marks
            stage, patience = (Stage.TTS_FIRST_BYTE if complete else Stage.LLM_FIRST_TOKEN), timeout
        return _Silence(stage, self._heard_at, patience, speech.turn, speech.id)

    def _of_unheard(self, speech: _Speech, timeout: float) -> _Silence:
        assert speech.due_since is not None, "only what is due is waited for"
        return _Silence(_stage_of(speech), max(speech.due_since, self._heard_at), timeout, speech.turn, speech.id)

    def _of_turn(self, timeout: float) -> _Silence | None:
        user = self._user
        if user.last_speech_at is None or (user.turn, user.last_speech_at) == self._given_up_turn:
            return None
        since = max(user.last_speech_at, self._heard_at)
        if user.recognizing or (not user.understood and user.speech_seconds >= ENOUGH_SPEECH_SECONDS):
            return _Silence(Stage.STT_FINAL, since, timeout, user.turn)
        if not user.understood:
            return None
        if user.waits_until is not None:
            since = max(since, user.waits_until)
        return _Silence(Stage.ENDPOINTING, since, timeout, user.turn)

    def _known(self, speech: str) -> _Speech:
        known = self._speeches.get(speech)
        if known is None:
            known = _Speech(speech, self._user.turn)
            if speech not in self._closed:
                self._speeches[speech] = known
        return known

    def _due(self, speech: str, turn: int, since: float) -> None:
        known = self._known(speech)
        known.turn = turn
        if known.due_since is None:
            known.due_since = since


def _stage_of(speech: _Speech) -> Stage:
    """Return what keeps a speech from being heard, or from ending."""
    if speech.tools:
        return Stage.TOOL
    if speech.silent:
        return Stage.LLM_FIRST_TOKEN if speech.had_tools else Stage.PLAYOUT
    if Mark.FIRST_AUDIO in speech.marks:
        return Stage.PLAYOUT
    if speech.marks & {Mark.FIRST_SENTENCE, Mark.TEXT_COMPLETE}:
        return Stage.TTS_FIRST_BYTE
    return Stage.LLM_FIRST_TOKEN
