"""What can be set for Flux, whether it fits together, and how Deepgram wants it spelt."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypedDict

from lk_agents.foundation.errors import ConfigError
from lk_agents_deepgram.options import Query, as_word, check_tags

if TYPE_CHECKING:
    import aiohttp

__all__ = ["FluxExtras", "FluxOptions", "configured"]

ENGLISH_MODELS: Final = "-en"
"""How the names of the models end that know English only."""
LANGUAGES_WITHOUT_HINT: Final = "multi"
EOT_THRESHOLDS: Final = (0.5, 1.0)
EAGER_EOT_THRESHOLDS: Final = (0.3, 0.9)
EOT_TIMEOUTS_MS: Final = (500, 60_000)
THRESHOLDS: Final = ("eot_threshold", "eager_eot_threshold", "eot_timeout_ms")
LISTS: Final = {"keyterm": "keyterms", "language_hint": "language_hints"}
"""Options that are lists, and what they are called in a message."""


class FluxExtras(TypedDict, total=False):
    """Options of :class:`~lk_agents_deepgram.STTv2` beyond those that its constructor names."""

    base_url: str
    http_session: aiohttp.ClientSession | None
    language_hint: str | Sequence[str] | None
    mip_opt_out: bool
    numerals: bool
    profanity_filter: bool


@dataclass(frozen=True, kw_only=True)
class FluxOptions:
    """How Flux is to listen.

    :param model: Deepgram's name of the model.
    :param sample_rate: in Hz, of the audio that is sent; what is pushed is resampled to it.
    :param eot_threshold: 0.5 to 1; how sure Flux must be that a turn has ended. With 1 it never is: ``flush()`` ends
        turns then, or ``eot_timeout_ms``.
    :param eager_eot_threshold: 0.3 to 0.9, and not above ``eot_threshold``: how sure it must be to tell beforehand that
        a turn may have ended; 0 for not at all.
    :param eot_timeout_ms: 500 to 60,000; after so much silence a turn has ended anyway.
    :param keyterm: words and phrases to listen for.
    :param tags: labels for Deepgram's usage reports, of up to 128 characters.
    :param language_hint: what may be spoken, such as ``"en"`` and ``"es"``; for models of several languages.
    :param mip_opt_out: keep the audio out of Deepgram's model improvement program.
    :param numerals: write numbers as digits.
    :param profanity_filter: leave profanity out.
    :raises ConfigError: a value is out of range, or two do not go together.
    """

    model: str = "flux-general-en"
    sample_rate: int = 16_000
    eot_threshold: float = 0.7
    eager_eot_threshold: float = 0.0
    eot_timeout_ms: int = 3_000
    keyterm: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    language_hint: tuple[str, ...] = ()
    mip_opt_out: bool = False
    numerals: bool = False
    profanity_filter: bool = False

    def __post_init__(self) -> None:
        if not self.model:
            raise ConfigError("model is empty; name one, such as 'flux-general-en'")
        if self.sample_rate < 1:
            raise ConfigError(f"sample_rate is {self.sample_rate!r} Hz; it must be 1 or more, such as 16000")
        _check_range("eot_threshold", self.eot_threshold, EOT_THRESHOLDS)
        _check_range("eot_timeout_ms", self.eot_timeout_ms, EOT_TIMEOUTS_MS)
        if self.eager_eot_threshold:
            _check_range("eager_eot_threshold", self.eager_eot_threshold, EAGER_EOT_THRESHOLDS)
        if self.eager_eot_threshold > self.eot_threshold:
            raise ConfigError(
                f"eager_eot_threshold is {self.eager_eot_threshold!r}, above eot_threshold ({self.eot_threshold!r}): "
                f"the end would be told before it is told beforehand; make it smaller"
            )
        if self.language_hint and self.model.endswith(ENGLISH_MODELS):
            raise ConfigError(
                f"the language {self.language_hint[0]!r} is named, but the model {self.model!r} knows English only; "
                f"use 'flux-general-multi'"
            )
        check_tags(self.tags)

    def changed(self, **given: Any) -> FluxOptions:
        """Return these options with what is given changed; None leaves one as it is, an empty list empties it.

        :raises ConfigError: see the class.
        """
        changes: dict[str, Any] = {}
        for name, value in given.items():
            if value is None:
                continue
            if isinstance(value, str) and name in {*LISTS, "tags"}:
                changes[name] = (value,)
            else:
                changes[name] = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
        return replace(self, **changes)

    def speaking(self, language: str | None) -> FluxOptions:
        """Return the options for what is spoken in a language; None for any that they allow.

        :raises ConfigError: the model does not know it.
        """
        if language is None:
            return self
        is_english = language.lower().partition("-")[0] == "en"
        if self.model.endswith(ENGLISH_MODELS) and is_english:
            return self
        return replace(self, language_hint=(language,))

    @property
    def language(self) -> str:
        """What transcripts are in, where Flux does not say it."""
        if self.model.endswith(ENGLISH_MODELS):
            return "en"
        return self.language_hint[0] if len(self.language_hint) == 1 else LANGUAGES_WITHOUT_HINT

    def query(self) -> Query:
        """Return the query of a connection."""
        return [
            ("model", self.model),
            ("encoding", "linear16"),
            ("sample_rate", str(self.sample_rate)),
            ("eot_threshold", f"{self.eot_threshold:g}"),
            *([("eager_eot_threshold", f"{self.eager_eot_threshold:g}")] if self.eager_eot_threshold else []),
            ("eot_timeout_ms", str(self.eot_timeout_ms)),
            *(("keyterm", term) for term in self.keyterm),
            *(("language_hint", language) for language in self.language_hint),
            *(("tag", tag) for tag in self.tags),
            *([("mip_opt_out", "true")] if self.mip_opt_out else []),
            *([("numerals", as_word(self.numerals))] if self.numerals else []),
            *([("profanity_filter", as_word(self.profanity_filter))] if self.profanity_filter else []),
        ]


def configured(before: FluxOptions, after: FluxOptions) -> str | None:
    """Return the message that changes options on an open connection; None if that needs another one."""
    differing = {name for name in vars(after) if getattr(before, name) != getattr(after, name)}
    can_be_changed = {*THRESHOLDS, *LISTS, "numerals"}
    if differing - can_be_changed or ("eager_eot_threshold" in differing and not after.eager_eot_threshold):
        return None
    message: dict[str, Any] = {"type": "Configure"}
    if thresholds := {name: getattr(after, name) for name in THRESHOLDS if name in differing}:
        message["thresholds"] = thresholds
    message |= {LISTS[name]: list(getattr(after, name)) for name in LISTS if name in differing}
    if "numerals" in differing:
        message["numerals"] = after.numerals
    return json.dumps(message, ensure_ascii=False)


def _check_range(name: str, value: float, limits: tuple[float, float]) -> None:
    lowest, highest = limits
    if not lowest <= value <= highest:
        raise ConfigError(f"{name} is {value!r}; it must be from {lowest:g} to {highest:g}")
