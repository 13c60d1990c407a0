"""Interruption strategies that come with the framework; how to combine them: ``combinations``.

All of them are asked while the agent speaks, whenever there is more to judge by: as speech goes on, and as words are
understood. ``ACT`` stops the agent (where no words are known it may go on if none follow), ``IGNORE`` leaves it
speaking and asks for no answer, ``WAIT`` leaves the question open.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable
from typing import Final

from lk_agents.foundation.errors import ConfigError
from lk_agents.turns.backchannel_words import BACKCHANNELS, HESITATIONS
from lk_agents.turns.evidence import Decision, Evidence
from lk_agents.turns.judges import InterruptionStrategy
from lk_agents.turns.words import comparable_words, count_words

__all__ = [
    "Backchannels",
    "InstantInterruption",
    "MinWords",
    "SpeechLength",
]

SPEECH_SECONDS: Final = 0.5
_ROUNDING_SECONDS: Final = 1e-6
_DRAWN_OUT: Final = re.compile(r"([^\W\d_])\1+")


class InstantInterruption(InterruptionStrategy):
    """A strategy that needs no time: it is called where the evidence arises, without a task and a deadline."""

    @abstractmethod
    def judge_now(self, evidence: Evidence) -> Decision:
        """Decide; compute little and wait for nothing, or the audio waits too."""

    async def judge(self, evidence: Evidence) -> Decision:
        """Return what :meth:`judge_now` says."""
        return self.judge_now(evidence)


class SpeechLength(InstantInterruption):
    """``ACT`` once the user speaks for so long, whatever is said; else ``WAIT``.

    :param seconds: length of the voice run, without the silence behind it.
    :raises ConfigError: it is negative.
    """

    def __init__(self, seconds: float = SPEECH_SECONDS) -> None:
        if not seconds >= 0:
            raise ConfigError(f"seconds is {seconds!r}; it must be 0 or more")
        self.seconds = seconds

    def judge_now(self, evidence: Evidence) -> Decision:
        """Compare the length of the run."""
        long_enough = evidence.speech_seconds >= self.seconds - _ROUNDING_SECONDS
        return Decision.ACT if long_enough else Decision.WAIT


class MinWords(InstantInterruption):
    """``ACT`` once so many words were understood, however short they are; else ``WAIT``.

    Where a script puts no space between words, two characters count as one word.

    :param words: how many; 0 acts always.
    :raises ConfigError: it is negative.
    """

    def __init__(self, words: int = 1) -> None:
        if words < 0:
            raise ConfigError(f"words is {words!r}; it must be 0 or more")
        self.words = words

    def judge_now(self, evidence: Evidence) -> Decision:
        """Count the words."""
        return Decision.ACT if count_words(evidence.text) >= self.words else Decision.WAIT


class Backchannels(InstantInterruption):
    """``IGNORE`` where all that was understood is what listeners say ("mhm", "yeah, right"); ``ACT`` at other words.

    Without words it says ``WAIT``, and also for sounds of hesitation ("uh"), behind which anything may follow. If the
    recogniser gives its text late, combine it with something that does not need words, for those who go on speaking::

        first_of(Backchannels("en"), SpeechLength(1.5))

    :param languages: one tag or several, such as ``"en"``; by default all that there are, or none where ``words`` are
        given. Where the recogniser tells the language and it is one of these, only its list counts.
    :param words: words and phrases of your own, which count in every language.
    :raises ConfigError: there is no list for a language; the text names those that there are.
    """

    def __init__(self, languages: str | Iterable[str] | None = None, *, words: Iterable[str] | None = None) -> None:
        if languages is None:
            languages = BACKCHANNELS if words is None else ()
        chosen = (languages,) if isinstance(languages, str) else tuple(languages)
        own = _as_phrases(words or ())
        self._by_language = {_base(each): _list_for(each) | own for each in chosen}
        self._all = own.union(*self._by_language.values())

    def judge_now(self, evidence: Evidence) -> Decision:
        """Look whether the text consists of nothing else."""
        spoken = tuple(_plain(word) for word in comparable_words(evidence.text))
        if not spoken:
            return Decision.WAIT
        phrases = self._by_language.get(_base(evidence.language or ""), self._all)
        if _consists_of(spoken, phrases):
            return Decision.IGNORE
        return Decision.WAIT if _consists_of(spoken, phrases | _HESITATIONS) else Decision.ACT


def _base(language: str) -> str:
    return re.split(r"[-_]", language.lower(), maxsplit=1)[0]


def _list_for(language: str) -> frozenset[tuple[str, ...]]:
    if _base(language) not in BACKCHANNELS:
        there = ", ".join(map(repr, sorted(BACKCHANNELS)))
        raise ConfigError(f"there are no backchannels for the language {language!r}, only for {there}; give words=")
    return _as_phrases(BACKCHANNELS[_base(language)])


def _as_phrases(texts: Iterable[str]) -> frozenset[tuple[str, ...]]:
    phrases = (tuple(_plain(word) for word in comparable_words(text)) for text in texts)
    return frozenset(phrase for phrase in phrases if phrase)


def _plain(word: str) -> str:
    """Return a word as if nobody had drawn it out; characters of East Asian scripts come one by one."""
    return _DRAWN_OUT.sub(r"\1", word)


def _consists_of(words: tuple[str, ...], phrases: frozenset[tuple[str, ...]]) -> bool:
    """Whether the words are phrases of the list, one behind the other."""
    longest = max(map(len, phrases), default=0)
    reached = {0}
    for end in range(1, len(words) + 1):
        if any(end - size in reached and words[end - size : end] in phrases for size in range(1, longest + 1)):
            reached.add(end)
    return len(words) in reached


_HESITATIONS: Final = _as_phrases(HESITATIONS)
