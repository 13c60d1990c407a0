"""Watches a turn machine: what must hold of its commands whatever happens."""

from __future__ import annotations

from lk_agents.voice import signals as s
from lk_agents.voice.signals import SpeechKind

OVER = ("over", "dropped")


class Ledger:
    """Knows where each speech is, and refuses commands that do not fit.

    A reply is begun, then in line; a speech that was added is in line. What is in line is played once, at most one at
    a time; then it may be paused and resumed, and is over once its audio is, or stopped. What was not heard may be
    dropped. No reply is played to a turn that the user has continued since it was decided.
    """

    def __init__(self) -> None:
        self.where: dict[str, str] = {}
        self.ready: set[str] = set()
        self.closed: set[str] = set()
        self.user_speaks = False
        self._woken = 0
        self._kinds: dict[str, SpeechKind] = {}
        self._run_open = False
        self._decided_at: dict[str, float] = {}
        self._continued: set[str] = set()

    # --- what is told ------------------------------------------------------------------------------------------------

    def passes(self, moves: bool) -> None:
        """Something else has happened; time may have moved."""
        self._woken = 0

    def wakes(self, due: float, now: float) -> None:
        """The machine wants to be woken."""
        self._woken = self._woken + 1 if due <= now else 0
        assert self._woken < 2, f"wants to be woken at {due}, which is past, again and again"

    def told(self, event: s.Input) -> None:
        match event:
            case s.VoiceRunBegan():
                self._run_open = True
                self._continued.update(self._decided_at)
            case s.VoiceRunEnded():
                self._run_open = False
            case s.VoiceWindow(_, True, last_speech_at):
                self._continued.update(speech for speech, at in self._decided_at.items() if at < last_speech_at)
            case s.SpeechAdded(_, speech, kind):
                self.where[speech] = "line"
                self._kinds[speech] = kind
            case s.AudioReady(_, speech):
                self.ready.add(speech)
            case s.SpeechSilent(_, speech):
                self._ends(speech)
            case s.SpeechClosed(_, speech):
                self.closed.add(speech)
                self._ends(speech)

    def is_alive(self, speech: str) -> bool:
        return self.where.get(speech) not in OVER and speech not in self.closed

    def unended(self) -> dict[str, str]:
        """Return the speeches that have come to no end."""
        return {speech: where for speech, where in self.where.items() if where not in OVER}

    def active(self) -> list[str]:
        return [speech for speech, where in self.where.items() if where in ("playing", "paused", "stopping")]

    # --- what is asked for -------------------------------------------------------------------------------------------

    def asks(self, command: s.Command) -> None:
        match command:
            case s.BeginReply(speech):
                assert speech not in self.where, f"{speech} is begun twice"
                self.where[speech] = "begun"
                self._kinds[speech] = SpeechKind.REPLY
            case s.TurnDecided(_, speech, decided_at=at):
                assert self.where[speech] in ("begun", "line"), self._wrong("decided", speech)
                self.where[speech] = "line"
                self._decided_at[speech] = at
                self._continued.discard(speech)
            case s.PlaySpeech(speech):
                assert not self.active(), f"{speech} is played while {self.active()} is heard"
                assert speech in self.ready, f"{speech} is played before it is ready"
                assert speech not in self._continued, f"{speech} is played to a turn that goes on"
                if self._kinds[speech] is not SpeechKind.SAY:
                    assert not self._run_open, f"{speech} is played while the user speaks"
                self._moves(speech, "played", {"line"}, "playing")
            case s.PauseSpeech(speech):
                self._moves(speech, "paused", {"playing"}, "paused")
            case s.ResumeSpeech(speech):
                self._moves(speech, "resumed", {"paused"}, "playing")
            case s.StopSpeech(speech):
                self._moves(speech, "stopped", {"playing", "paused"}, "stopping")
            case s.DropSpeech(speech):
                self._moves(speech, "dropped", {"begun", "line"}, "dropped")
            case s.ReportUserStarted():
                assert not self.user_speaks, "the user is said to start twice"
                self.user_speaks = True
            case s.ReportUserStopped():
                assert self.user_speaks, "the user is said to stop without a start"
                self.user_speaks = False

    def _ends(self, speech: str) -> None:
        if self.where[speech] != "dropped":
            self.where[speech] = "over"

    def _moves(self, speech: str, what: str, allowed: set[str], to: str) -> None:
        assert self.where.get(speech) in allowed, self._wrong(what, speech)
        self.where[speech] = to

    def _wrong(self, what: str, speech: str) -> str:
        return f"{speech} is {what} although it is {self.where.get(speech)!r}"
