"""The characters and words that rules about the ends of sentences speak of."""

from __future__ import annotations

import re
from typing import Final

__all__ = [
    "ABBREVIATION",
    "ABBREVIATION_CHARS",
    "ACRONYM",
    "ACRONYM_CHARS",
    "ADDRESS_END",
    "ADDRESS_INSIDE",
    "ADDRESS_TAIL",
    "BLANKS",
    "BLANKS_AND_WORD",
    "CLOSERS",
    "CONTINUES",
    "DOTS",
    "FULL_STOPS",
    "LINE_BREAK",
    "MARK",
    "MARK_OR_LINE_BREAK",
    "MORNING",
    "PRINTED_RUN",
    "RUN",
    "RUN_CHARS",
    "SPACELESS",
    "SPACELESS_CONTINUES",
    "STARTER",
    "WWW",
]

DOTS: Final = ".\u2026"
"""Full stop and ellipsis, which end a sentence only sometimes."""

FULL_STOPS: Final = (
    "\u3002\uff61\uff01\uff1f"  # ideographic full stop, its half-width form, full-width ! and ?
    "\u203c\u203d\u2047\u2048\u2049"  # doubled and joined ! and ?
    "\u061f\u06d4"  # Arabic question mark, Urdu full stop
    "\u0964\u0965"  # danda, double danda
    "\u0589\u1362\u1367\u104b\u17d4\u17d5"  # Armenian, Ethiopic (and its question mark), Burmese, Khmer
)
"""Marks that mean nothing but the end of a sentence."""

RUN_CHARS: Final = 32
RUN: Final = re.compile(f"[{DOTS}?!{FULL_STOPS}]{{1,{RUN_CHARS}}}")
"""Marks that stand together, such as ``?!``. The rest of a longer run is judged by itself, which bounds the time."""

_SPACELESS = "\u0e01-\u0e5b\u0e81-\u0edf\u1000-\u1049\u1050-\u109f\u1780-\u17d3\u17d7\u17dc\u17dd"
SPACELESS: Final = re.compile(f"[{_SPACELESS}]")
"""Thai, Lao, Burmese, Khmer: no space between words, so that one often ends a sentence."""

SPACELESS_CONTINUES: Final = "\u0e2f\u0e46\u0ec6\u17d7"
"""Signs of these scripts (repetition, abbreviation) that belong to the word before the space before them."""

_MARKS = rf"[{DOTS}?!@/{FULL_STOPS}]|(?<=[{_SPACELESS}])\s"
MARK: Final = re.compile(_MARKS)
"""Where a sentence may end or an address may begin."""

_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
LINE_BREAK: Final = re.compile(rf"\r\n|[{_BREAKS}]")
MARK_OR_LINE_BREAK: Final = re.compile(rf"{_MARKS}|[{_BREAKS}]")

_CLOSING = ")\\]}\u201d\u203a\u300d\u300f\uff09\u3011\u300b\u3009\u3015\uff3d\uff5d\ufe0f\u200e\u200f"
_EITHER = "\"'\u2019\u201c\u2018\u00bb\u00ab*_~`"
CLOSERS: Final = re.compile(
    rf"(?:[{_CLOSING}]|(?:[{_EITHER}]|[ \u00a0\u202f]\u00bb)(?=[\s{_CLOSING}{_EITHER}{FULL_STOPS}]|\Z)){{0,16}}"
)
"""Quotation marks, brackets and mark-up that belong to the sentence before them.

Some may open as well as close; these close where no word follows. Invisible signs of direction and of emoji count too.
"""

BLANKS: Final = re.compile(r"\s{1,48}")
BLANKS_AND_WORD: Final = re.compile(r"\s{1,48}([A-Za-z]{0,10})")

CONTINUES: Final = "\u2014\u2013\u2010\u2015\u2026\u00b7\u00b0\uff0c\u3001\uff1b\uff1a\u00bb\u2019\u201d"
"""Signs outside of ASCII that no sentence begins with."""

_LETTER = "A-Za-z\u00c0-\u024f\u0370-\u03ff\u0400-\u052f"
_OPENING = "\\s(\\[\"'\u201c\u2018\u00ab\u00bb*_"

_TITLES = "Mr|Mrs|Ms|Dr|St|Prof|Capt|Cpt|Lt|Sgt|Col|Gen|Rev|Sen|Rep|Gov|Hon"
ABBREVIATION_CHARS: Final = 7
ABBREVIATION: Final = re.compile(
    rf"(?:(?P<goes_on>(?<!\w)(?:{_TITLES}|Ph\.D|vs|cf|approx)|(?<=[{_OPENING}])[{_LETTER}])"
    rf"|(?P<may_end>(?<=\s)(?:Inc|Ltd|Corp|Jr|Sr|Co)))\Z"
)
"""What stands before a dot that ends no sentence (a title, an initial), or only if a STARTER follows."""

ACRONYM_CHARS: Final = 24
ACRONYM: Final = re.compile(rf"(?:\A|(?<=[{_OPENING}]))(?:[{_LETTER}]\.-?)+[{_LETTER}]\Z")
"""Letters with a dot after each, without the last; that one ends a sentence only if a STARTER follows."""

MORNING: Final = frozenset({"a.m", "p.m"})
"""The only acronyms in small letters that a sentence may end with; ``e.g.`` goes on."""

STARTER: Final = re.compile(
    "Mr|Mrs|Ms|Dr|Prof|Capt|Cpt|Lt|He|She|It|They|Their|Our|We|But|However|That|This|Wherever"
    "|The|Then|These|Those|There|You|I|My|Your|And|So|If|When|What|Why|How"
)
"""A word that, with a capital letter after an abbreviation, begins a sentence."""

WWW: Final = re.compile(r"(?<![\w.])www\Z", re.IGNORECASE)
ADDRESS_END: Final = re.compile("[^!-\x84\x86-\x9f\xa1-\u058f]")
"""What ends a web or mail address: white space, and scripts that write none before what follows.

Written as what it is not, which takes a tenth of the time to compile.
"""

ADDRESS_TAIL: Final = re.compile(rf"[{DOTS}?!]+[\"')\]}}*_]*\Z")
"""What stands at the end of an address and does not belong to it."""

ADDRESS_INSIDE: Final = re.compile(r"[@/\\]|\.[a-z0-9]")
"""What tells that characters without white space between are an address or a name of a machine."""

PRINTED_RUN: Final = re.compile("[!-~]{1,64}")
