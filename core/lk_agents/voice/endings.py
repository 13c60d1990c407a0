"""Speeches that end before their time: stopped while they are heard, dropped before. Pure."""

from __future__ import annotations

from collections.abc import Callable

from lk_agents.voice import signals as s
from lk_agents.voice.floor import Entry, Floor, Phase
from lk_agents.voice.replies import Replies
from lk_agents.voice.signals import SpeechKind
from lk_agents.voice.user_turn import UserTurn

__all__ = ["Endings"]


class Endings:
    """Ends speeches, each in one way: what is heard is stopped once, what was not heard is dropped once.

    :param do: takes what is to be done.
    """

    def __init__(self, turn: UserTurn, floor: Floor, replies: Replies, *, do: Callable[[s.Command], None]) -> None:
        self._turn = turn
        self._floor = floor
        self._replies = replies
        self._do = do

    def stop(self, active: Entry) -> None:
        """Interrupt what is heard, and drop what was to come under it; functions go on, their answer is not wanted."""
        if active.is_stopping:
            return
        active.is_stopping = True
        self._do(s.StopSpeech(active.speech))
        self._supersede(active)

    def cancel(self, speech: str, *, nested: bool) -> None:
        """End one speech, whether it is heard or waits.

        :param nested: those under it, too, also if it is over itself.
        """
        pending, entry = self._replies.pending, self._floor.get(speech)
        if pending is not None and pending.speech == speech:
            self._replies.drop_pending()
            self._turn.abandon()
        elif entry is not None:
            if entry.is_active:
                self.stop(entry)
            elif nested:
                self._supersede(entry)
            if entry.is_unheard:
                self._replies.drop(entry)
        self._floor.sweep()

    def silence(self, *, everything: bool) -> None:
        """Stop what is heard.

        :param everything: what waits, too, and the answers of functions that still run.
        """
        if everything:
            self._replies.drop_pending()
            self._turn.abandon()
        for entry in list(self._floor):
            if entry.is_active:
                self.stop(entry)
            elif everything and entry.is_unheard:
                self._replies.drop(entry)
            elif everything:
                entry.superseded = True
        self._floor.sweep()

    def make_way(self, *, stops: bool) -> None:
        """End what a new reply replaces: the reply that is heard or waits, and answers that were not heard.

        :param stops: whether what is heard may be stopped.
        """
        active = self._floor.active
        replaceable = active is not None and (active.kind is SpeechKind.REPLY or active.phase is Phase.PAUSED)
        if active is not None and stops and active.interruptible and replaceable:
            self.stop(active)
        for entry in list(self._floor):
            if entry.kind is SpeechKind.SAY:
                continue
            if entry.is_unheard and (entry.interruptible or entry.kind is SpeechKind.REPLY):
                self._replies.drop(entry)
            elif entry.interruptible and entry.phase is Phase.SILENT:
                entry.superseded = True  # its functions go on; their answer is not wanted any more
        self._floor.sweep()

    def _supersede(self, entry: Entry) -> None:
        entry.superseded = True
        for under in list(entry.walk()):
            if under is entry:
                continue
            if under.is_active:
                self.stop(under)
            elif under.is_unheard:
                self._replies.drop(under)
            else:
                under.superseded = True
