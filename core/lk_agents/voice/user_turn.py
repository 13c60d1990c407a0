"""What the user has said and not been answered yet, and when that is a turn. Pure: no clock, nothing waits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from lk_agents.turns.evidence import Decision
from lk_agents.voice.understood import Understood

if TYPE_CHECKING:
    from lk_agents.voice.options import TurnOptions

__all__ = ["VERDICT_SECONDS", "UserTurn"]

VERDICT_SECONDS: Final = 3.0
"""How long a judge's answer is waited for. Judges have a deadline of their own; behind this one stands nobody."""
_SENTENCE_ENDS: Final = (".", "!", "?", "\u3002", "\uff01", "\uff1f", "\u061f", "\u0964")


class UserTurn:
    """Keeps what was said until it has become part of the conversation, and knows when it is time to answer.

    :param options: the rules.
    """

    def __init__(self, options: TurnOptions) -> None:
        self.options = options
        self.number = 0
        """Counts the turns; moves on with the first sign of a new one after a decision."""
        self.serial = 0
        """Moves on with every sign of the user: a verdict about what was before is void."""
        self.run_open = False
        self.window_is_speech = False
        self.onset_at: float | None = None
        self.last_speech_at: float | None = None
        self.is_wordless = False
        """Nothing was understood since the user last began to speak."""
        self._understood = Understood()
        self._recognitions: set[int] = set()
        self._run_since_decision = False
        self._decided = True
        self._decided_at = 0.0
        self._over_at: float | None = None
        self._verdict: Decision | None = None
        self._asked = -1
        self._asked_at = 0.0
        self._reopened = False

    # --- what is there -----------------------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        """All that was understood for good and is not part of the conversation."""
        return self._understood.text

    @property
    def parts(self) -> dict[int, str]:
        """What :attr:`text` consists of, by its keys."""
        return self._understood.parts

    @property
    def new_text(self) -> str:
        """What was understood and not decided about, the interim included."""
        return self._understood.new_text

    @property
    def fresh(self) -> bool:
        """There is something to be decided about, the interim not counted."""
        return self.is_reopened or bool(self._understood.new_pieces)

    @property
    def is_reopened(self) -> bool:
        """Whether a decision was taken back that is still to be taken again."""
        return self._reopened and bool(self._understood.pieces)

    @property
    def has_interim(self) -> bool:
        """Whether the last that was understood is not final."""
        return self._understood.has_interim

    @property
    def language(self) -> str:
        """The language of the last that was understood, if the recogniser has said."""
        return self._understood.language

    @property
    def last_final_at(self) -> float | None:
        """When the last of :attr:`text` came; None if there is none."""
        return self._understood.last_final_at

    @property
    def spoken_until(self) -> float | None:
        """When the last sample of what is new was spoken; None if only text came: typed, or heard by no detector."""
        new = self._understood.new_pieces or self._understood.pieces
        if self.last_speech_at is None or (new and all(piece.is_typed for piece in new)):
            return None
        is_old = not (self._run_since_decision or self._reopened)
        text_at = min((piece.at for piece in new), default=self.last_speech_at)
        belongs_until = self.last_speech_at + self._delay() + self.options.transcript_timeout
        return None if is_old and text_at > belongs_until else self.last_speech_at

    @property
    def is_said_to_be_over(self) -> bool:
        """Whether the recogniser says that the user expects an answer."""
        return self._over_at is not None

    @property
    def is_recognizing(self) -> bool:
        """Whether a recognition is under way."""
        return bool(self._recognitions)

    @property
    def run_since_decision(self) -> bool:
        """Whether the user has spoken since the last decision."""
        return self._run_since_decision

    # --- what happens ------------------------------------------------------------------------------------------------

    def run_began(self, onset_at: float) -> None:
        """The user begins to speak."""
        self.run_open = self.window_is_speech = True
        self.onset_at = onset_at
        self.last_speech_at = max(onset_at, self.last_speech_at or onset_at)
        self._understood.run_began()
        self._speaks()

    def window(self, *, is_speech: bool, last_speech_at: float) -> bool:
        """One more window of the run was judged. Tells whether the run goes on past a decision."""
        self.window_is_speech = is_speech
        self.last_speech_at = max(last_speech_at, self.last_speech_at or last_speech_at)
        if not is_speech:
            return False
        goes_on = self.run_open and not self._run_since_decision and last_speech_at > self._decided_at
        if goes_on or (self._over_at is not None and last_speech_at > self._over_at):
            self._speaks()
        return goes_on

    def run_ended(self, last_speech_at: float) -> None:
        """The user is silent again."""
        self.run_open = self.window_is_speech = False
        self.last_speech_at = last_speech_at

    def understood(self, key: int, text: str, language: str, at: float) -> None:
        """Something is understood for good; an empty text takes back what came under the key, and the interim."""
        if text:
            self.is_wordless = False
        if self._understood.final(key, text, language, at):
            self._touch()

    def understanding(self, text: str, language: str, at: float) -> None:
        """Something is understood, perhaps; replaces the interim before."""
        if text:
            self.is_wordless = False
        if self._understood.interim(text, language, at):
            self._touch()

    def typed(self, key: int, text: str, at: float) -> None:
        """The user has written something."""
        self.is_wordless = False
        self._understood.typed(key, text, at)
        self._touch()

    def recognition_opened(self, key: int) -> None:
        """A recognition is under way."""
        self._recognitions.add(key)

    def recognition_closed(self, key: int) -> None:
        """It is over."""
        self._recognitions.discard(key)

    def said_to_be_over(self, at: float) -> None:
        """The recogniser says that the turn has ended."""
        if not self._decided:
            self._over_at = at

    def judged(self, serial: int, decision: Decision) -> None:
        """The turn detector has answered."""
        if serial == self.serial:
            self._verdict = decision

    def discount(self) -> None:
        """What is new was said by nobody: it is forgotten."""
        self._understood.discount()

    def ignore(self) -> None:
        """What is new asks for no answer of its own; it stays for the next turn."""
        self._understood.ignore()

    def reopen(self) -> None:
        """A decision is taken back, since the user goes on before the answer was heard."""
        self._reopened = True

    def abandon(self) -> None:
        """A decision that was taken back is not wanted any more."""
        self._reopened = False

    def decided(self, at: float) -> None:
        """What was said is decided about. It stays until it is committed."""
        self._understood.settle()
        self._reopened = False
        self._decided, self._decided_at = True, at
        self._over_at = None
        self._run_since_decision = False

    def committed(self, parts: Mapping[int, str]) -> None:
        """So much of it is part of the conversation; what was understood anew since then is not."""
        self._understood.committed(parts)

    # --- when it is time ---------------------------------------------------------------------------------------------

    @property
    def waits_until(self) -> float | None:
        """Until when a turn detector has put off the decision; None if none has."""
        return self.decision_at() if self._verdict is Decision.WAIT else None

    def decision_at(self) -> float | None:
        """Return when it is time to answer, as things are; None if something must happen first."""
        if not self._is_decidable():
            return None
        at = self._silence_over_at()
        if self.has_interim or self._recognitions:
            return at + self.options.transcript_timeout
        if self.options.turn_detector and self._over_at is None and self._verdict is None:
            return None if self._asked != self.serial else max(at, self._asked_at + VERDICT_SECONDS)
        return at

    def wants_verdict(self, at: float) -> bool:
        """Whether the turn detector is to be asked now; true once for each state of things."""
        asks = (
            self.options.turn_detector
            and self.fresh
            and not self.has_interim
            and not self._recognitions
            and self._is_decidable()
            and self._asked != self.serial
        )
        if asks:
            self._asked, self._asked_at = self.serial, at
        return asks

    def promote_interim(self, at: float) -> None:
        """Nobody has made the interim final in time: it counts now."""
        self._understood.promote_interim(at)
        self._touch()

    def _is_decidable(self) -> bool:
        if self.run_open and self._over_at is None:
            return False
        return self.has_interim or self.fresh

    def _silence_over_at(self) -> float:
        at = self.last_final_at or 0.0
        if self._over_at is not None:
            at = max(at, self._over_at)
        elif self.last_speech_at is not None:
            at = max(at, self.last_speech_at + self._delay())
        # An interim that comes later than any of the last speech is the only sign there is of more.
        interim_at = self._understood.interim_at
        is_late = not self._run_since_decision or interim_at > at + self.options.transcript_timeout
        return max(at, interim_at) if self.has_interim and is_late else at

    def _delay(self) -> float:
        if self._verdict is Decision.WAIT:
            return self.options.max_endpointing_delay
        is_sentence = self.text.endswith(_SENTENCE_ENDS)
        return self.options.min_endpointing_delay * (self.options.punctuation_factor if is_sentence else 1.0)

    def _speaks(self) -> None:
        self._touch()
        self.is_wordless = True
        self._run_since_decision = True
        self._over_at = None

    def _touch(self) -> None:
        self.serial += 1
        self._verdict = None
        if self._decided:
            self._decided = False
            self.number += 1
