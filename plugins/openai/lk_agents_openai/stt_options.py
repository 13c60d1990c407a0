"""What can be set for recognition, and how OpenAI wants it spelt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

from lk_agents.foundation.errors import ConfigError

__all__ = ["SAMPLE_RATE", "Dialect", "NoiseReduction", "STTOptions", "TurnDetection"]

SAMPLE_RATE: Final = 24_000
"""Of the audio on a live connection, in Hz: OpenAI takes no other."""
DEFAULT_TURN_DETECTION: Final[Mapping[str, Any]] = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 600,
    "silence_duration_ms": 350,
}
WITHOUT_TURN_DETECTION: Final = ("gpt-live-transcribe", "gpt-realtime-whisper")
"""How the names of the models begin that find no pauses by themselves."""
WITH_TIMES: Final = "whisper-1"
"""The model that tells times, and the language that it has found."""

TurnDetection: TypeAlias = Mapping[str, Any] | Literal[False]
NoiseReduction: TypeAlias = Literal["near_field", "far_field"]
Dialect: TypeAlias = Literal["ga", "beta"]


@dataclass(frozen=True, kw_only=True)
class STTOptions:
    """How OpenAI is to listen.

    :param model: its model.
    :param language: what is spoken, such as ``"en"``; empty to find out.
    :param prompt: a text that says what to expect, or, for Whisper, words that may come.
    :param keywords: words and phrases that may come; for the newer models.
    :param temperature: 0 to 1, in recordings only.
    :param turn_detection: how OpenAI finds the pauses between which it recognises: its own record, False for "not at
        all" (then ``flush()`` says so), None for the model's default.
    :param noise_reduction_type: ``"near_field"`` for headsets, ``"far_field"`` for rooms.
    :param dialect: of the live connection: ``"beta"`` is that of older servers.
    :raises ConfigError: the model is not named, or a value is out of range.
    """

    model: str
    language: str = ""
    prompt: str = ""
    keywords: tuple[str, ...] = ()
    temperature: float | None = None
    turn_detection: TurnDetection | None = None
    noise_reduction_type: NoiseReduction | str | None = None
    dialect: Dialect = "ga"

    def __post_init__(self) -> None:
        if not self.model:
            raise ConfigError("model is empty; name a model, such as 'gpt-4o-transcribe'")
        if self.dialect not in {"ga", "beta"}:
            raise ConfigError(f"dialect is {self.dialect!r}; it must be 'ga' or 'beta'")
        if self.temperature is not None and not 0 <= self.temperature <= 1:
            raise ConfigError(f"temperature is {self.temperature!r}; it must be from 0 to 1")
        if self.turn_detection and not isinstance(self.turn_detection.get("type"), str):
            raise ConfigError(
                f"turn_detection is {dict(self.turn_detection)!r}; it must have a type: {{'type': 'server_vad'}}"
            )

    def changed(self, **given: Any) -> STTOptions:
        """Return these options with what is given changed; what is empty or None leaves one as it is.

        :raises ConfigError: see the class.
        """
        changes: dict[str, Any] = {name: value for name, value in given.items() if value or value is False}
        return replace(self, **changes)

    # --- recordings ------------------------------------------------------------------------------------------------

    def form(self) -> list[tuple[str, str]]:
        """Return the fields that go with a recording."""
        return [
            ("model", self.model),
            ("response_format", "verbose_json" if self.model == WITH_TIMES else "json"),
            *([("language", self.language)] if self.language else []),
            *([("prompt", self.prompt)] if self.prompt else []),
            *([("temperature", f"{self.temperature:g}")] if self.temperature is not None else []),
            *(("keywords[]", keyword) for keyword in self.keywords),
        ]

    # --- live ------------------------------------------------------------------------------------------------------

    @property
    def turns(self) -> Mapping[str, Any] | None:
        """How OpenAI finds pauses, in its own words; None for not at all."""
        if self.turn_detection is None:
            return None if self.model.startswith(WITHOUT_TURN_DETECTION) else DEFAULT_TURN_DETECTION
        return self.turn_detection or None

    @property
    def padding_seconds(self) -> tuple[float, float]:
        """How much OpenAI adds to what is said, before and behind it, where that is known."""
        turns = self.turns
        if turns is None or turns["type"] != "server_vad":
            return 0.0, 0.0
        return turns.get("prefix_padding_ms", 300) / 1000, turns.get("silence_duration_ms", 500) / 1000

    def session_update(self) -> dict[str, Any]:
        """Return the first message of a live connection."""
        transcription: dict[str, Any] = {
            "model": self.model,
            **({"language": self.language} if self.language else {}),
            **({"prompt": self.prompt} if self.prompt else {}),
            **({"keywords": self.keywords} if self.keywords else {}),
        }
        turns = None if self.turns is None else dict(self.turns)
        noise = {"type": self.noise_reduction_type} if self.noise_reduction_type else None
        if self.dialect == "beta":
            session = {
                "input_audio_format": "pcm16",
                "input_audio_transcription": transcription,
                "turn_detection": turns,
                **({"input_audio_noise_reduction": noise} if noise else {}),
            }
            return {"type": "transcription_session.update", "session": session}
        heard = {
            "format": {"type": "audio/pcm", "rate": SAMPLE_RATE},
            "transcription": transcription,
            "turn_detection": turns,
            **({"noise_reduction": noise} if noise else {}),
        }
        return {"type": "session.update", "session": {"type": "transcription", "audio": {"input": heard}}}
