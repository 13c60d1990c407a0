"""The options that can be changed while somebody listens, for the recogniser and its streams alike."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from lk_agents_deepgram.options import ExtraOptions

if TYPE_CHECKING:
    from lk_agents_deepgram.models import DeepgramLanguages, DeepgramModels

__all__ = ["Updatable"]


class Updatable:
    """Has options that can be changed."""

    def update_options(
        self,
        *,
        language: DeepgramLanguages | str | None = None,
        model: DeepgramModels | str | None = None,
        interim_results: bool | None = None,
        punctuate: bool | None = None,
        smart_format: bool | None = None,
        sample_rate: int | None = None,
        no_delay: bool | None = None,
        endpointing_ms: int | None = None,
        filler_words: bool | None = None,
        keywords: list[tuple[str, float]] | None = None,
        keyterms: list[str] | None = None,
        profanity_filter: bool | None = None,
        numerals: bool | None = None,
        mip_opt_out: bool | None = None,
        **extras: Unpack[ExtraOptions],
    ) -> None:
        """Change what is given; None leaves an option as it is, an empty list empties it.

        Streams that listen open another connection with the new options, and lose nothing.

        :raises ConfigError: a value is out of range, or two do not go together; then nothing has changed.
        """
        self._change_options(
            {
                "language": language,
                "model": model,
                "interim_results": interim_results,
                "punctuate": punctuate,
                "smart_format": smart_format,
                "sample_rate": sample_rate,
                "no_delay": no_delay,
                "endpointing_ms": endpointing_ms,
                "filler_words": filler_words,
                "keywords": keywords,
                "keyterms": keyterms,
                "profanity_filter": profanity_filter,
                "numerals": numerals,
                "mip_opt_out": mip_opt_out,
                **extras,
            }
        )

    @abstractmethod
    def _change_options(self, changes: Mapping[str, Any]) -> None:
        """Change options by name, or none of them."""
