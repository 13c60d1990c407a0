"""The replies to the user's turns before they are in line: prepared, taken back, used or dropped. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lk_agents.voice import signals as s
from lk_agents.voice.floor import Entry, Floor, Phase
from lk_agents.voice.signals import SpeechKind
from lk_agents.voice.user_turn import UserTurn

__all__ = ["Replies", "Reply"]


@dataclass(slots=True)
class Reply:
    """A reply that is being prepared, or was decided.

    :param text: what it answers.
    :param keys: the pieces of which that consists; empty once they are part of the conversation.
    :param ready: whether it could be heard.
    :param audible: whether there is anything to hear.
    """

    speech: str
    text: str
    keys: tuple[int, ...]
    ready: bool = False
    audible: bool = True


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
        text = self._turn.text
        if self.pending is not None and self.pending.text == text:
            return
        self.drop_pending()
        self.pending = Reply(self._new_id(), text, self._turn.keys)
        silent = not self._turn.run_open
        self._do(s.BeginReply(self.pending.speech, self._turn.number, text, user_is_silent=silent))

    def put_in_line(self, *, interruptible: bool, at: float) -> Entry:
        """The turn is decided: take the reply that fits it, or begin one, and put it in line."""
        self.prepare()
        assert self.pending is not None
        reply, self.pending = self.pending, None
        reply.keys = self._turn.keys
        entry = Entry(reply.speech, SpeechKind.REPLY, interruptible, since=at)
        if reply.ready:
            entry.phase, entry.audible = Phase.READY, reply.audible
        self._floor.add(entry)
        self._in_line[reply.speech] = reply
        return entry

    def take_back(self) -> bool:
        """The user goes on before a reply was heard: it waits for what comes. Tells whether there was one."""
        for entry in list(self._floor):
            reply = self._in_line.get(entry.speech)
            if reply is None or entry.committed or entry.phase not in (Phase.PREPARING, Phase.READY):
                continue
            reply.ready, reply.audible = entry.phase is Phase.READY, entry.audible
            for under in entry.before:
                self.drop(under)
            self._floor.remove(entry.speech)
            del self._in_line[entry.speech]
            self.drop_pending()
            self.pending = reply
            return True
        return False

    def committed(self, speech: str) -> None:
        """What a reply answers is part of the conversation."""
        if (reply := self._in_line.get(speech)) is not None:
            self._turn.committed(reply.keys)
            reply.keys = ()
        if (entry := self._floor.get(speech)) is not None:
            entry.committed = True

    def ready(self, speech: str, *, audible: bool) -> None:
        """A speech can be heard."""
        if self.pending is not None and self.pending.speech == speech:
            self.pending.ready, self.pending.audible = True, audible
        entry = self._floor.get(speech)
        if entry is not None and entry.phase is Phase.PREPARING:
            entry.phase, entry.audible = Phase.READY, audible

    def over(self, speech: str) -> None:
        """A speech is over, for whatever reason; one that was in preparation has failed, and another one may begin."""
        if self.pending is not None and self.pending.speech == speech:
            self.pending = None

    def forget(self, speech: str) -> None:
        """A speech has left the line."""
        self._in_line.pop(speech, None)

    def drop(self, entry: Entry) -> None:
        """Take a speech out of line that was not heard, with all under it."""
        for each in self._floor.remove(entry.speech):
            self.forget(each.speech)
            self._do(s.DropSpeech(each.speech))

    def drop_pending(self) -> None:
        """Drop the reply in preparation."""
        if self.pending is not None:
            self._do(s.DropSpeech(self.pending.speech))
            self.pending = None
