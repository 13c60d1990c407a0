"""Taking turns: who speaks when. One pure state machine; it is told what happens and says what is to be done.

Nothing here waits, reads a clock or touches audio. The rules, in short:

- The user's turn is over a delay after the last sample of speech, once what was said is understood (``UserTurn``).
- A reply that was not heard yet is taken back when the user goes on, and used after all if nothing more was said
  (``Replies``).
- Speech of the user under the agent's own is judged by a strategy. If it interrupts and no words are known, the agent
  falls silent, and goes on if none follow (``BargeIn``).
- What the user says is asked again with the next turn until it has become part of the conversation.
- One speech at a time, in their order (``Floor``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from lk_agents.foundation.types import AgentState
from lk_agents.turns.words import count_words
from lk_agents.voice import signals as s
from lk_agents.voice.barge_in import BargeIn
from lk_agents.voice.endings import Endings
from lk_agents.voice.floor import Entry, Floor, Phase
from lk_agents.voice.options import TurnOptions
from lk_agents.voice.replies import Replies
from lk_agents.voice.signals import SpeechKind
from lk_agents.voice.user_turn import UserTurn

__all__ = ["TurnMachine"]

THINKING_DELAY_SECONDS: Final = 0.2
"""A reply that is heard sooner is not announced."""
_ROUNDING_SECONDS: Final = 1e-6
_TYPED_KEYS: Final = -1_000_000
"""Messages are counted from here downwards, so that no recognition has the same key."""


class TurnMachine:
    """Takes turns. Tell it what happens with :meth:`handle`, and when :attr:`next_deadline` has come.

    :param options: the rules.
    :param new_id: makes ids of speeches.
    """

    def __init__(self, options: TurnOptions, *, new_id: Callable[[], str]) -> None:
        self._options = options
        self._commands: list[s.Command] = []
        self.turn = UserTurn(options)
        self.floor = Floor()
        self._replies = Replies(self.turn, self.floor, new_id=new_id, do=self._do)
        self._endings = Endings(self.turn, self.floor, self._replies, do=self._do)
        self._barge_in = BargeIn(self.turn, self.floor, stop=self._endings.stop, options=options, do=self._do)
        self._vad_speaking = False
        self._user_reported = False
        self._empty_at: float | None = None
        self._typed = 0
        self._shown: AgentState = ""

    @property
    def options(self) -> TurnOptions:
        """The rules; setting them counts from now on."""
        return self._options

    @options.setter
    def options(self, options: TurnOptions) -> None:
        self._options = self.turn.options = self._barge_in.options = options

    @property
    def next_deadline(self) -> float | None:
        """When :class:`~lk_agents.voice.signals.Tick` is wanted if nothing happens before; None for never."""
        moments = (self._decision_at(), self._barge_in.next_deadline(), self._empty_at)
        return min((moment for moment in moments if moment is not None), default=None)

    def handle(self, event: s.Input) -> list[s.Command]:
        """Take note of what has happened; returns what is to be done, in this order."""
        self._commands.clear()
        _HANDLERS[type(event)](self, event)
        self._settle(event.at)
        return list(self._commands)

    # --- the user ----------------------------------------------------------------------------------------------------

    def _run_began(self, event: s.VoiceRunBegan) -> None:
        self.turn.run_began(event.onset_at)
        self._barge_in.run_began(event.at)
        self._goes_on()

    def _window(self, event: s.VoiceWindow) -> None:
        if self.turn.window(is_speech=event.is_speech, last_speech_at=event.last_speech_at):
            self._goes_on()
        if event.is_speech:
            self._barge_in.window(event.at)

    def _goes_on(self) -> None:
        """The user speaks after the last decision: what was not heard of the reply waits for what comes."""
        self._empty_at = None
        if self._replies.take_back():
            self.turn.reopen()
        if self._shown == "thinking":
            self._show("listening")
        if self._vad_speaking:  # its START came before the decision, so there will be no other
            self._report_started()

    def _run_ended(self, event: s.VoiceRunEnded) -> None:
        self.turn.run_ended(event.last_speech_at)

    def _speech_started(self, event: s.SpeechStarted) -> None:  # noqa: ARG002  the signature is the table's
        self._vad_speaking = True
        self._report_started()

    def _speech_stopped(self, event: s.SpeechStopped) -> None:
        self._vad_speaking = False
        self._report_stopped()
        is_empty = self.turn.is_wordless and not self.turn.run_open and not len(self.floor)
        if is_empty and self._options.empty_turn_timeout is not None:
            self._empty_at = event.at + self._options.empty_turn_timeout

    def _interim(self, event: s.Interim) -> None:
        text = event.text.strip()
        self.turn.understanding(text, event.language, event.at)
        if self.turn.has_interim:
            self._empty_at = None
            self._barge_in.words(event.at)

    def _final(self, event: s.Final) -> None:
        text = event.text.strip()
        self.turn.understood(event.key, text, event.language, event.at)
        if not text:
            return
        self._empty_at = None
        if self.turn.fresh:
            self._barge_in.words(event.at)
            if self._options.preemptive_synthesis:
                self._prepare_early()

    def _prepare_early(self) -> None:
        active = self.floor.active
        if active is None or active.interruptible:
            self._replies.prepare()
            if active is None and not self.turn.run_open:
                self._show("thinking", THINKING_DELAY_SECONDS)

    def _recognition_opened(self, event: s.RecognitionOpened) -> None:
        self.turn.recognition_opened(event.key)

    def _recognition_closed(self, event: s.RecognitionClosed) -> None:
        self.turn.recognition_closed(event.key)
        if not self.turn.new_text and not self.turn.is_recognizing:
            self._barge_in.no_words(event.at)

    def _end_of_turn(self, event: s.EndOfTurn) -> None:
        self.turn.said_to_be_over(event.at)

    def _typed_message(self, event: s.Typed) -> None:
        text = event.text.strip()
        if not text:
            return
        self._typed += 1
        self.turn.typed(_TYPED_KEYS - self._typed, text, event.at)
        active = self.floor.active
        if active is not None and active.interruptible:
            self._endings.stop(active)
        self._answer(event.at)

    def _turn_verdict(self, event: s.TurnVerdict) -> None:
        self.turn.judged(event.serial, event.decision)

    def _interruption_verdict(self, event: s.InterruptionVerdict) -> None:
        self._barge_in.verdict(event)

    def _tick(self, event: s.Tick) -> None:
        self._barge_in.tick(event.at)
        if self._empty_at is not None and self._empty_at <= event.at + _ROUNDING_SECONDS:
            self._empty_at = None
            if not len(self.floor):
                self._answer(event.at)

    # --- the agent's speeches ----------------------------------------------------------------------------------------

    def _speech_added(self, event: s.SpeechAdded) -> None:
        parent = None if event.parent is None else self.floor.get(event.parent)
        is_answer = event.kind is SpeechKind.ANSWER
        if is_answer and (parent is None or parent.superseded):
            self._do(s.DropSpeech(event.speech))
            return
        entry = Entry(event.speech, event.kind, event.interruptible, since=event.at if is_answer else None)
        self.floor.add(entry, parent=event.parent, first=event.first)
        if is_answer and self.floor.active is None and not self.turn.run_open:
            self._show("thinking", THINKING_DELAY_SECONDS)

    def _audio_ready(self, event: s.AudioReady) -> None:
        entry = self.floor.get(event.speech)
        if entry is not None and entry.phase is Phase.PREPARING:
            entry.phase, entry.audible = Phase.READY, event.audible

    def _speech_silent(self, event: s.SpeechSilent) -> None:
        self._replies.over(event.speech)
        if (entry := self.floor.get(event.speech)) is not None:
            self._fall_silent(entry)

    def _fall_silent(self, entry: Entry) -> None:
        if entry.phase is Phase.PLAYING and entry.audible:
            self._show("listening")
        entry.phase = Phase.SILENT

    def _speech_closed(self, event: s.SpeechClosed) -> None:
        self._replies.over(event.speech)
        self._replies.forget(event.speech)
        if (entry := self.floor.get(event.speech)) is not None:
            self._fall_silent(entry)
            entry.is_open = False
            self.floor.sweep()

    def _user_committed(self, event: s.UserCommitted) -> None:
        self._replies.committed(event.speech)

    def _speech_cancelled(self, event: s.SpeechCancelled) -> None:
        self._endings.cancel(event.speech, nested=event.nested)

    def _interrupt_all(self, event: s.InterruptAll) -> None:
        self._endings.silence(everything=event.everything)

    # --- deciding ----------------------------------------------------------------------------------------------------

    def _settle(self, at: float) -> None:
        """Do what has become possible by what has happened."""
        if self._is_due(at) and self.turn.has_interim:
            self.turn.promote_interim(at)
        if self._is_due(at):
            self._decide(at)
        self._barge_in.settle(at)
        if not (self.turn.fresh or self.turn.has_interim):
            self._replies.drop_pending()  # it will not be decided about
        if self.turn.wants_verdict(at):
            turn = self.turn
            self._do(s.AskTurnDetector(turn.serial, turn.number, turn.text, turn.language, turn.last_speech_at))
        self._serve()
        if self._shown == "thinking" and not len(self.floor):
            self._show("listening")

    def _decision_at(self) -> float | None:
        decision_at, judged_at = self.turn.decision_at(), self._barge_in.words_judged_at()
        return decision_at if decision_at is None or judged_at is None else max(decision_at, judged_at)

    def _is_due(self, at: float) -> bool:
        due = self._decision_at()
        return due is not None and due <= at + _ROUNDING_SECONDS

    def _decide(self, at: float) -> None:
        """The user's turn is over: answer it, unless what the agent says may not be interrupted by it."""
        active, new = self.floor.active, self.turn.new_text
        enough = bool(new) and count_words(new) >= self._options.interrupt_min_words
        stops = active is None or (active.interruptible and enough)
        if stops or self.turn.is_reopened:
            self._answer(at, stops=stops)
        else:
            self.turn.ignore()

    def _answer(self, at: float, *, stops: bool = True) -> None:
        turn = self.turn
        if not turn.run_open or turn.is_said_to_be_over:
            self._report_stopped()
        self._endings.make_way(stops=stops)
        entry = self._replies.put_in_line(interruptible=self._options.allow_interruptions, at=at)
        self._do(s.TurnDecided(turn.number, entry.speech, turn.spoken_until, turn.last_final_at, decided_at=at))
        if self.floor.active is None and entry.phase is Phase.PREPARING and not turn.run_open:
            self._show("thinking", THINKING_DELAY_SECONDS)
        turn.decided(at)
        self._empty_at = None

    def _serve(self) -> None:
        """Let the next speech be heard; replies and answers not while the user speaks."""
        entry = self.floor.next() if self.floor.active is None else None
        if entry is None or (entry.kind is not SpeechKind.SAY and self.turn.run_open):
            return
        if entry.kind is SpeechKind.ANSWER and self._decision_at() is not None:
            return  # the reply to what the user says will replace it
        self._empty_at = None
        entry.phase = Phase.PLAYING
        self._do(s.PlaySpeech(entry.speech))
        if entry.audible:
            self._show("speaking")

    def _report_started(self) -> None:
        if not self._user_reported:
            self._user_reported = True
            self._do(s.ReportUserStarted())

    def _report_stopped(self) -> None:
        if self._user_reported:
            self._user_reported = False
            self._do(s.ReportUserStopped())

    def _show(self, state: AgentState, delay_seconds: float = 0.0) -> None:
        self._shown = state
        self._do(s.ShowState(state, delay_seconds))

    def _do(self, command: s.Command) -> None:
        self._commands.append(command)


_HANDLERS: Final[dict[type, Callable[[TurnMachine, Any], None]]] = {
    s.VoiceRunBegan: TurnMachine._run_began,  # noqa: SLF001  its own table
    s.VoiceWindow: TurnMachine._window,  # noqa: SLF001
    s.VoiceRunEnded: TurnMachine._run_ended,  # noqa: SLF001
    s.SpeechStarted: TurnMachine._speech_started,  # noqa: SLF001
    s.SpeechStopped: TurnMachine._speech_stopped,  # noqa: SLF001
    s.Interim: TurnMachine._interim,  # noqa: SLF001
    s.Final: TurnMachine._final,  # noqa: SLF001
    s.RecognitionOpened: TurnMachine._recognition_opened,  # noqa: SLF001
    s.RecognitionClosed: TurnMachine._recognition_closed,  # noqa: SLF001
    s.EndOfTurn: TurnMachine._end_of_turn,  # noqa: SLF001
    s.Typed: TurnMachine._typed_message,  # noqa: SLF001
    s.TurnVerdict: TurnMachine._turn_verdict,  # noqa: SLF001
    s.InterruptionVerdict: TurnMachine._interruption_verdict,  # noqa: SLF001
    s.Tick: TurnMachine._tick,  # noqa: SLF001
    s.SpeechAdded: TurnMachine._speech_added,  # noqa: SLF001
    s.AudioReady: TurnMachine._audio_ready,  # noqa: SLF001
    s.SpeechSilent: TurnMachine._speech_silent,  # noqa: SLF001
    s.SpeechClosed: TurnMachine._speech_closed,  # noqa: SLF001
    s.UserCommitted: TurnMachine._user_committed,  # noqa: SLF001
    s.SpeechCancelled: TurnMachine._speech_cancelled,  # noqa: SLF001
    s.InterruptAll: TurnMachine._interrupt_all,  # noqa: SLF001
}
