"""Speech of the user under the agent's own: who judges it when, and what comes of it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from lk_agents.turns.evidence import Decision
from lk_agents.turns.words import count_words
from lk_agents.voice import signals as s
from lk_agents.voice.floor import Entry, Floor, Phase
from lk_agents.voice.options import TurnOptions
from lk_agents.voice.user_turn import VERDICT_SECONDS, UserTurn

__all__ = ["BargeIn"]

WORDS_THAT_INTERRUPT: Final = 3
"""So many words that are understood for good interrupt however long they took."""
LONGEST_PAUSE_SECONDS: Final = 30.0
"""A paused speech that nobody lets go on for so long has been interrupted."""
ASK_SECONDS: Final = 0.1
"""How often a strategy is asked while the user goes on."""
_ROUNDING_SECONDS: Final = 1e-6
_DIGITS: Final = 6
"""Of what is measured: differences of moments carry noise behind these, and strategies compare with limits."""


class BargeIn:
    """Stops, pauses and resumes the speech that has the floor.

    :param stop: ends what is heard.
    :param do: takes what is to be done.
    """

    def __init__(
        self,
        turn: UserTurn,
        floor: Floor,
        *,
        stop: Callable[[Entry], None],
        options: TurnOptions,
        do: Callable[[s.Command], None],
    ) -> None:
        self.options = options
        self._turn = turn
        self._floor = floor
        self._stop = stop
        self._do = do
        self._asked_at = 0.0
        self._asked: s.AskInterruption | None = None
        self._asked_about = ""
        self._serial = 0
        self._paused_at = 0.0
        self._resume_at: float | None = None
        self._hears_itself = False
        """The agent's voice has come back by the microphone: from then on only words interrupt, not mere sound."""

    def next_deadline(self) -> float | None:
        """When something is to be done if nothing happens before; None for never."""
        moments = (self._confirm_at(), self._resume_at)
        return min((moment for moment in moments if moment is not None), default=None)

    def words_judged_at(self) -> float | None:
        """Until when new words wait for the verdict that was asked for; None if they wait for none."""
        active = self._interruptible()
        if active is None or self._asked is None or active.speech != self._asked_about or not self._asked.text:
            return None
        return self._asked_at + VERDICT_SECONDS

    # --- what happens ------------------------------------------------------------------------------------------------

    def run_began(self, at: float) -> None:
        """The user begins to speak."""
        self._asked_at = at

    def window(self, at: float) -> None:
        """The user goes on speaking."""
        due = self._long_enough_at()
        if due is not None and (at >= due - _ROUNDING_SECONDS or at - self._asked_at >= ASK_SECONDS):
            self._ask(at)

    def words(self, at: float) -> None:
        """Something was understood."""
        active = self._interruptible()
        if active is not None and self._is_meant_for(active):
            self._ask(at)

    def no_words(self, at: float) -> None:
        """It is known that nothing was said."""
        if self._resume_at is not None:
            self._resume_at = at

    def verdict(self, verdict: s.InterruptionVerdict) -> None:
        """A strategy has judged."""
        active = self._interruptible()
        if self._asked is None or verdict.serial != self._serial:
            return
        self._asked = None
        if active is None or active.speech != self._asked_about:
            return
        is_paused = active.phase is Phase.PAUSED
        if verdict.is_echo or verdict.decision is Decision.IGNORE:
            if verdict.is_echo:
                self._hears_itself = True
                self._turn.discount()
            else:
                self._turn.ignore()
            if is_paused:
                self._resume_at = verdict.at
        elif self._turn.new_text and (verdict.decision is Decision.ACT or is_paused or self._is_a_sentence()):
            self._stop(active)
        elif verdict.decision is Decision.ACT and not is_paused and not self._hears_itself:
            if self.options.resume_false_interruption:
                self._pause(active, verdict.at)
            else:
                self._stop(active)

    def tick(self, at: float) -> None:
        """The user has spoken long enough, if the next window confirms nothing else."""
        due = self._confirm_at()
        if due is not None and due <= at + _ROUNDING_SECONDS:
            self._ask(at)

    def settle(self, at: float) -> None:
        """Let a paused speech go on once it is clear that no words follow."""
        if self._resume_at is None:
            return
        active = self._floor.active
        if active is None or active.phase is not Phase.PAUSED or active.is_stopping:
            self._resume_at = None
            return
        longest = self._paused_at + LONGEST_PAUSE_SECONDS
        if at >= longest - _ROUNDING_SECONDS:
            self._stop(active)
        elif self._turn.run_open or self._turn.new_text:
            self._resume_at = longest
        elif self._resume_at <= at + _ROUNDING_SECONDS:
            self._resume(active)
        else:
            self._resume_at = min(longest, self._words_until(at))
            if self._resume_at <= at + _ROUNDING_SECONDS:
                self._resume(active)

    # --- asking ------------------------------------------------------------------------------------------------------

    def _interruptible(self) -> Entry | None:
        active = self._floor.active
        return active if active is not None and active.interruptible and not active.is_stopping else None

    def _ask(self, at: float) -> None:
        active = self._interruptible()
        if active is None:
            return
        turn = self._turn
        began_at, last_at = self._counts_from(active), turn.last_speech_at
        seconds = 0.0
        if began_at is not None and last_at is not None:
            seconds = max((at if turn.window_is_speech else last_at) - began_at, 0.0)
        self._asked_at = at
        self._asked_about = active.speech
        self._serial += 1
        self._asked = s.AskInterruption(
            self._serial,
            turn.number,
            turn.new_text,
            final=not turn.has_interim,
            language=turn.language,
            speech_seconds=round(seconds, _DIGITS),
            silence_seconds=0.0 if turn.run_open or last_at is None else round(max(at - last_at, 0.0), _DIGITS),
            speaking=turn.run_open,
        )
        self._do(self._asked)

    def _counts_from(self, active: Entry) -> float | None:
        """Return from when on the last run counts against a speech: what was said before it is answered by it."""
        if self._turn.onset_at is None:
            return None
        return self._turn.onset_at if active.since is None else max(self._turn.onset_at, active.since)

    def _long_enough_at(self) -> float | None:
        """Return when the open run is long enough to interrupt; None if there is nothing to interrupt."""
        active = self._interruptible()
        if active is None or not self._turn.run_open:
            return None
        began_at = self._counts_from(active)
        return None if began_at is None else began_at + self.options.interrupt_speech_duration

    def _confirm_at(self) -> float | None:
        """Return the same where nobody was asked at that moment, and the last window says that it comes."""
        due, active = self._long_enough_at(), self._interruptible()
        if due is None or active is None or active.phase is Phase.PAUSED or not self._turn.window_is_speech:
            return None
        return due if self._asked_at < due - _ROUNDING_SECONDS else None

    def _is_meant_for(self, active: Entry) -> bool:
        """Whether what was understood was said under this speech, and is no late text of the turn that it answers."""
        return active.since is None or self._turn.run_since_decision

    def _is_a_sentence(self) -> bool:
        words = count_words(self._turn.new_text)
        return not self._turn.has_interim and words >= max(WORDS_THAT_INTERRUPT, self.options.interrupt_min_words)

    # --- pausing -----------------------------------------------------------------------------------------------------

    def _pause(self, active: Entry, at: float) -> None:
        active.phase = Phase.PAUSED
        self._paused_at = at
        self._resume_at = at + LONGEST_PAUSE_SECONDS
        self._do(s.PauseSpeech(active.speech))
        self._do(s.ShowState("listening"))

    def _resume(self, active: Entry) -> None:
        self._resume_at = None
        active.phase = Phase.PLAYING
        self._do(s.ResumeSpeech(active.speech))
        self._do(s.ShowState("speaking"))

    def _words_until(self, at: float) -> float:
        """Return until when words may still come for what was said last."""
        spoken_at = at if self._turn.last_speech_at is None else self._turn.last_speech_at
        patience = self.options.transcript_timeout if self._turn.is_recognizing or self._turn.has_interim else 0.0
        return spoken_at + self.options.false_interruption_timeout + patience
