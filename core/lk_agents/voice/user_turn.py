"""What the user has said and not been answered yet, and when that is a turn. Pure: no clock, nothing waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lk_agents.streams.words import plain_words
from lk_agents.turns.evidence import Decision

if TYPE_CHECKING:
    from lk_agents.voice.options import TurnOptions

__all__ = ["Piece", "UserTurn"]

_SENTENCE_ENDS: Final = (".", "!", "?", "\u3002", "\uff01", "\uff1f", "\u061f", "\u0964")


@dataclass(slots=True)
class Piece:
    """Something that was understood for good.

    :param at: when it came.
    :param is_promoted: it was an interim that nobody has made final in time.
    """

    text: str
    language: str
    at: float
    is_promoted: bool = False


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
        self.last_final_at: float | None = None
        self.fresh = False
        """There is something that was not decided about."""
        self._pieces: dict[int, Piece] = {}
        self._interim = ""
        self._interim_language = ""
        self._recognitions: set[int] = set()
        self._run_since_decision = False
        self._decided = True
        self._said_to_be_over = False
        self._verdict: Decision | None = None
        self._asked = -1
        self._promotions = 0

    # --- what is there -----------------------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        """All that was understood for good and is not part of the conversation."""
        return " ".join(piece.text for piece in self._pieces.values())

    @property
    def keys(self) -> tuple[int, ...]:
        """What :attr:`text` consists of."""
        return tuple(self._pieces)

    @property
    def new_text(self) -> str:
        """What was understood and not decided about, the interim included."""
        return " ".join(part for part in (self.text if self.fresh else "", self._interim) if part)

    @property
    def has_interim(self) -> bool:
        """Whether the last that was understood is not final."""
        return bool(self._interim)

    @property
    def language(self) -> str:
        """The language of the last that was understood, if the recogniser has said."""
        if self._interim:
            return self._interim_language
        return next(reversed(self._pieces.values())).language if self._pieces else ""

    @property
    def is_recognizing(self) -> bool:
        """Whether a recognition is under way."""
        return bool(self._recognitions)

    @property
    def run_since_decision(self) -> bool:
        """Whether the user has begun to speak since the last decision."""
        return self._run_since_decision

    # --- what happens ------------------------------------------------------------------------------------------------

    def run_began(self, onset_at: float) -> None:
        """The user begins to speak."""
        self._touch()
        self.run_open = self.window_is_speech = True
        self.onset_at = onset_at
        self.last_speech_at = max(onset_at, self.last_speech_at or onset_at)
        self._run_since_decision = True
        self._said_to_be_over = False

    def window(self, *, is_speech: bool, last_speech_at: float) -> None:
        """One more window of the run was judged."""
        self.window_is_speech = is_speech
        self.last_speech_at = max(last_speech_at, self.last_speech_at or last_speech_at)

    def run_ended(self, last_speech_at: float) -> None:
        """The user is silent again."""
        self.run_open = self.window_is_speech = False
        self.last_speech_at = last_speech_at

    def understood(self, key: int, text: str, language: str, at: float) -> None:
        """Something is understood for good; an empty text takes back what came under the key, and the interim."""
        self._interim = ""
        promoted = self._take_promoted()
        before = self._pieces.get(key)
        if not text:
            if before is not None:
                del self._pieces[key]
                self._touch()
            return
        known = before or promoted
        self._pieces[key] = Piece(text, language, at)
        self.last_final_at = at
        if known is None or plain_words(known.text) != plain_words(text):
            self._touch()
            self.fresh = True

    def understanding(self, text: str, language: str) -> None:
        """Something is understood, perhaps; replaces the interim before."""
        if text != self._interim:
            self._touch()
        self._interim = text
        self._interim_language = language

    def recognition_opened(self, key: int) -> None:
        """A recognition is under way."""
        self._recognitions.add(key)

    def recognition_closed(self, key: int) -> None:
        """It is over."""
        self._recognitions.discard(key)

    def said_to_be_over(self) -> None:
        """The recogniser says that the turn has ended."""
        self._said_to_be_over = True

    def judged(self, serial: int, decision: Decision) -> None:
        """The turn detector has answered."""
        if serial == self.serial:
            self._verdict = decision

    def discount(self) -> None:
        """What is new was said by nobody: it is forgotten."""
        self._interim = ""
        if self.fresh:
            newest = next(reversed(self._pieces), None)
            if newest is not None:
                del self._pieces[newest]
            self.fresh = False

    def ignore(self) -> None:
        """What is new asks for no answer of its own; it stays for the next turn."""
        self.fresh = False
        self._interim = ""

    def reopen(self) -> None:
        """A decision is taken back, since the user goes on before the answer was heard."""
        if self._pieces:
            self.fresh = True

    def decided(self) -> None:
        """What was said is decided about. It stays until it is committed."""
        self.fresh = False
        self._decided = True
        self._said_to_be_over = False
        self._run_since_decision = False

    def committed(self, keys: tuple[int, ...]) -> None:
        """So much of it is part of the conversation."""
        for key in keys:
            self._pieces.pop(key, None)
        if not self._pieces:
            self.fresh = False

    # --- when it is time ---------------------------------------------------------------------------------------------

    def decision_at(self) -> float | None:
        """Return when it is time to answer, as things are; None if something must happen first."""
        if not self._is_decidable():
            return None
        at = self._silence_over_at()
        if self._interim or self._recognitions:
            return at + self.options.transcript_timeout
        if self.options.turn_detector and not self._said_to_be_over and self._verdict is None:
            return None
        return at

    def wants_verdict(self) -> bool:
        """Whether the turn detector is to be asked now; true once for each state of things."""
        asks = (
            self.options.turn_detector
            and self.fresh
            and not self._interim
            and not self._recognitions
            and not self._said_to_be_over
            and self._is_decidable()
            and self._asked != self.serial
        )
        if asks:
            self._asked = self.serial
        return asks

    def promote_interim(self, at: float) -> None:
        """Nobody has made the interim final in time: it counts now."""
        if self._interim:
            self._promotions -= 1
            self._pieces[self._promotions] = Piece(self._interim, self._interim_language, at, is_promoted=True)
            self._interim = ""
            self.fresh = True
            self._touch()

    def _is_decidable(self) -> bool:
        if self.run_open and not self._said_to_be_over:
            return False
        return self.fresh or bool(self._interim)

    def _silence_over_at(self) -> float:
        final_at = self.last_final_at or 0.0
        if self.last_speech_at is None or self._said_to_be_over:
            return final_at
        delay = self.options.min_endpointing_delay
        if self.text.endswith(_SENTENCE_ENDS):
            delay *= self.options.punctuation_factor
        if self._verdict is Decision.WAIT:
            delay = self.options.max_endpointing_delay
        return max(self.last_speech_at + delay, final_at)

    def _take_promoted(self) -> Piece | None:
        """Take away the interim that counted in the place of the final that comes now, if there is one."""
        newest = next(reversed(self._pieces), None)
        if newest is None or not self._pieces[newest].is_promoted or self._run_since_decision:
            return None
        return self._pieces.pop(newest)

    def _touch(self) -> None:
        self.serial += 1
        self._verdict = None
        if self._decided:
            self._decided = False
            self.number += 1
