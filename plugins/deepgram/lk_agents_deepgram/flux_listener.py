"""From the messages of one connection to Flux to the events of a stream. Pure: it waits for nothing."""

from __future__ import annotations

from typing import Final

from lk_agents.stt.events import SpeechData, SpeechEvent, SpeechEventType
from lk_agents_deepgram.flux_messages import TurnInfo

__all__ = ["KNOWN_EVENTS", "FluxListener"]

KNOWN_EVENTS: Final = frozenset({"StartOfTurn", "Update", "EagerEndOfTurn", "TurnResumed", "EndOfTurn"})


class FluxListener:
    """Understands the messages of one connection. Times are seconds of the audio that it was sent.

    :param language: what transcripts are in, where Flux does not say it.
    """

    def __init__(self, language: str) -> None:
        self.request_id = ""
        self.turn_is_open = False
        """Whether somebody has begun a turn that has not ended."""
        self.heard_until = 0.0
        """Until when Flux has told anything."""
        self._language = language
        self._turn = 0  # those before it have ended
        self._latest: TurnInfo | None = None
        self._told = ""  # what of the turn was told last
        self._began = 0.0
        self._grew_until = 0.0

    def hear(self, info: TurnInfo) -> list[SpeechEvent]:
        """Return the events that a message amounts to; none for a turn that has ended, and for an unknown event."""
        self.request_id = info.request_id or self.request_id
        if info.turn < self._turn or info.event not in KNOWN_EVENTS:
            return []
        events = self._begin(info)
        if info.transcript != (self._latest.transcript if self._latest else ""):
            self._grew_until = info.window_end
        self._latest = info
        self.heard_until = max(self.heard_until, info.window_end)
        match info.event:
            case "StartOfTurn" | "Update":
                return [*events, *self._news(info)]
            case "EagerEndOfTurn":
                return [*events, *self._transcript(SpeechEventType.PREFLIGHT_TRANSCRIPT, info)]
            case "TurnResumed":
                resumed = self._event(SpeechEventType.TURN_RESUMED)
                return [*events, resumed, *self._transcript(SpeechEventType.INTERIM_TRANSCRIPT, info)]
            case _:
                return [*events, *self._end(info, ended_by_flux=True)]

    def end(self) -> list[SpeechEvent]:
        """Return what is still to be told when no more messages come: what was understood last is final then."""
        return [] if self._latest is None else self._end(self._latest, ended_by_flux=False)

    def settles(self, event: SpeechEvent) -> float | None:
        """Return until when an event of the last message settles the audio; None if it settles nothing."""
        return self.heard_until if event.type is SpeechEventType.FINAL_TRANSCRIPT else None

    def _begin(self, info: TurnInfo) -> list[SpeechEvent]:
        """Return the start of speech where this is the first of its turn that tells of any."""
        if self.turn_is_open or (info.event != "StartOfTurn" and not info.transcript.strip()):
            return []
        self.turn_is_open = True
        self._turn = info.turn
        self._began = max(info.window_start, self.heard_until)
        return [self._event(SpeechEventType.START_OF_SPEECH)]

    def _news(self, info: TurnInfo) -> list[SpeechEvent]:
        """Return the transcript if it says anything new: updates come four times a second, whatever is said."""
        return self._transcript(SpeechEventType.INTERIM_TRANSCRIPT, info) if info.transcript != self._told else []

    def _transcript(self, kind: SpeechEventType, info: TurnInfo) -> list[SpeechEvent]:
        self._told = info.transcript
        return [self._event(kind, info)] if info.transcript.strip() else []

    def _end(self, info: TurnInfo, *, ended_by_flux: bool) -> list[SpeechEvent]:
        events: list[SpeechEvent] = []
        if self.turn_is_open:
            if info.transcript.strip() or self._told.strip():  # an empty one takes back what was told
                events.append(self._event(SpeechEventType.FINAL_TRANSCRIPT, info))
            events.append(self._event(SpeechEventType.END_OF_SPEECH))
            if info.transcript.strip() and ended_by_flux:
                events.append(self._event(SpeechEventType.END_OF_TURN))
        self.turn_is_open = False
        self._turn = info.turn + ended_by_flux
        self._latest, self._told, self._grew_until = None, "", 0.0
        return events

    def _event(self, kind: SpeechEventType, info: TurnInfo | None = None) -> SpeechEvent:
        alternatives = [] if info is None else [self._data(info)]
        return SpeechEvent(kind, request_id=self.request_id, alternatives=alternatives)

    def _data(self, info: TurnInfo) -> SpeechData:
        words = list(info.words)
        return SpeechData(
            language=info.languages[0] if info.languages else self._language,
            text=info.transcript,
            start_time=words[0].start_time if words else self._began,
            end_time=words[-1].end_time if words else self._grew_until or info.window_end,
            confidence=info.confidence,
            words=words,
        )
