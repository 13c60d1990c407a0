"""What can be set for a speech-to-speech session, checked when it is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypedDict

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions, NotGiven, NotGivenOr
from lk_agents.llm.chunks import ToolChoice
from lk_agents_openai.realtime.api_proto import AudioFormat, Dialect, Modality, NoiseReduction, Voice

if TYPE_CHECKING:
    import asyncio

    import aiohttp

__all__ = [
    "DEFAULT_INPUT_AUDIO_TRANSCRIPTION",
    "DEFAULT_SEMANTIC_VAD_OPTIONS",
    "DEFAULT_SERVER_VAD_OPTIONS",
    "AzureOptions",
    "InputTranscriptionOptions",
    "RealtimeExtras",
    "RealtimeSessionOptions",
    "SemanticVadEagerness",
    "SemanticVadOptions",
    "ServerVadOptions",
    "SessionRules",
    "TurnDetection",
]

RENEW_SECONDS: Final = 50 * 60.0
"""OpenAI ends a session after an hour; ten minutes are left to find a moment in which nobody speaks."""
LAST_MOMENT_SECONDS: Final = 8 * 60.0
"""How much later the connection is renewed whatever is going on."""
TOOL_SECONDS: Final = 60.0
MOST_TOKENS: Final = 4_096
SPEEDS: Final = (0.25, 1.5)
CAN_BE_OFF: Final = frozenset({"input_audio_transcription", "turn_detection"})
"""The options of which None is a value."""


class SemanticVadEagerness(StrEnum):
    """How soon the server takes a turn for over: it waits for 8, 4 or 2 s at most where the user may go on."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    AUTO = "auto"


@dataclass(frozen=True)
class ServerVadOptions:
    """The server finds turns by silence.

    :param threshold: how sure it must be that it hears speech, 0 to 1.
    :param prefix_padding_ms: how much of what came before belongs to the turn.
    :param silence_duration_ms: how much silence ends it.
    :param create_response: whether the server answers by itself then.
    :param interrupt_response: whether the server stops what it is saying when the user speaks.
    :param idle_timeout_ms: after how much silence behind its own speech it speaks again; None for never.
    :raises ConfigError: a value is out of range.
    """

    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    create_response: bool = True
    interrupt_response: bool = True
    idle_timeout_ms: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ConfigError(f"threshold is {self.threshold!r}; it must be from 0 to 1")
        for name in ("prefix_padding_ms", "silence_duration_ms", "idle_timeout_ms"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ConfigError(f"{name} is {value!r}; it must be 0 or more")


@dataclass(frozen=True)
class SemanticVadOptions:
    """The server finds turns by what is said: it waits where the user may go on.

    :param eagerness: how soon it takes a turn for over.
    :param create_response: whether the server answers by itself then.
    :param interrupt_response: whether the server stops what it is saying when the user speaks.
    :raises ConfigError: there is no such eagerness.
    """

    eagerness: SemanticVadEagerness | str = SemanticVadEagerness.AUTO
    create_response: bool = True
    interrupt_response: bool = True

    def __post_init__(self) -> None:
        if self.eagerness not in set(SemanticVadEagerness):
            names = ", ".join(SemanticVadEagerness)
            raise ConfigError(f"eagerness is {self.eagerness!r}; it must be one of {names}")


TurnDetection: TypeAlias = ServerVadOptions | SemanticVadOptions | None
"""How the server finds turns; None: it does not, the program says when one is over."""


@dataclass(frozen=True)
class InputTranscriptionOptions:
    """How what the user says becomes text. The model itself hears the sound; this is for people and for the history.

    :param model: the recogniser.
    :param language: what is spoken, such as ``"en"``; None to find out.
    :param prompt: what to expect.
    """

    model: str
    language: str | None = None
    prompt: str | None = None


DEFAULT_SERVER_VAD_OPTIONS: Final = ServerVadOptions()
DEFAULT_SEMANTIC_VAD_OPTIONS: Final = SemanticVadOptions(eagerness=SemanticVadEagerness.MEDIUM)
DEFAULT_INPUT_AUDIO_TRANSCRIPTION: Final = InputTranscriptionOptions(model="whisper-1")


@dataclass(frozen=True)
class RealtimeSessionOptions:
    """How the model is to behave in one session.

    :param model: its name; of Azure, the deployment's.
    :param modalities: ``"audio"`` lets it speak, with a transcript; ``["text"]`` lets it write.
    :param instructions: how it is to behave.
    :param voice: whose voice it has, also the id of one of your own.
    :param input_audio_format: ``"pcm16"``.
    :param output_audio_format: ``"pcm16"``.
    :param input_audio_transcription: how what the user says becomes text; None for not at all.
    :param turn_detection: how the server finds turns; None for not at all.
    :param tool_choice: whether it may, must or must not call functions, or which it must call.
    :param temperature: of the older dialect only.
    :param max_response_output_tokens: how long an answer may be, 1 to 4096; ``"inf"`` for no limit.
    :param speed: how fast it speaks, 0.25 to 1.5.
    :param noise_reduction_type: ``"near_field"`` for headsets, ``"far_field"`` for rooms.
    :param reasoning_effort: of the models that think.
    :param parallel_tool_calls: of the models that think: whether it may call several functions at once.
    :param truncation: what the server does with conversations that are too long, in its own words.
    :param tracing: what the server writes of the session, in its own words.
    :raises ConfigError: a value cannot be used.
    """

    model: str
    modalities: Sequence[Modality] = ("text", "audio")
    instructions: str = ""
    voice: Voice | str = "marin"
    input_audio_format: AudioFormat = "pcm16"
    output_audio_format: AudioFormat = "pcm16"
    input_audio_transcription: InputTranscriptionOptions | None = DEFAULT_INPUT_AUDIO_TRANSCRIPTION
    turn_detection: TurnDetection = DEFAULT_SEMANTIC_VAD_OPTIONS
    tool_choice: ToolChoice | Literal["auto", "required", "none"] = "auto"
    temperature: float | None = None
    max_response_output_tokens: int | Literal["inf"] = "inf"
    speed: float | None = None
    noise_reduction_type: NoiseReduction | str | None = None
    reasoning_effort: str | None = None
    parallel_tool_calls: bool | None = None
    truncation: str | Mapping[str, Any] | None = None
    tracing: str | Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not self.model:
            raise ConfigError("model is empty; name a model, such as 'gpt-realtime'")
        if not self.modalities or set(self.modalities) - {"text", "audio"}:
            raise ConfigError(f"modalities is {self.modalities!r}; it must be ['text', 'audio'], ['audio'] or ['text']")
        if not isinstance(self.tool_choice, ToolChoice) and self.tool_choice not in {"auto", "required", "none"}:
            raise ConfigError(
                f"tool_choice is {self.tool_choice!r}; it must be 'auto', 'required', 'none' or a ToolChoice"
            )
        self._check_audio()
        self._check_limits()

    def _check_audio(self) -> None:
        for name in ("input_audio_format", "output_audio_format"):
            if getattr(self, name) != "pcm16":
                raise ConfigError(
                    f"{name} is {getattr(self, name)!r}; agents hear and speak in 16-bit samples: leave it at 'pcm16'"
                )
        if not self.voice:
            raise ConfigError("voice is empty; name a voice, such as 'marin'")
        if self.speed is not None and not SPEEDS[0] <= self.speed <= SPEEDS[1]:
            raise ConfigError(f"speed is {self.speed!r}; it must be from {SPEEDS[0]} to {SPEEDS[1]}")

    def _check_limits(self) -> None:
        tokens = self.max_response_output_tokens
        if tokens != "inf" and tokens not in range(1, MOST_TOKENS + 1):
            raise ConfigError(f"max_response_output_tokens is {tokens!r}; it must be 1 to {MOST_TOKENS}, or 'inf'")
        if self.temperature is not None and not 0 <= self.temperature <= 2:
            raise ConfigError(f"temperature is {self.temperature!r}; it must be from 0 to 2")

    @property
    def speaks(self) -> bool:
        """Whether answers are spoken, not written."""
        return "audio" in self.modalities

    @property
    def creates_responses(self) -> bool:
        """Whether the server answers by itself when the user's turn is over."""
        return self.turn_detection is not None and self.turn_detection.create_response

    def changed(self, given: Mapping[str, NotGivenOr[Any]]) -> RealtimeSessionOptions:
        """Return these options with what is given changed; None leaves an option as it is, or turns it off if it can.

        :raises ConfigError: see the class.
        """
        changes: dict[str, Any] = {
            name: value
            for name, value in given.items()
            if not isinstance(value, NotGiven) and (value is not None or name in CAN_BE_OFF)
        }
        return replace(self, **changes)


class RealtimeExtras(TypedDict, total=False):
    """Options beyond those that every version of this plugin had; None, or nothing, leaves them to OpenAI.

    ``speed``, ``noise_reduction_type``, ``reasoning_effort``, ``parallel_tool_calls``, ``truncation``, ``tracing``
        See :class:`RealtimeSessionOptions`; the older dialect has none of them.
    ``dialect``
        ``"ga"`` or ``"beta"``; by default what the address speaks.
    ``conn_options``
        How often and how patiently a connection is tried, and how long the server may take to confirm something.
    ``renew_seconds``
        After how long a connection is renewed, as soon as nobody speaks; 3,000.
    ``tool_timeout``
        How many seconds a function may take; 60, None for no limit.
    """

    speed: float | None
    noise_reduction_type: NoiseReduction | str | None
    reasoning_effort: str | None
    parallel_tool_calls: bool | None
    truncation: str | Mapping[str, Any] | None
    tracing: str | Mapping[str, Any] | None
    dialect: Dialect | None
    conn_options: APIConnectOptions
    renew_seconds: float
    tool_timeout: float | None


class AzureOptions(RealtimeExtras, total=False):
    """What a model at Azure takes beside its address, as the constructor of the model does."""

    instructions: str
    modalities: Sequence[Modality]
    voice: Voice | str | None
    input_audio_format: AudioFormat
    output_audio_format: AudioFormat
    input_audio_transcription: InputTranscriptionOptions | None
    turn_detection: NotGivenOr[TurnDetection]
    tool_choice: ToolChoice | Literal["auto", "required", "none"]
    temperature: float | None
    max_response_output_tokens: int | Literal["inf"]
    http_session: aiohttp.ClientSession | None
    loop: asyncio.AbstractEventLoop | None


@dataclass(frozen=True, kw_only=True)
class SessionRules:
    """How sessions are held, whatever the model says in them.

    :param dialect: how the server is spoken with.
    :param conn_options: how often and how patiently a connection is tried; its ``timeout`` is for confirmations, too.
    :param renew_seconds: after how long a connection is renewed in a pause.
    :param last_moment_seconds: how much later it is renewed without one.
    :param tool_timeout: how many seconds a function may take; None for no limit.
    :raises ConfigError: a value is out of range.
    """

    dialect: Dialect = "ga"
    conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    renew_seconds: float = RENEW_SECONDS
    last_moment_seconds: float = LAST_MOMENT_SECONDS
    tool_timeout: float | None = TOOL_SECONDS

    def __post_init__(self) -> None:
        if self.dialect not in {"ga", "beta"}:
            raise ConfigError(f"dialect is {self.dialect!r}; it must be 'ga' or 'beta'")
        for name in ("renew_seconds", "tool_timeout"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"{name} is {value!r}; it must be a number of seconds above 0")
