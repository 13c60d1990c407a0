"""What a recogniser tells, and what it can do."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from lk_agents.streams.inputs import AudioDropped
from lk_agents.streams.words import TimedWord

__all__ = [
    "AudioDropped",
    "RecognitionUsage",
    "STTCapabilities",
    "SpeechData",
    "SpeechEvent",
    "SpeechEventType",
    "TimedWord",
]


class SpeechEventType(StrEnum):
    """What a :class:`SpeechEvent` is about."""

    START_OF_SPEECH = "start_of_speech"
    """Somebody has begun to speak. An engine that does not notice it tells so together with its first transcript."""
    INTERIM_TRANSCRIPT = "interim_transcript"
    """What is understood so far of what is being said; replaces the interim before it."""
    PREFLIGHT_TRANSCRIPT = "preflight_transcript"
    """An interim that will hardly change: good enough to prepare an answer, not to give one."""
    FINAL_TRANSCRIPT = "final_transcript"
    """This will not change. There may be several between a start and an end of speech, and one after the end."""
    RECOGNITION_USAGE = "recognition_usage"
    """How much audio was recognised since the last event of this kind."""
    END_OF_SPEECH = "end_of_speech"
    """Whoever spoke has stopped."""
    TURN_RESUMED = "turn_resumed"
    """What seemed to be said to its end goes on: a preflight transcript does not hold."""
    END_OF_TURN = "end_of_turn"
    """The engine judges that the speaker expects an answer."""


@dataclass
class SpeechData:
    """One way to understand what was said.

    :param language: its code, such as ``"en"``.
    :param text: what was said.
    :param start_time: when it begins, in seconds of the stream, which begin with the first sample pushed; in a
        recognition without a stream, of the audio given. 0, together with ``end_time``, if the engine does not say.
    :param end_time: when it ends, on the same axis.
    :param confidence: 0 to 1.
    :param words: the words with their times, on the same axis; empty if the engine gives none.
    :param speaker_id: the engine's name of who spoke; None without diarisation.
    """

    language: str
    text: str
    start_time: float = 0.0
    end_time: float = 0.0
    confidence: float = 0.0
    words: list[TimedWord] = field(default_factory=list)
    speaker_id: str | None = None


@dataclass
class RecognitionUsage:
    """How much was recognised.

    :param audio_duration: seconds of audio, since the last event that told so.
    """

    audio_duration: float


@dataclass
class SpeechEvent:
    """One thing that a recogniser has noticed.

    :param request_id: the provider's id of the request.
    :param alternatives: for transcripts: the ways to understand it, the best first.
    :param recognition_usage: for usage: how much.
    """

    type: SpeechEventType
    request_id: str = ""
    alternatives: list[SpeechData] = field(default_factory=list)
    recognition_usage: RecognitionUsage | None = None


@dataclass
class STTCapabilities:
    """What a recogniser can do.

    :param streaming: it listens while somebody speaks; without, it only recognises what was recorded.
    :param interim_results: it gives transcripts before they are final.
    :param end_of_turn: it tells when the speaker expects an answer.
    :param aligned_words: it gives the times of words.
    """

    streaming: bool
    interim_results: bool
    end_of_turn: bool = field(default=False, kw_only=True)
    aligned_words: bool = field(default=False, kw_only=True)


TRANSCRIPTS = frozenset(
    {SpeechEventType.INTERIM_TRANSCRIPT, SpeechEventType.PREFLIGHT_TRANSCRIPT, SpeechEventType.FINAL_TRANSCRIPT}
)
"""The types of event whose alternatives are what was said."""


def has_text(event: SpeechEvent) -> bool:
    """Tell whether an event is a transcript in which something was said."""
    return event.type in TRANSCRIPTS and bool(event.alternatives) and bool(event.alternatives[0].text.strip())
