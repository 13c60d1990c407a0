"""Where sentences end.

A scanner takes text as it comes and cuts it after each end of a sentence. It looks at every character a bounded number
of times, however the text is cut into pushes and however long a sentence is: what it has judged it never looks at again
but for a short look back, and what it cannot judge yet needs a short look ahead. So the time is linear, and the cuts
are those of the whole text.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from lk_agents.tokenize.basic import marks

__all__ = ["BoundaryScanner"]

LOOK_BACK_CHARS: Final = 48
"""What stays of the judged text: more than all that the rules look at before a mark, the end of an address included."""

TAIL_CHARS: Final = 16
JUDGED_CHARS: Final = 1024
"""So much judged text is moved away at once, so that pushing a piece copies little."""


class _Verdict(NamedTuple):
    """What was found at a mark: go on at ``resume``; ``cut`` is where a sentence ends, None where none does."""

    resume: int
    cut: int | None = None


class _Dot(Enum):
    GOES_ON = "it ends no sentence"
    MAY_END = "it ends one if a word follows that begins sentences"
    ENDS = "it ends one"


class BoundaryScanner:
    """Cuts text into pieces, each of which ends where a sentence does; joined they are the text again.

    :param lines: cut after line breaks as well.
    """

    def __init__(self, *, lines: bool = False) -> None:
        self._lines = lines
        self._search = (marks.MARK_OR_LINE_BREAK if lines else marks.MARK).search
        self._begin()

    def _begin(self) -> None:
        self._text = ""  # what is not judged yet, and a little of what was judged before
        self._position = 0  # up to where the text is judged
        self._cut = 0  # where the open piece begins, or goes on from what is in _moved
        self._moved: list[str] = []
        self._moved_text = False  # whether anything but white space is in it
        self._address: int | None = None  # where the address begins that the position is in

    def feed(self, text: str) -> list[str]:
        """Take more text; return the pieces whose end is certain now."""
        self._text += text
        pieces = self._scan(final=False)
        if self._position > JUDGED_CHARS:
            self._move_away()
        return pieces

    def finish(self) -> list[str]:
        """Return the rest of the pieces: no more text comes. The scanner is as new afterwards."""
        pieces = self._scan(final=True)
        if rest := "".join(self._moved) + self._text[self._cut :]:
            pieces.append(rest)
        self._begin()
        return pieces

    def has_open_text(self) -> bool:
        """Tell whether anything but white space stands behind the last cut."""
        rest = self._text[self._cut :]
        return self._moved_text or bool(rest and not rest.isspace())

    def _scan(self, *, final: bool) -> list[str]:
        pieces: list[str] = []
        while self._address is None or self._leave_address(final=final):
            mark = self._search(self._text, self._position)
            if mark is None:
                self._position = len(self._text)
                break
            verdict = self._judge(mark.start(), final=final)
            if verdict is None:
                self._position = mark.start()
                break
            self._position = verdict.resume
            if verdict.cut is not None:
                pieces.append("".join(self._moved) + self._text[self._cut : verdict.cut])
                self._moved.clear()
                self._moved_text = False
                self._cut = verdict.cut
        return pieces

    def _move_away(self) -> None:
        begin = self._position - LOOK_BACK_CHARS
        if begin > self._cut:
            self._moved.append(self._text[self._cut : begin])
            self._moved_text = self._moved_text or not self._moved[-1].isspace()
        self._text = self._text[begin:]
        self._position = LOOK_BACK_CHARS
        self._cut = max(self._cut - begin, 0)
        if self._address is not None:
            self._address = max(self._address - begin, 0)

    def _judge(self, at: int, *, final: bool) -> _Verdict | None:
        """Judge one mark; None if it takes more text to do so."""
        text, mark = self._text, self._text[at]
        if self._lines and marks.LINE_BREAK.match(mark):
            return _judge_line_break(text, at, final=final)
        if mark.isspace():
            return _judge_space(text, at, final=final)
        if _opens_address(text, at):
            self._address = at + 1
            return _Verdict(at + 1)
        if mark in "@/":
            return _Verdict(at + 1)
        return _judge_run(text, at, final=final)

    def _leave_address(self, *, final: bool) -> bool:
        """Go to the end of the address; False if it goes on behind the text."""
        found = marks.ADDRESS_END.search(self._text, self._position)
        if found is None and not final:
            self._position = len(self._text)
            return False
        assert self._address is not None
        end = found.start() if found else len(self._text)
        tail = marks.ADDRESS_TAIL.search(self._text, max(self._address, end - TAIL_CHARS), end)
        self._position = tail.start() if tail else end
        self._address = None
        return True


def _opens_address(text: str, at: int) -> bool:
    """Tell whether an address goes on after this mark: ``x@``, ``://`` or ``www.`` has been read."""
    mark = text[at]
    if mark == ".":
        follows = text[at + 1 : at + 2]
        return follows.isalnum() and marks.WWW.search(text, max(at - 4, 0), at) is not None
    if mark == "/":
        return at > 1 and text.startswith(":/", at - 2)
    return mark == "@"


def _judge_line_break(text: str, at: int, *, final: bool) -> _Verdict | None:
    if text[at] == "\r":
        if at + 1 == len(text) and not final:
            return None
        if text.startswith("\n", at + 1):
            at += 1
    return _Verdict(at + 1, at + 1)


def _judge_space(text: str, at: int, *, final: bool) -> _Verdict | None:
    """Judge the first space after a letter of a script that has none between words."""
    blanks = marks.BLANKS.match(text, at)
    assert blanks is not None
    end = blanks.end()
    if end == len(text) and not final:
        return None
    follows = text[end : end + 1]
    ends = marks.SPACELESS.match(follows) is not None and follows not in marks.SPACELESS_CONTINUES
    return _Verdict(at + 1, at if ends else None)


def _judge_run(text: str, at: int, *, final: bool) -> _Verdict | None:
    """Judge marks that stand together, with the quotation marks and brackets after them."""
    run = marks.RUN.match(text, at)
    assert run is not None
    after = run.end()
    closers = marks.CLOSERS.match(text, after)
    assert closers is not None
    end = closers.end()
    follows = text[end : end + 1]
    if not final and (not follows or (end + 1 == len(text) and follows in " \u00a0\u202f")):
        return None  # more marks may come, or a quotation mark
    if after == end and follows and marks.RUN.match(follows):
        return _Verdict(after)  # the run goes on and is judged where it ends
    found = run.group()
    if not found.strip(marks.DOTS):
        return _judge_dots(text, at, after, end, final=final)
    if follows and not follows.isspace() and found.isascii():
        begins = _begins(text, end, final=final)
        return None if begins is None else _Verdict(end, end) if begins else _Verdict(after)
    if text[max(at - 1, 0)] in "([" and text.startswith((")", "]"), after):  # (?) speaks of a word
        return _Verdict(after)
    return _Verdict(end, end)


def _judge_dots(text: str, at: int, after: int, end: int, *, final: bool) -> _Verdict | None:
    """Judge an ellipsis, which ends nothing, or a single dot."""
    letter = text[at - 1] if at else ""
    if after - at > 1 or text[at] != "." or (letter and letter in marks.DOTS):
        return _Verdict(after)
    dot = _dot_after_word(text, at)
    close = end < len(text) and not text[end].isspace()  # something follows without a space
    ends: bool | None
    if dot is _Dot.GOES_ON or (close and (dot is _Dot.MAY_END or not letter.isalpha() or letter.isupper())):
        ends = False
    elif close:
        ends = _begins(text, end, final=final)
    elif dot is _Dot.MAY_END:
        ends = _starter_follows(text, end, final=final)
    else:
        ends = True
    return None if ends is None else _Verdict(end, end) if ends else _Verdict(after)


def _dot_after_word(text: str, at: int) -> _Dot:
    """Tell what the word before it makes of a single dot."""
    word = marks.ABBREVIATION.search(text, max(at - marks.ABBREVIATION_CHARS, 0), at)
    if word is not None:
        return _Dot.GOES_ON if word.lastgroup == "goes_on" else _Dot.MAY_END
    if at > 2 and text[at - 2] in ".-":
        acronym = marks.ACRONYM.search(text, max(at - marks.ACRONYM_CHARS, 0), at)
        if acronym is not None:
            letters = acronym.group()
            return _Dot.GOES_ON if letters.islower() and letters not in marks.MORNING else _Dot.MAY_END
    return _Dot.ENDS


def _starter_follows(text: str, at: int, *, final: bool) -> bool | None:
    """Tell whether the next word is one that begins sentences; None if it takes more text to know."""
    found = marks.BLANKS_AND_WORD.match(text, at)
    if found is None:
        return False
    if found.end() == len(text) and not final:
        return None
    return marks.STARTER.fullmatch(found[1]) is not None


def _begins(text: str, at: int, *, final: bool) -> bool | None:
    """Tell whether a sentence begins here, right behind a mark; None if it takes more text to know."""
    first, second = text[at], text[at + 1 : at + 2]
    if not first.isascii():
        return not (first.islower() or first.isdigit() or first in marks.CONTINUES)
    if first != "<" and not first.isupper():
        return False
    if not second and not final:
        return None
    if first == "<":  # a tag
        return second == "/" or second.isalpha()
    if second and not (second.isspace() or second.islower() or second in "',\u2019"):
        return False
    run = marks.PRINTED_RUN.match(text, at)
    assert run is not None
    if marks.ADDRESS_INSIDE.search(run.group()):
        return False
    return None if run.end() == len(text) and not final else True
