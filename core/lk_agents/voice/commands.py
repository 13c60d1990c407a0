"""What the turn machine asks for: frozen records, and nothing that does anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from lk_agents.foundation.types import AgentState

__all__ = [
    "AskInterruption",
    "AskTurnDetector",
    "BeginReply",
    "Command",
    "DropSpeech",
    "PauseSpeech",
    "PlaySpeech",
    "ReportUserStarted",
    "ReportUserStopped",
    "ResumeSpeech",
    "ShowState",
    "StopSpeech",
    "TurnDecided",
]


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
    """

    speech: str
    turn: int
    text: str


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
