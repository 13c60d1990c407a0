"""The replies to the user's turns before they are in line: prepared, taken back, used or dropped. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lk_agents.voice import signals as s
from lk_agents.voice.floor import Entry, Floor
from lk_agents.voice.signals import SpeechKind
from lk_agents.voice.user_turn import UserTurn

__all__ = ["Replies", "Reply"]


@dataclass(slots=True)
class Reply:
    """A reply that is being prepared, or was decided.

    :param entry: its place, held until the turn is decided.
    :param text: what it answers.
    :param parts: the pieces of which that consists.
    """

    entry: Entry
    text: str
    parts: dict[int, str]

    @property
    def speech(self) -> str:
        """Its id."""
        return self.entry.speech


class Replies:
    """Keeps one reply in preparation, and knows what those in line answer.

    :param do: takes what is to be done.
    """

    def __init__(
        self, turn: UserTurn, floor: Floor, *, new_id: Callable[[], str], do: Callable[[s.Command], None]
    ) -> None:
        self._turn = turn
        self._floor = floor
        self._new_id = new_id
        self._do = do
        self.pending: Reply | None = None
        """Prepared, and not decided about."""
        self._in_line: dict[str, Reply] = {}

    def prepare(self) -> None:
        """Begin a reply to what was understood so far, unless there is one."""
        parts = self._unanswered()
        text = " ".join(parts.values())
        if self.pending is not None and self.pending.text == text:
            return
        self.drop_pending()
        entry = Entry(self._new_id(), SpeechKind.REPLY, interruptible=True)
        self._floor.hold(entry)
        self.pending = Reply(entry, text, parts)
        self._do(s.BeginReply(entry.speech, self._turn.number, text))

    def put_in_line(self, *, interruptible: bool, at: float) -> Entry:
        """The turn is decided: take the reply that fits it, or begin one, and put it in line."""
        self.prepare()
        assert self.pending is not None
        reply, self.pending = self.pending, None
        reply.entry.interruptible, reply.entry.since = interruptible, at
        self._floor.enter(reply.entry)
        self._in_line[reply.speech] = reply
        return reply.entry

    def take_back(self) -> bool:
        """The user goes on before a reply was heard: it waits for what comes. Tells whether there was one."""
        reply = next((each for each in self._in_line.values() if each.entry.is_unheard), None)
        if reply is None:
            return False
        self.drop_pending()
        del self._in_line[reply.speech]
        self._floor.take_out(reply.entry)
        self.pending = reply
        return True

    def committed(self, speech: str) -> None:
        """What a reply answers is part of the conversation, or not to be answered."""
        pending = self.pending if self.pending is not None and self.pending.speech == speech else None
        if (reply := self._in_line.get(speech, pending)) is not None:
            self._turn.committed(reply.parts)

    def over(self, speech: str) -> None:
        """A speech is over, for whatever reason; one that was in preparation has failed, and another one may begin."""
        if self.pending is not None and self.pending.speech == speech:
            entry, self.pending = self.pending.entry, None
            for under in [each for each in entry.walk() if each is not entry]:
                self.drop(under)
            self._floor.remove(speech)

    def forget(self, speech: str) -> None:
        """A speech has left the line."""
        self._in_line.pop(speech, None)

    def drop(self, entry: Entry) -> None:
        """Take a speech out of line that was not heard, with all under it that was not."""
        for each in self._floor.remove(entry.speech):
            self.forget(each.speech)
            if each.is_unheard:
                self._do(s.DropSpeech(each.speech))

    def drop_pending(self) -> None:
        """Drop the reply in preparation."""
        if self.pending is not None:
            entry, self.pending = self.pending.entry, None
            self.drop(entry)

    def _unanswered(self) -> dict[int, str]:
        """Return what was understood but for that which is being answered by what may not be interrupted."""
        parts = self._turn.parts
        for reply in self._in_line.values():
            if reply.entry.is_active and not reply.entry.interruptible:
                parts = {key: text for key, text in parts.items() if reply.parts.get(key) != text}
        return parts
