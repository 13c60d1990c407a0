"""From one live connection's messages to the events of a stream. Pure: it waits for nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from lk_agents.foundation import clock
from lk_agents.foundation.errors import APIError
from lk_agents.stt.events import SpeechData, SpeechEvent, SpeechEventType
from lk_agents_openai.asking import judged
from lk_agents_openai.live_messages import (
    Cleared,
    Committed,
    Completed,
    Delta,
    ErrorMessage,
    Failed,
    LiveMessage,
    Problem,
    Session,
    SpeechStarted,
    SpeechStopped,
)

__all__ = ["Listener"]

INTERIM_SECONDS: Final = 0.5
"""How often an interim is told at most."""
COMMIT_EMPTY: Final = "input_audio_buffer_commit_empty"
EXPIRED: Final = "session_expired"
ITEMS_REMEMBERED: Final = 64
RENEW_SECONDS: Final = 600.0
"""A connection that is older than that is renewed in a pause: OpenAI ends it after an hour at the latest."""


@dataclass(eq=False)
class _Item:
    """A piece of speech; seconds are those of the audio that was sent on this connection."""

    id: str
    start: float | None = None
    end: float | None = None
    stopped: bool = False
    """Whether the server has noticed its end by itself."""
    told_start: bool = False
    pieces: list[str] = field(default_factory=list)
    transcript: Completed | None = None


class Listener:
    """Understands the messages of one connection.

    :param language: what is spoken; empty if it is to be found out.
    :param padding_seconds: what the server adds to what is said, before and behind it.
    :param sent_seconds: returns how much audio was sent until now.
    """

    def __init__(
        self, language: str, *, padding_seconds: tuple[float, float], sent_seconds: Callable[[], float]
    ) -> None:
        self.speaking = False
        """Whether a start was told and no end."""
        self.session_id = ""
        self.settled: float | None = None
        """Until when the audio is settled by the message heard last, in seconds sent; None if it settles nothing."""
        self._language = language
        self._before, self._behind = padding_seconds
        self._sent_seconds = sent_seconds
        self._items: dict[str, _Item] = {}
        self._queue: deque[_Item] = deque()  # those that are being recognised, in their order
        self._done: deque[str] = deque(maxlen=ITEMS_REMEMBERED)
        self._commits: deque[tuple[str, float]] = deque()  # of ours, not answered yet
        self._cut_at = 0.0
        self._cleared = False
        self._interim_at: float | None = None
        self._expired = False
        self._began_at = clock.monotonic()

    @property
    def wants_renewal(self) -> bool:
        """Whether it is time for another connection: this one is old and somebody was just heard to the end, or the
        server wants no more of it.
        """
        is_old = clock.monotonic() - self._began_at >= RENEW_SECONDS
        return self._expired or (is_old and self.settled is not None and self.is_idle)

    @property
    def is_idle(self) -> bool:
        """Whether nobody speaks and nothing is being recognised."""
        return not (self.speaking or self._queue or self._commits)

    @property
    def is_over(self) -> bool:
        """Whether everything is told: the last word of the client was heard, and nothing is being recognised."""
        return self._cleared and not self._queue and not self._commits

    @property
    def cut_at(self) -> float:
        """Until where the audio is in items, in seconds sent."""
        return self._cut_at

    def committed(self, event_id: str) -> None:
        """Note that all that was sent is now to be recognised."""
        self._cut_at = self._sent_seconds()
        self._commits.append((event_id, self._cut_at))

    def hear(self, message: LiveMessage) -> list[SpeechEvent]:
        """Return the events that a message amounts to.

        :raises APIError: the server reports an error that does not pass by itself.
        """
        self.settled = None
        match message:
            case SpeechStarted():
                return self._start(message)
            case SpeechStopped():
                return self._stop(message)
            case Committed():
                self._commit(self._item(message.item_id))
            case Delta():
                return self._hear_piece(message)
            case Completed():
                return self._complete(message)
            case Failed():
                raise _error(message.error, "a piece of speech could not be recognised")
            case ErrorMessage():
                self._hear_error(message.error)
            case Session():
                self.session_id = (message.session and message.session.id) or self.session_id
            case Cleared():
                self._cleared = True
        return []

    # --- what is said -----------------------------------------------------------------------------------------------

    def _start(self, message: SpeechStarted) -> list[SpeechEvent]:
        if self._is_done(message.item_id):
            return []
        item = self._item(message.item_id)
        item.start = _seconds(message.audio_start_ms)
        return self._tell_start(item)

    def _stop(self, message: SpeechStopped) -> list[SpeechEvent]:
        if self._is_done(message.item_id):
            return []
        item = self._item(message.item_id)
        item.end, item.stopped = _seconds(message.audio_end_ms), True
        return self._tell_end(item)

    def _commit(self, item: _Item) -> None:
        if self._is_done(item.id):
            return
        if item not in self._queue:
            self._queue.append(item)
        if item.end is None and self._commits:
            item.end = self._commits.popleft()[1]
        elif item.end is None:
            item.end = self._sent_seconds()  # a server that does not tell: nothing later can be in it
        self._cut_at = max(self._cut_at, item.end)

    def _hear_piece(self, message: Delta) -> list[SpeechEvent]:
        if self._is_done(message.item_id) or not message.delta:
            return []
        item = self._item(message.item_id)
        item.pieces.append(message.delta)
        text = "".join(item.pieces).strip()
        is_first = self._queue[0] is item if self._queue else True
        if not text or not is_first or not self._is_time_for_interim():
            return []
        self._interim_at = clock.monotonic()
        interim = SpeechEvent(
            SpeechEventType.INTERIM_TRANSCRIPT, request_id=item.id, alternatives=[self._data(item, text, "")]
        )
        return [*self._tell_start(item), interim]

    def _is_time_for_interim(self) -> bool:
        return self._interim_at is None or clock.monotonic() - self._interim_at >= INTERIM_SECONDS

    def _complete(self, message: Completed) -> list[SpeechEvent]:
        if self._is_done(message.item_id):
            return []
        item = self._item(message.item_id)
        item.transcript = message
        if item not in self._queue:  # a server that does not tell what it commits
            self._commit(item)
        events: list[SpeechEvent] = []
        while self._queue and (transcript := self._queue[0].transcript) is not None:
            events += self._finish(self._queue.popleft(), transcript)
        return events

    def _finish(self, item: _Item, transcript: Completed) -> list[SpeechEvent]:
        self._items.pop(item.id, None)
        self._done.append(item.id)
        self._interim_at = None
        self.settled = max(self.settled or 0.0, item.end or 0.0) or None
        text = transcript.transcript.strip()
        if not text:
            return self._tell_end(item) if not item.stopped and item.told_start else []
        language = transcript.languages[0].code if transcript.languages else ""
        final = SpeechEvent(
            SpeechEventType.FINAL_TRANSCRIPT, request_id=item.id, alternatives=[self._data(item, text, language)]
        )
        started = self._tell_start(item)
        return [*started, final, *([] if item.stopped and not started else self._tell_end(item))]

    def _data(self, item: _Item, text: str, language: str) -> SpeechData:
        end = max((item.end or 0.0) - (self._behind if item.stopped else 0.0), 0.0)
        start = item.start or 0.0
        if start:
            start = min(start + self._before, end) if end else start + self._before
        return SpeechData(language or self._language, text, start_time=start, end_time=end)

    def _tell_start(self, item: _Item) -> list[SpeechEvent]:
        if item.told_start:
            return []
        item.told_start = True
        if self.speaking:
            return []
        self.speaking = True
        return [SpeechEvent(SpeechEventType.START_OF_SPEECH, request_id=item.id)]

    def _tell_end(self, item: _Item) -> list[SpeechEvent]:
        if not self.speaking:
            return []
        self.speaking = False
        return [SpeechEvent(SpeechEventType.END_OF_SPEECH, request_id=item.id)]

    def _item(self, item_id: str) -> _Item:
        return self._items.setdefault(item_id, _Item(item_id))

    def _is_done(self, item_id: str) -> bool:
        return item_id in self._done

    # --- what goes wrong --------------------------------------------------------------------------------------------

    def _hear_error(self, problem: Problem) -> None:
        if problem.code == COMMIT_EMPTY:
            mine = [each for each in self._commits if each[0] == problem.event_id]
            if mine:
                self._commits.remove(mine[0])
            elif self._commits and not problem.event_id:
                self._commits.popleft()
            return
        if problem.code == EXPIRED:
            self._expired = True
            return
        raise _error(problem, "OpenAI reports an error")


def _error(problem: Problem, what: str) -> APIError:
    """Return the error for what the server tells; what is wrong with the request stays wrong."""
    error = APIError(
        f"{what}: {problem.message or 'it does not say why'}",
        body={"message": problem.message, "type": problem.type, "code": problem.code},
        retryable=problem.type != "invalid_request_error",
    )
    return judged(error.located(phase="receive", code=problem.code or problem.type))


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
