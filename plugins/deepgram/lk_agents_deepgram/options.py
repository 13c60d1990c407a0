"""What can be set, whether it fits together, and how Deepgram wants it spelt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias, TypedDict

from lk_agents.foundation.errors import ConfigError

__all__ = [
    "ENGLISH_ONLY_MODELS",
    "FALLBACK_MODEL",
    "ExtraOptions",
    "Query",
    "STTOptions",
    "as_word",
    "check_tags",
    "frozen",
    "http_url",
    "websocket_url",
]

FALLBACK_MODEL: Final = "nova-2-general"
"""What is used in place of a model that does not know the language."""
ENGLISH: Final = frozenset({"en", "en-US"})
ENGLISH_ONLY_MODELS: Final = frozenset(
    f"nova-2-{kind}"
    for kind in (
        "automotive",
        "conversationalai",
        "drivethru",
        "finance",
        "medical",
        "meeting",
        "phonecall",
        "video",
        "voicemail",
    )
)
KEYTERM_MODELS: Final = "nova-3"
"""How the names of the models begin that take keyterms, and no keywords."""
WITHOUT_KEYTERMS: Final = ("nova-2", "nova-general", "nova-meeting", "nova-phonecall", "enhanced", "base", "whisper")
"""How the names of the models begin that are known to take no keyterms."""
TAG_CHARACTERS: Final = 128

Query: TypeAlias = list[tuple[str, str]]


class ExtraOptions(TypedDict, total=False):
    """Options beyond those that every version of this plugin had; see :class:`STTOptions`."""

    dictation: bool | None
    enable_diarization: bool | None
    redact: list[str] | None
    replace: list[tuple[str, str]] | None
    search: list[str] | None
    tags: list[str] | None
    utterance_end_ms: int | None
    vad_events: bool | None


@dataclass(frozen=True, kw_only=True)
class STTOptions:
    """How Deepgram is to listen.

    :param model: its model. One that only knows English is replaced by :data:`FALLBACK_MODEL` where another language
        is set, or any may come; see :attr:`model_in_use`.
    :param language: what is spoken, such as ``"en-US"``; ``"multi"`` for several.
    :param detect_language: find out what is spoken; in recordings only.
    :param interim_results: give transcripts before they are final.
    :param punctuate: put punctuation and capitals in.
    :param smart_format: write dates, numbers and the like as people do.
    :param sample_rate: in Hz, of the audio that is sent; what is pushed is resampled to it.
    :param no_delay: do not wait for more words in order to format better.
    :param endpointing_ms: silence after which a transcript is final; 0 for never.
    :param filler_words: transcribe "uh" and "um" as well.
    :param keywords: words to listen for, with their boost; not with the models of Nova-3.
    :param keyterms: words and phrases to listen for; with the models of Nova-3 only.
    :param profanity_filter: leave profanity out.
    :param numerals: write numbers as digits.
    :param mip_opt_out: keep the audio out of Deepgram's model improvement program.
    :param enable_diarization: tell speakers apart: words and transcripts then name theirs.
    :param tags: labels for Deepgram's usage reports, of up to 128 characters.
    :param redact: what to black out, such as ``"pci"``.
    :param utterance_end_ms: tell the end of an utterance after a gap of that length between words; needs
        ``interim_results``.
    :param vad_events: tell when speech begins.
    :param dictation: turn spoken punctuation ("comma") into signs.
    :param replace: what to write in place of which words.
    :param search: phrases to look for.
    :raises ConfigError: a value is out of range, or two do not go together.
    """

    model: str = FALLBACK_MODEL
    language: str = "en-US"
    detect_language: bool = False
    interim_results: bool = True
    punctuate: bool = True
    smart_format: bool = True
    sample_rate: int = 16000
    no_delay: bool = True
    endpointing_ms: int = 25
    filler_words: bool = True
    keywords: tuple[tuple[str, float], ...] = ()
    keyterms: tuple[str, ...] = ()
    profanity_filter: bool = False
    numerals: bool = False
    mip_opt_out: bool = False
    enable_diarization: bool = False
    tags: tuple[str, ...] = ()
    redact: tuple[str, ...] = ()
    utterance_end_ms: int = 0
    vad_events: bool = True
    dictation: bool = False
    replace: tuple[tuple[str, str], ...] = ()
    search: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._check_numbers()
        if self.utterance_end_ms and not self.interim_results:
            raise ConfigError(
                f"utterance_end_ms is {self.utterance_end_ms!r}, which needs interim results: set interim_results=True"
            )
        if self.keywords and self.model.startswith(KEYTERM_MODELS):
            raise ConfigError(f"keywords are given, but the model {self.model!r} takes none; use keyterms")
        if self.keyterms and self.model.startswith(WITHOUT_KEYTERMS):
            raise ConfigError(
                f"keyterms are given, but the model {self.model!r} takes none; use keywords, or a model of Nova-3"
            )
        check_tags(self.tags)

    def _check_numbers(self) -> None:
        if self.sample_rate < 1:
            raise ConfigError(f"sample_rate is {self.sample_rate!r} Hz; it must be 1 or more, such as 16000")
        for name in ("endpointing_ms", "utterance_end_ms"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)!r}; it must be 0 (off) or more")

    def changed(self, **given: Any) -> STTOptions:
        """Return these options with what is given changed; None leaves one as it is, an empty list empties it.

        :raises ConfigError: see the class.
        """
        changes: dict[str, Any] = {
            name: frozen(value) if isinstance(value, list | tuple) else value
            for name, value in given.items()
            if value is not None
        }
        return replace(self, **changes)

    @property
    def model_in_use(self) -> str:
        """The model that is asked for, or the one in its place if that does not know the language."""
        knows_it = self.language in ENGLISH and not self.detect_language
        return self.model if knows_it or self.model not in ENGLISH_ONLY_MODELS else FALLBACK_MODEL

    def live_query(self) -> Query:
        """Return the query of a live connection."""
        return [
            ("model", self.model_in_use),
            ("punctuate", as_word(self.punctuate)),
            ("smart_format", as_word(self.smart_format)),
            ("no_delay", as_word(self.no_delay)),
            ("interim_results", as_word(self.interim_results)),
            ("encoding", "linear16"),
            ("vad_events", as_word(self.vad_events)),
            ("sample_rate", str(self.sample_rate)),
            ("channels", "1"),
            ("endpointing", str(self.endpointing_ms) if self.endpointing_ms else "false"),
            ("filler_words", as_word(self.filler_words)),
            ("profanity_filter", as_word(self.profanity_filter)),
            ("numerals", as_word(self.numerals)),
            ("mip_opt_out", as_word(self.mip_opt_out)),
            *([("language", self.language)] if self.language else []),
            *([("utterance_end_ms", str(self.utterance_end_ms))] if self.utterance_end_ms else []),
            *self._terms(),
        ]

    def recording_query(self) -> Query:
        """Return the query for a recording."""
        return [
            ("model", self.model_in_use),
            ("punctuate", as_word(self.punctuate)),
            ("detect_language", as_word(self.detect_language)),
            ("smart_format", as_word(self.smart_format)),
            ("filler_words", as_word(self.filler_words)),
            ("profanity_filter", as_word(self.profanity_filter)),
            ("numerals", as_word(self.numerals)),
            *([("mip_opt_out", "true")] if self.mip_opt_out else []),
            *([("language", self.language)] if self.language and not self.detect_language else []),
            *self._terms(),
        ]

    def _terms(self) -> Iterator[tuple[str, str]]:
        """Yield what may come several times, and what only comes when it is on."""
        if self.enable_diarization:
            yield "diarize", "true"
        if self.dictation:
            yield "dictation", "true"
        yield from (("keywords", f"{word}:{boost}") for word, boost in self.keywords)
        yield from (("keyterm", term) for term in self.keyterms)
        yield from (("tag", tag) for tag in self.tags)
        yield from (("redact", kind) for kind in self.redact)
        yield from (("replace", f"{term}:{by}") for term, by in self.replace)
        yield from (("search", phrase) for phrase in self.search)


def check_tags(tags: Iterable[str]) -> None:
    """Check labels for usage reports.

    :raises ConfigError: one is too long, or empty.
    """
    for tag in tags:
        if not 0 < len(tag) <= TAG_CHARACTERS:
            raise ConfigError(f"tags holds {tag!r}; a tag has 1 to {TAG_CHARACTERS} characters")


def frozen(values: list[Any] | tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a list as a tuple, lists in it as well."""
    return tuple(tuple(value) if isinstance(value, list) else value for value in values)


def as_word(value: bool) -> str:
    """Return a truth value as Deepgram spells it."""
    return "true" if value else "false"


def websocket_url(base_url: str) -> str:
    """Return the address for sockets: ``http`` becomes ``ws``."""
    return f"ws{base_url[4:]}" if base_url.startswith("http") else base_url


def http_url(base_url: str) -> str:
    """Return the address for requests: ``ws`` becomes ``http``."""
    return f"http{base_url[2:]}" if base_url.startswith("ws") else base_url
