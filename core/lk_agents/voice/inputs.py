"""What the turn machine is told: frozen records, and nothing that does anything.

Every moment is in seconds of ``foundation.clock.monotonic()``. ``at`` is when the machine is told; what is said about
the audio itself (``onset_at``, ``last_speech_at``) is when it was spoken, which is earlier.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from lk_agents.turns.evidence import Decision

__all__ = [
    "AudioReady",
    "EndOfTurn",
    "Final",
    "Input",
    "Interim",
    "InterruptAll",
    "InterruptionVerdict",
    "RecognitionClosed",
    "RecognitionOpened",
    "SpeechAdded",
    "SpeechCancelled",
    "SpeechClosed",
    "SpeechKind",
    "SpeechSilent",
    "SpeechStarted",
    "SpeechStopped",
    "Tick",
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
class SpeechCancelled:
    """The program wants one speech to end, whether it is heard or waits.

    :param nested: those under it, too, also if it is over itself.
    """

    at: float
    speech: str
    nested: bool = False


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
    | SpeechCancelled
    | InterruptAll
)
