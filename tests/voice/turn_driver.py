"""Plays everything around a turn machine, in a time of its own, and watches that it asks for nothing impossible."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.voice.turn_ledger import Ledger

from lk_agents.turns.evidence import Decision
from lk_agents.turns.words import count_words
from lk_agents.voice import signals as s
from lk_agents.voice.options import TurnOptions
from lk_agents.voice.signals import SpeechKind
from lk_agents.voice.turn import TurnMachine

WINDOW = 0.032
START_WINDOWS = 2
END_WINDOWS = 18
"""As the detector decides by default: 0.05 s of speech, 0.55 s of silence."""
DIGITS = 6


def r(moment: float) -> float:
    return round(moment, DIGITS)


@dataclass
class Spoken:
    """How a speech of the agent goes."""

    kind: SpeechKind
    seconds: float
    functions: float | None = None
    """How long its functions take behind its audio; None: it calls none."""
    answer: float | None = 2.0
    """How long the answer to these is; None: they want none."""
    interruptible: bool = True
    left: float = 0.0
    playing_since: float | None = None
    token: object = field(default_factory=object)


Make = Callable[[float], s.Input]
Judge = Callable[[s.AskInterruption], tuple[Decision, bool] | Decision | None]
Detect = Callable[[s.AskTurnDetector], Decision | None]


class Shell:
    """A conversation around a turn machine.

    :param reply_after: how long after ``BeginReply`` the first audio is there; None: never.
    :param reply_seconds: how long replies are.
    :param judge: the interruption strategy; None for the default rule. It may give no verdict.
    :param detect: the turn detector.
    :param judge_after: how long the strategy thinks.
    :param commits_after: how much of a reply must be heard for its question to count; None: all of it.
    :param stop_seconds: how long it takes a speech to fall silent.
    """

    def __init__(
        self,
        options: TurnOptions | None = None,
        *,
        reply_after: float | None = 0.1,
        reply_seconds: float = 3.0,
        judge: Judge | None = None,
        detect: Detect | None = None,
        judge_after: float = 0.0,
        commits_after: float | None = None,
        stop_seconds: float = 0.0,
    ) -> None:
        self.options = options or TurnOptions()
        self.machine = TurnMachine(self.options, new_id=self._new_id)
        self.ledger = Ledger()
        self.now = 0.0
        self.log: list[tuple[float, str]] = []
        self.states: list[tuple[float, str]] = []
        self.replies: dict[str, str] = {}
        """What each reply answers."""
        self.speeches: dict[str, Spoken] = {}
        self.script: dict[str, Spoken] = {}
        """Speeches that go otherwise than usual, by their ids; replies are r1, r2, ..."""
        self.decisions: list[s.TurnDecided] = []
        self.asked: list[tuple[float, s.AskInterruption]] = []
        self._reply_after = reply_after
        self._reply_seconds = reply_seconds
        self._judge = judge or self._rule
        self._judge_after = judge_after
        self._detect = detect or (lambda _: Decision.ACT)
        self._commits_after = commits_after
        self._stop_seconds = stop_seconds
        self._ids = 0
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        self._queue: deque[s.Input] = deque()
        self.is_busy = False
        self._state_token = object()

    # --- scripts -----------------------------------------------------------------------------------------------------

    def at(self, moment: float, make: Make) -> None:
        self.do_at(moment, lambda: self.post(make(self.now)))

    def do_at(self, moment: float, action: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._agenda, (r(moment), self._order, action))

    def voice(self, *segments: tuple[float, float], hangover: float = 0.0) -> None:
        """Let the user speak: windows, runs, and the detector's START and END."""
        for moment, make in windows(segments, hangover=hangover):
            self.at(moment, make)

    def final(self, moment: float, text: str, *, key: int = 1, language: str = "") -> None:
        self.at(moment, lambda at: s.Final(at, key, text, language))

    def interim(self, moment: float, text: str) -> None:
        self.at(moment, lambda at: s.Interim(at, text))

    def recognition(self, begins: float, ends: float, text: str | None, *, key: int = 1) -> None:
        self.at(begins, lambda at: s.RecognitionOpened(at, key))
        if text is not None:
            self.final(ends, text, key=key)
        self.at(ends, lambda at: s.RecognitionClosed(at, key))

    def say(self, moment: float, speech: str, *, after: float = 0.0, seconds: float = 2.0, **given: Any) -> None:
        """Let the program say something; its first audio is there after so long."""
        interruptible = given.pop("interruptible", True)
        kind = given.pop("kind", SpeechKind.SAY)
        self.script.setdefault(speech, Spoken(kind, seconds, interruptible=interruptible))
        self.at(moment, lambda at: s.SpeechAdded(at, speech, kind, interruptible, **given))
        self.at(moment + after, lambda at: s.AudioReady(at, speech))

    def run(self, until: float = 100.0) -> Shell:
        """Let time pass until nothing is to come."""
        while True:
            due = self.machine.next_deadline
            next_at = self._agenda[0][0] if self._agenda else None
            moments = [moment for moment in (due, next_at) if moment is not None]
            if not moments or min(moments) > until:
                return self
            if next_at is not None and (due is None or next_at <= due):
                self._next()
            else:
                assert due is not None
                self.ledger.wakes(due, self.now)
                self.now = max(r(due), self.now)
                self.post(s.Tick(self.now))

    def pass_to(self, moment: float) -> None:
        """Let time pass until a moment."""
        self.run(until=moment)
        self.ledger.passes(moves=True)
        self.now = max(self.now, r(moment))

    def fail(self, speech: str, *, silent: bool = True) -> None:
        """A speech fails, wherever it is."""
        self._spoken(speech).token = object()
        if silent:
            self.post(s.SpeechSilent(self.now, speech))
        self.post(s.SpeechClosed(self.now, speech))

    def post(self, event: s.Input) -> None:
        self._queue.append(event)
        if self.is_busy:
            return
        self.is_busy = True
        while self._queue:
            each = self._queue.popleft()
            self.ledger.told(each)
            if isinstance(each, s.SpeechSilent):
                self._note(f"silent {each.speech}")
            for command in self.handle(each):
                self.ledger.asks(command)
                self._do(command)
        self.is_busy = False

    def handle(self, event: s.Input) -> list[s.Command]:
        return self.machine.handle(event)

    # --- looking -----------------------------------------------------------------------------------------------------

    def when(self, what: str) -> list[float]:
        """Return when something happened, by its beginning."""
        return [moment for moment, line in self.log if line.startswith(what)]

    def happened(self, *beginnings: str) -> list[tuple[float, str]]:
        return [each for each in self.log if each[1].startswith(beginnings)]

    @property
    def asked_texts(self) -> list[str]:
        """What the replies that were decided answer."""
        return [self.replies[each.speech] for each in self.decisions]

    @property
    def played(self) -> list[str]:
        return [line.removeprefix("play ") for _, line in self.log if line.startswith("play ")]

    def at_rest(self) -> bool:
        """Whether nothing is left to be done."""
        return self.machine.next_deadline is None and not len(self.machine.floor) and not self.ledger.unended()

    # --- doing what the machine asks for -----------------------------------------------------------------------------

    def _next(self) -> None:
        moment, _, action = heapq.heappop(self._agenda)
        self.ledger.passes(moment > self.now)
        self.now = max(moment, self.now)
        action()

    def _new_id(self) -> str:
        self._ids += 1
        return f"r{self._ids}"

    def _note(self, line: str) -> None:
        self.log.append((r(self.now), line))

    def _do(self, command: s.Command) -> None:
        match command:
            case s.BeginReply(speech, _, text):
                self._note(f"begin {speech}: {text}")
                self.replies[speech] = text
                if self._reply_after is not None:
                    self.do_at(self.now + self._reply_after, lambda: self._ready(speech))
            case s.AskInterruption():
                self.asked.append((r(self.now), command))
                self._give_verdict(command)
            case s.AskTurnDetector():
                if (decision := self._detect(command)) is not None:
                    self._queue.append(s.TurnVerdict(self.now, command.serial, decision))
            case s.ShowState(state, delay):
                self._show(state, delay)
            case s.TurnDecided():
                self.decisions.append(command)
                self._note(f"decided {command.speech}")
            case s.ReportUserStarted():
                self._note("user started")
            case s.ReportUserStopped():
                self._note("user stopped")
            case _:
                self._move(command)

    def _give_verdict(self, ask: s.AskInterruption) -> None:
        judged = self._judge(ask)
        if judged is None:
            return
        decision, is_echo = judged if isinstance(judged, tuple) else (judged, False)
        if not self._judge_after:
            self._queue.append(s.InterruptionVerdict(self.now, ask.serial, decision, is_echo))
            return
        self.at(self.now + self._judge_after, lambda at: s.InterruptionVerdict(at, ask.serial, decision, is_echo))

    def _rule(self, ask: s.AskInterruption) -> Decision:
        long_enough = ask.speech_seconds >= self.options.interrupt_speech_duration
        enough_words = count_words(ask.text) >= self.options.interrupt_min_words
        return Decision.ACT if long_enough and enough_words else Decision.WAIT

    def _ready(self, speech: str) -> None:
        if self.ledger.is_alive(speech):
            self.post(s.AudioReady(self.now, speech, audible=self._spoken(speech).seconds > 0))

    def _spoken(self, speech: str) -> Spoken:
        if speech not in self.speeches:
            usual = Spoken(SpeechKind.REPLY, self._reply_seconds)
            self.speeches[speech] = self.script.get(speech, usual)
            self.speeches[speech].left = self.speeches[speech].seconds
        return self.speeches[speech]

    def _move(self, command: s.Command) -> None:
        assert isinstance(command, s.PlaySpeech | s.PauseSpeech | s.ResumeSpeech | s.StopSpeech | s.DropSpeech)
        speech, spoken = command.speech, self._spoken(command.speech)
        name = type(command).__name__.removesuffix("Speech").lower()
        self._note(f"{name} {speech}")
        if isinstance(command, s.DropSpeech):
            self._queue.append(s.SpeechClosed(self.now, speech))
            return
        if spoken.playing_since is not None:
            spoken.left -= self.now - spoken.playing_since
            spoken.playing_since = None
        token = spoken.token = object()
        if isinstance(command, s.StopSpeech):
            self._stops(speech)
        elif isinstance(command, s.PlaySpeech | s.ResumeSpeech):
            spoken.playing_since = self.now
            is_reply = spoken.kind is SpeechKind.REPLY and isinstance(command, s.PlaySpeech)
            if self._commits_after is not None and is_reply:
                self.do_at(self.now + self._commits_after, lambda: self._commit(spoken, token, speech))
            self.do_at(self.now + spoken.left, lambda: self._ends(speech, token))

    def _stops(self, speech: str) -> None:
        if self._stop_seconds:
            self.do_at(self.now + self._stop_seconds, lambda: self.fail(speech))
        else:
            self._queue.append(s.SpeechSilent(self.now, speech))
            self._queue.append(s.SpeechClosed(self.now, speech))

    def _commit(self, spoken: Spoken, token: object, speech: str) -> None:
        if spoken.token is token:
            self.post(s.UserCommitted(self.now, speech))

    def _ends(self, speech: str, token: object) -> None:
        spoken = self._spoken(speech)
        if spoken.token is not token:
            return
        spoken.playing_since = None
        if spoken.kind is SpeechKind.REPLY:
            self.post(s.UserCommitted(self.now, speech))
        self.post(s.SpeechSilent(self.now, speech))
        if spoken.functions is None:
            self.post(s.SpeechClosed(self.now, speech))
        else:
            self.do_at(self.now + spoken.functions, lambda: self._functions_end(speech, spoken))

    def _functions_end(self, speech: str, spoken: Spoken) -> None:
        self._note(f"functions of {speech} end")
        if spoken.answer is not None:
            answer = f"{speech}.answer"
            self.script.setdefault(answer, Spoken(SpeechKind.ANSWER, spoken.answer))
            self.post(s.SpeechAdded(self.now, answer, SpeechKind.ANSWER, spoken.interruptible, parent=speech))
            self.do_at(self.now + (self._reply_after or 0.0), lambda: self._ready(answer))
        self.post(s.SpeechClosed(self.now, speech))

    def _show(self, state: str, delay: float) -> None:
        token = self._state_token = object()
        if delay:
            self.do_at(self.now + delay, lambda: self._show_now(state, token))
        else:
            self._show_now(state, token)

    def _show_now(self, state: str, token: object) -> None:
        if token is self._state_token and (not self.states or self.states[-1][1] != state):
            self.states.append((r(self.now), state))


def windows(segments: tuple[tuple[float, float], ...], *, hangover: float = 0.0) -> Iterator[tuple[float, Make]]:
    """Give what is heard of loud segments: runs, windows, START and END, each with the moment when it is told."""
    first = segments[0][0]
    count = int((segments[-1][1] + hangover - first) / WINDOW) + END_WINDOWS + 4
    loud = silent = 0
    run_open = vad_speaking = False
    onset = last = first
    for k in range(count):
        begins, ends = r(first + k * WINDOW), r(first + (k + 1) * WINDOW)
        heard = [(a, b) for a, b in segments if a < ends and b > begins]
        is_speech = any(a < ends and b + hangover > begins for a, b in segments)
        if heard:
            last = r(min(heard[-1][1], ends))
        loud, silent = (loud + 1, 0) if is_speech else (0, silent + 1)
        if is_speech and not run_open:
            run_open, onset = True, r(max(begins, heard[0][0] if heard else begins))
            yield ends, lambda at, onset=onset: s.VoiceRunBegan(at, onset)  # type: ignore[misc]
        if run_open:
            yield ends, lambda at, sp=is_speech, la=last: s.VoiceWindow(at, sp, la)  # type: ignore[misc]
        if run_open and silent == 2:
            run_open = False
            yield ends, lambda at, on=onset, la=last: s.VoiceRunEnded(at, on, la)  # type: ignore[misc]
        if loud == START_WINDOWS and not vad_speaking:
            vad_speaking = True
            yield ends, s.SpeechStarted
        if vad_speaking and silent == END_WINDOWS:
            vad_speaking = False
            yield ends, s.SpeechStopped
