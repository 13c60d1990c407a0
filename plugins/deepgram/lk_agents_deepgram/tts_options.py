"""What can be set for speech, and how Deepgram wants it spelt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypedDict

from lk_agents.foundation.errors import ConfigError
from lk_agents_deepgram.options import Query

__all__ = ["SAMPLE_RATES", "TTSExtras", "TTSOptions"]

ENCODING: Final = "linear16"
"""The samples as they are in a frame; anything else would have to be decoded first."""
SAMPLE_RATES: Final = (8_000, 16_000, 24_000, 32_000, 48_000)
SPEEDS: Final = (0.7, 1.5)


class TTSExtras(TypedDict, total=False):
    """Options beyond those that every version of this plugin had; see :class:`TTSOptions`."""

    mip_opt_out: bool
    speed: float | None


@dataclass(frozen=True, kw_only=True)
class TTSOptions:
    """How Deepgram is to speak.

    :param model: its model, which is a voice as well.
    :param encoding: of the audio: ``"linear16"``.
    :param sample_rate: of the audio, in Hz: 8000, 16000, 24000, 32000 or 48000.
    :param speed: 0.7 to 1.5; 1 is as people speak. Not every voice can change it. None leaves it to Deepgram.
    :param mip_opt_out: keep the text out of Deepgram's model improvement program.
    :raises ConfigError: a value is out of range, or the model is not named.
    """

    model: str
    encoding: str = ENCODING
    sample_rate: int = 24_000
    speed: float | None = None
    mip_opt_out: bool = False

    def __post_init__(self) -> None:
        if not self.model:
            raise ConfigError("model is empty; name one, such as 'aura-asteria-en'")
        if self.encoding != ENCODING:
            raise ConfigError(
                f"encoding is {self.encoding!r}; it must be {ENCODING!r}: frames hold samples, and nothing is decoded"
            )
        if self.sample_rate not in SAMPLE_RATES:
            rates = ", ".join(map(str, SAMPLE_RATES))
            raise ConfigError(f"sample_rate is {self.sample_rate!r} Hz; Deepgram speaks at {rates}")
        slowest, fastest = SPEEDS
        if self.speed is not None and not slowest <= self.speed <= fastest:
            raise ConfigError(f"speed is {self.speed!r}; it must be from {slowest} to {fastest}")

    def live_query(self) -> Query:
        """Return the query of a connection."""
        return [
            ("encoding", self.encoding),
            ("model", self.model),
            ("sample_rate", str(self.sample_rate)),
            *([("speed", f"{self.speed:g}")] if self.speed is not None else []),
            *([("mip_opt_out", "true")] if self.mip_opt_out else []),
        ]

    def text_query(self) -> Query:
        """Return the query for a whole text; its audio is to come without the header of a file before it."""
        return [*self.live_query(), ("container", "none")]
