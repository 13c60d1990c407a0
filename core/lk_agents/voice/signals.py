"""What the turn machine is told, and what it asks for: frozen records, and nothing that does anything.

Every moment is in seconds of ``foundation.clock.monotonic()``. ``at`` is when the machine is told; what is said about
the audio itself (``onset_at``, ``last_speech_at``) is when it was spoken, which is earlier.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from lk_agents.foundation.types import AgentState
from lk_agents.turns.evidence import Decision

__all__ = [
    "AskInterruption",
    "AskTurnDetector",
    "AudioReady",
    "BeginReply",
    "Command",
    "DropSpeech",
    "EndOfTurn",
    "Final",
    "Input",
    "Interim",
    "InterruptAll",
    "InterruptionVerdict",
    "PauseSpeech",
    "PlaySpeech",
    "RecognitionClosed",
    "RecognitionOpened",
    "ReportUserStarted",
    "ReportUserStopped",
    "ResumeSpeech",
    "ShowState",
    "SpeechAdded",
    "SpeechClosed",
    "SpeechKind",
    "SpeechSilent",
    "SpeechStarted",
    "SpeechStopped",
    "StopSpeech",
    "Tick",
    "TurnDecided",
    "TurnVerdict",
    "Typed",
    "UserCommitted",
    "VoiceRunBegan",
    "VoiceRunEnded",
    "VoiceWindow",
]


class SpeechKind(StrEnum):
    """Why the agent speaks."""

    REPLY = "reply"
    """To answer the user's turn."""
    SAY = "say"
    """Because the program said so."""
    ANSWER = "answer"
    """To tell what came of the functions that an earlier speech has called."""


# --- what the user does ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VoiceRunBegan:
    """The first window with speech after silence was judged.

    :param onset_at: when its first sample was spoken.
    """

    at: float
    onset_at: float


@dataclass(frozen=True, slots=True)
class VoiceWindow:
    """One more window of an open run was judged, the first and the last ones included.

    :param is_speech: what was judged.
    :param last_speech_at: when the last sample of speech was spoken, refined by energy.
    """

    at: float
    is_speech: bool
    last_speech_at: float


@dataclass(frozen=True, slots=True)
class VoiceRunEnded:
    """Two windows in a row without speech have ended the run, or its audio has ended."""

    at: float
    onset_at: float
    last_speech_at: float


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The detector says START. It is told to the program, and decides nothing."""

    at: float


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The detector says END, after the START before; or the audio has ended."""

    at: float


@dataclass(frozen=True, slots=True)
class Interim:
    """What is understood so far of what comes after the last :class:`Final`. Empty text: nothing after all."""

    at: float
    text: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class Final:
    """Something was understood for good.

    :param key: replaces what came under the same key; a recogniser that hears an utterance again gives it the same.
    :param text: may be empty: nothing was said.
    """

    at: float
    key: int
    text: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class RecognitionOpened:
    """A recognition of recorded audio has begun; its :class:`Final`, if one comes, has the same key."""

    at: float
    key: int


@dataclass(frozen=True, slots=True)
class RecognitionClosed:
    """It is over: its text has come, or none will, because it failed or was dropped."""

    at: float
    key: int


@dataclass(frozen=True, slots=True)
class EndOfTurn:
    """The recogniser says that the user expects an answer: what was understood is decided without further delay."""

    at: float


@dataclass(frozen=True, slots=True)
class Typed:
    """The user has written a message: a turn of its own, which waits for nothing."""

    at: float
    text: str


# --- what is decided elsewhere ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TurnVerdict:
    """A turn detector's answer to :class:`AskTurnDetector`; void if its serial is not the last one."""

    at: float
    serial: int
    decision: Decision


@dataclass(frozen=True, slots=True)
class InterruptionVerdict:
    """An interruption strategy's answer to :class:`AskInterruption`; void if its serial is not the last one.

    :param is_echo: what was understood is what the agent is saying: nobody has said it.
    """

    at: float
    serial: int
    decision: Decision
    is_echo: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    """The moment that the machine has asked for (``next_deadline``) has come."""

    at: float


# --- what the agent's speeches do ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SpeechAdded:
    """Somebody wants to say something; it takes its place in the line.

    :param speech: its id.
    :param parent: the speech behind whose own audio it belongs, before all that waits behind that one; None for the
        end of the line.
    :param first: it goes before the audio of its parent.
    """

    at: float
    speech: str
    kind: SpeechKind
    interruptible: bool
    parent: str | None = None
    first: bool = False


@dataclass(frozen=True, slots=True)
class AudioReady:
    """The first audio of a speech is there, or it is known that there will be none; it may be played.

    :param audible: whether there is any.
    """

    at: float
    speech: str
    audible: bool = True


@dataclass(frozen=True, slots=True)
class SpeechSilent:
    """The audio of a speech is over: heard to its end, stopped, failed, or there was none."""

    at: float
    speech: str


@dataclass(frozen=True, slots=True)
class SpeechClosed:
    """A speech is over with everything that belongs to it, its functions too; nothing more is added under it."""

    at: float
    speech: str


@dataclass(frozen=True, slots=True)
class UserCommitted:
    """What a reply answers has become part of the conversation: it is not asked again."""

    at: float
    speech: str


@dataclass(frozen=True, slots=True)
class InterruptAll:
    """The program wants silence, whatever may be interrupted or not.

    :param everything: what waits in line, too; else only what is being said.
    """

    at: float
    everything: bool = True


Input: TypeAlias = (
    VoiceRunBegan
    | VoiceWindow
    | VoiceRunEnded
    | SpeechStarted
    | SpeechStopped
    | Interim
    | Final
    | RecognitionOpened
    | RecognitionClosed
    | EndOfTurn
    | Typed
    | TurnVerdict
    | InterruptionVerdict
    | Tick
    | SpeechAdded
    | AudioReady
    | SpeechSilent
    | SpeechClosed
    | UserCommitted
    | InterruptAll
)


# --- what is to be done ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReportUserStarted:
    """Tell the program that the user has started to speak."""


@dataclass(frozen=True, slots=True)
class ReportUserStopped:
    """Tell the program that the user has stopped speaking."""


@dataclass(frozen=True, slots=True)
class BeginReply:
    """Prepare a reply, and post :class:`AudioReady` when it can be heard. It is in line once the turn is decided.

    :param speech: the id it has from now on.
    :param turn: the turn it answers.
    :param text: what the user has said; empty for a turn in which nothing was understood.
    :param user_is_silent: whether the agent may be shown as thinking.
    """

    speech: str
    turn: int
    text: str
    user_is_silent: bool


@dataclass(frozen=True, slots=True)
class TurnDecided:
    """The turn is over and the reply validated.

    :param last_speech_at: when the user's last sample was spoken; None if only text came.
    :param last_final_at: when the last text came.
    :param decided_at: the moment.
    """

    turn: int
    speech: str
    last_speech_at: float | None
    last_final_at: float | None
    decided_at: float


@dataclass(frozen=True, slots=True)
class DropSpeech:
    """End a speech that was not heard, and will not be."""

    speech: str


@dataclass(frozen=True, slots=True)
class PlaySpeech:
    """Let a speech be heard, now."""

    speech: str


@dataclass(frozen=True, slots=True)
class PauseSpeech:
    """Fall silent at once; it may go on."""

    speech: str


@dataclass(frozen=True, slots=True)
class ResumeSpeech:
    """Go on with a paused speech: the interruption was none."""

    speech: str


@dataclass(frozen=True, slots=True)
class StopSpeech:
    """End a speech that is being heard, or paused: it is interrupted."""

    speech: str


@dataclass(frozen=True, slots=True)
class AskTurnDetector:
    """Ask whether the user's turn has ended; answer with a :class:`TurnVerdict` of this serial."""

    serial: int
    turn: int
    text: str
    language: str
    last_speech_at: float | None


@dataclass(frozen=True, slots=True)
class AskInterruption:
    """Ask whether what the user does under the agent's speech interrupts it.

    :param speech_seconds: length of the run, without the silence behind it.
    :param speaking: whether the run is open.
    """

    serial: int
    turn: int
    text: str
    final: bool
    language: str
    speech_seconds: float
    silence_seconds: float
    speaking: bool


@dataclass(frozen=True, slots=True)
class ShowState:
    """Show what the agent does, unless something else is to be shown within the delay."""

    state: AgentState
    delay_seconds: float = 0.0


Command: TypeAlias = (
    ReportUserStarted
    | ReportUserStopped
    | BeginReply
    | TurnDecided
    | DropSpeech
    | PlaySpeech
    | PauseSpeech
    | ResumeSpeech
    | StopSpeech
    | AskTurnDetector
    | AskInterruption
    | ShowState
)
