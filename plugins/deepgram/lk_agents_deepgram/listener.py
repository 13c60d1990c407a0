"""From one connection's messages to the events of a stream. Pure: it waits for nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from lk_agents.streams.words import TimedWord
from lk_agents.stt.events import SpeechData, SpeechEvent, SpeechEventType
from lk_agents_deepgram.messages import (
    Alternative,
    LiveMessage,
    Metadata,
    Results,
    SpeechStarted,
    UtteranceEnd,
)

__all__ = ["Listener", "speech_data", "spoken_in"]

SPANS_KEPT: Final = 64
SAME_SECONDS: Final = 0.1
"""Pieces of audio follow each other; one that begins earlier than that before the end of the last one is no new one."""
INSTANT: Final = 1e-6
"""The end of a piece is looked up this much before it: at the moment itself, what was not sent may begin."""


class Listener:
    """Understands the messages of one connection.

    :param language: what is spoken; with ``"multi"`` each transcript tells it.
    :param to_heard: from Deepgram's seconds, which count the audio that was sent, to seconds of the audio that was
        taken in for this connection.
    """

    def __init__(self, language: str, *, to_heard: Callable[[float], float]) -> None:
        self.speaking = False
        """Whether a start was told and no end."""
        self.request_id = ""
        self.summed_up = False
        """Whether the summary has come, after which Deepgram says nothing more."""
        self.final_until = 0.0
        """Until when it is final what was said, in Deepgram's seconds."""
        self._language = language
        self._to_heard = to_heard
        self._final_spans: deque[tuple[float, float]] = deque(maxlen=SPANS_KEPT)
        self._last_word_end = 0.0
        self._settled: float | None = None

    def hear(self, message: LiveMessage) -> list[SpeechEvent]:
        """Return the events that a message amounts to."""
        self._settled = None
        match message:
            case Results():
                return self._hear_results(message)
            case SpeechStarted():
                return self._start() if self._is_new(message) else []
            case UtteranceEnd():
                return self._end()
            case Metadata():
                self.request_id = message.request_id or self.request_id
                self.summed_up = True
        return []

    @property
    def settled(self) -> float | None:
        """Until when the audio taken in is settled by the message heard last; None if it was not final."""
        return self._settled

    def settles(self, event: SpeechEvent) -> float | None:
        """Return the same for an event of that message."""
        return self._settled if event.type is SpeechEventType.FINAL_TRANSCRIPT else None

    def _is_new(self, message: SpeechStarted) -> bool:
        """Tell whether speech begins, rather than a late word about speech that is over."""
        return message.timestamp is None or message.timestamp >= self._last_word_end

    def _hear_results(self, message: Results) -> list[SpeechEvent]:
        self.request_id = message.request_id or self.request_id
        if self._is_old(message):
            return []
        events = self._transcript(message)
        if message.is_final:
            self._note_final(message)
        if message.speech_final:
            events += self._end()
        return events

    def _is_old(self, message: Results) -> bool:
        """Tell whether this was heard before: the same once more, or an interim of what is final by now."""
        if not message.duration:
            return False
        if message.is_final:
            return (message.start, message.duration) in self._final_spans
        return message.start < self.final_until - SAME_SECONDS

    def _note_final(self, message: Results) -> None:
        words_end = max((word.end_time for each in message.alternatives[:1] for word in each.words), default=0.0)
        until = max(message.start + message.duration, words_end)
        self._last_word_end = max(self._last_word_end, words_end)
        self.final_until = max(self.final_until, until)
        self._settled = self._end_heard(until)
        if message.duration:
            self._final_spans.append((message.start, message.duration))

    def _transcript(self, message: Results) -> list[SpeechEvent]:
        if not message.alternatives or not message.alternatives[0].transcript.strip():
            return []
        kind = SpeechEventType.FINAL_TRANSCRIPT if message.is_final else SpeechEventType.INTERIM_TRANSCRIPT
        alternatives = [self._placed(each, message) for each in message.alternatives]
        return [*self._start(), SpeechEvent(kind, request_id=self.request_id, alternatives=alternatives)]

    def _placed(self, found: Alternative, message: Results) -> SpeechData:
        data = speech_data(found, spoken_in(found, self._language))
        if not data.words:
            data = replace(data, start_time=message.start, end_time=message.start + message.duration)
        return replace(
            data,
            start_time=self._to_heard(data.start_time),
            end_time=self._end_heard(data.end_time),
            words=[self._heard(word) for word in data.words],
        )

    def _heard(self, word: TimedWord) -> TimedWord:
        return replace(word, start_time=self._to_heard(word.start_time), end_time=self._end_heard(word.end_time))

    def _end_heard(self, seconds: float) -> float:
        return self._to_heard(seconds - INSTANT) + INSTANT if seconds > INSTANT else seconds

    def _start(self) -> list[SpeechEvent]:
        if self.speaking:
            return []
        self.speaking = True
        return [SpeechEvent(SpeechEventType.START_OF_SPEECH, request_id=self.request_id)]

    def _end(self) -> list[SpeechEvent]:
        if not self.speaking:
            return []
        self.speaking = False
        return [SpeechEvent(SpeechEventType.END_OF_SPEECH, request_id=self.request_id)]


def spoken_in(found: Alternative, language: str) -> str:
    """Return the language of an alternative: what was set, or what was heard where several may come."""
    return found.languages[0] if language == "multi" and found.languages else language


def speech_data(found: Alternative, language: str) -> SpeechData:
    """Return an alternative as the framework has it; times stay Deepgram's, 0 where there are no words."""
    words = list(found.words)
    return SpeechData(
        language=language,
        text=found.transcript,
        start_time=words[0].start_time if words else 0.0,
        end_time=words[-1].end_time if words else 0.0,
        confidence=found.confidence,
        words=words,
        speaker_id=words[0].speaker if words else None,
    )
