"""What was understood of the user and is not part of the conversation yet. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lk_agents.streams.words import plain_words

__all__ = ["Piece", "Understood"]


@dataclass(slots=True)
class Piece:
    """Something that was understood for good.

    :param at: when it came.
    :param is_new: nothing was decided about it yet.
    :param is_typed: it was written.
    """

    text: str
    language: str
    at: float
    is_new: bool = True
    is_typed: bool = False


@dataclass(frozen=True, slots=True)
class _Promoted:
    """An interim that counts, since nobody has made it final in time.

    :param runs: how often the user had begun to speak.
    """

    key: int
    words: tuple[str, ...]
    runs: int


class Understood:
    """Pieces of text in the order in which they came, and the interim behind them.

    Methods that take text tell whether it says anything new.
    """

    def __init__(self) -> None:
        self._pieces: dict[int, Piece] = {}
        self._interim = ""
        self._interim_language = ""
        self.interim_at = 0.0
        """When the interim last changed."""
        self._runs = 0
        self._promoted: _Promoted | None = None
        self._promotions = 0
        self._dismissed: tuple[str, ...] = ()
        self._dismissed_is_echo = False

    # --- what is there -----------------------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        """All pieces, the interim not counted."""
        return " ".join(piece.text for piece in self._pieces.values())

    @property
    def parts(self) -> dict[int, str]:
        """What :attr:`text` consists of, by its keys."""
        return {key: piece.text for key, piece in self._pieces.items()}

    @property
    def new_text(self) -> str:
        """What nothing was decided about, the interim included."""
        new = [piece.text for piece in self.new_pieces]
        return " ".join([*new, self._interim] if self._interim else new)

    @property
    def new_pieces(self) -> list[Piece]:
        """Those that nothing was decided about."""
        return [piece for piece in self._pieces.values() if piece.is_new]

    @property
    def pieces(self) -> list[Piece]:
        """All of them."""
        return list(self._pieces.values())

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
    def last_final_at(self) -> float | None:
        """When the last piece came; None if there is none."""
        return max((piece.at for piece in self._pieces.values()), default=None)

    # --- what comes --------------------------------------------------------------------------------------------------

    def run_began(self) -> None:
        """The user begins to speak: the same words may be said again."""
        self._runs += 1
        self._dismissed = ()

    def final(self, key: int, text: str, language: str, at: float) -> bool:
        """Take what replaces the interim and what came under its key; an empty text takes both back."""
        self._interim = ""
        words = plain_words(text)
        promoted, self._promoted = self._promoted, None
        if promoted is not None and self._covers(promoted, words):
            key = promoted.key
            if text and key not in self._pieces and words == promoted.words:
                return False  # it is part of the conversation already
        if not text:
            return self._pieces.pop(key, None) is not None
        is_dismissed = bool(words) and words == self._dismissed
        if is_dismissed and self._dismissed_is_echo:
            return False
        before = self._pieces.get(key)
        is_same = before is not None and plain_words(before.text) == words
        is_new = before.is_new if is_same and before is not None else not is_dismissed
        self._pieces[key] = Piece(text, language, at, is_new=is_new)
        return not is_same

    def interim(self, text: str, language: str, at: float) -> bool:
        """Take what replaces the interim before."""
        if text == self._interim or (text and self._dismissed and plain_words(text) == self._dismissed):
            return False
        self._interim, self._interim_language, self.interim_at = text, language, at
        return True

    def typed(self, key: int, text: str, at: float) -> None:
        """Take what was written."""
        self._pieces[key] = Piece(text, "", at, is_typed=True)

    def promote_interim(self, at: float) -> None:
        """Nobody has made the interim final in time: it counts now."""
        words = plain_words(self._interim)
        if self._promoted is not None and self._covers(self._promoted, words):
            key = self._promoted.key
        else:
            self._promotions -= 1
            key = self._promotions
        self._pieces[key] = Piece(self._interim, self._interim_language, at)
        self._promoted = _Promoted(key, words, self._runs)
        self._interim = ""

    # --- what becomes of it ------------------------------------------------------------------------------------------

    def discount(self) -> None:
        """What is new was said by nobody: it is forgotten."""
        self._dismiss(is_echo=True)
        self._pieces = {key: piece for key, piece in self._pieces.items() if not piece.is_new}

    def ignore(self) -> None:
        """What is new asks for no answer of its own; the interim is forgotten."""
        self._dismiss(is_echo=False)
        self.settle()

    def settle(self) -> None:
        """All pieces are decided about."""
        for piece in self._pieces.values():
            piece.is_new = False

    def committed(self, parts: Mapping[int, str]) -> None:
        """So much of it is part of the conversation; what was understood anew since then is not."""
        for key, text in parts.items():
            piece = self._pieces.get(key)
            if piece is not None and plain_words(piece.text) == plain_words(text):
                del self._pieces[key]

    def _dismiss(self, *, is_echo: bool) -> None:
        """Forget the interim, and know it again when it becomes final."""
        if self._interim:
            self._dismissed, self._dismissed_is_echo = plain_words(self._interim), is_echo
        self._interim = ""

    def _covers(self, promoted: _Promoted, words: tuple[str, ...]) -> bool:
        """Whether a text is what the recogniser made of a promoted interim, and no other speech."""
        return promoted.runs == self._runs or words[: len(promoted.words)] == promoted.words
