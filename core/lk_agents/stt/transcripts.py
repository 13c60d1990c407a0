"""What a stream has handed out so far, and what the next event therefore becomes. Pure: it waits for nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lk_agents.streams.axis import TOUCHING_SECONDS
from lk_agents.streams.words import TimedWord
from lk_agents.stt.events import TRANSCRIPTS, SpeechData, SpeechEvent, SpeechEventType, has_text

__all__ = ["TranscriptLog"]


class TranscriptLog:
    """Keeps a stream's events in order over all sessions with its provider.

    Two starts have an end between them, times are those of the stream and do not go back, and no word is handed out
    again that an earlier session had made final.
    """

    def __init__(self) -> None:
        self.speaking = False
        """Whether a start was handed out and no end."""
        self.finals = 0
        """How many finals were handed out."""
        self.final_end = 0.0
        """Until where it is final, in seconds of the stream, as far as finals tell it."""
        self.unsettled = False
        """Whether something was understood that no final has told yet."""
        self._session_from = 0.0
        self._ended_for_it = False

    def begin_session(self) -> None:
        """Begin with a provider that knows nothing of what there was."""
        self._session_from = self.final_end

    def ended_in_its_place(self) -> None:
        """Note that the end just handed out was ours, for a provider that broke: one of its own would be the second."""
        self._ended_for_it = True

    def next(self, event: SpeechEvent, to_stream: Callable[[float], float]) -> SpeechEvent | None:
        """Return what is handed out for a provider's event; None for nothing.

        :param to_stream: maps the provider's seconds to those of the stream.
        """
        if event.type is SpeechEventType.START_OF_SPEECH:
            return event if self._starts() else None
        if event.type is SpeechEventType.END_OF_SPEECH:
            return event if self._ends() else None
        if event.type not in TRANSCRIPTS:
            return event
        found = [self._in_session(_on_stream(each, to_stream)) for each in event.alternatives]
        alternatives = [each for each in found if each is not None]
        if found and not alternatives:
            return None
        placed = replace(event, alternatives=alternatives)
        self._note(placed)
        return placed

    def _starts(self) -> bool:
        first = not self.speaking
        self.speaking = True
        self._ended_for_it = False
        return first

    def _ends(self) -> bool:
        if not self.speaking and self._ended_for_it:
            return False  # this is the end of the speech that was ended in its place
        self.speaking = False
        return True

    def _note(self, event: SpeechEvent) -> None:
        if event.type is SpeechEventType.FINAL_TRANSCRIPT:
            self.finals += 1
            self.final_end = max([self.final_end, *(each.end_time for each in event.alternatives[:1])])
            self.unsettled = False
        elif has_text(event):
            self.unsettled = True

    def _in_session(self, data: SpeechData) -> SpeechData | None:
        """Return what of a transcript no earlier session had made final; None if nothing is new."""
        since = self._session_from - TOUCHING_SECONDS
        if data.words:
            new = [word for word in data.words if word.start_time >= since]
            if not new:
                return None
            if len(new) < len(data.words):
                data = replace(data, text=_text_from(data, new), words=new)
        elif 0.0 < data.end_time <= self._session_from and data.start_time < since:
            return None
        if data.end_time and data.start_time < self._session_from:
            return replace(data, start_time=self._session_from, end_time=max(data.end_time, self._session_from))
        return data


def _on_stream(data: SpeechData, to_stream: Callable[[float], float]) -> SpeechData:
    if not (data.start_time or data.end_time or data.words):
        return data
    words = [
        replace(word, start_time=to_stream(word.start_time), end_time=to_stream(word.end_time)) for word in data.words
    ]
    if data.end_time:
        start, end = to_stream(data.start_time), to_stream(data.end_time)
    elif words:
        start, end = words[0].start_time, words[-1].end_time
    else:
        start, end = to_stream(data.start_time), 0.0
    return replace(data, start_time=start, end_time=end, words=words)


def _text_from(data: SpeechData, kept: list[TimedWord]) -> str:
    """Return the text from the first kept word on, as it was written; the words alone if it does not hold them."""
    text, at = data.text.casefold(), 0
    for word in data.words:
        found = text.find(word.text.casefold(), at)
        if found < 0 or len(text) != len(data.text):
            return " ".join(each.text for each in kept)
        if word is kept[0]:
            return data.text[found:]
        at = found + len(word.text)
    return " ".join(each.text for each in kept)
