"""What was measured: plain records, one for each request, each interval of voice detection, each turn.

Times are seconds; ``timestamp`` is the wall clock (since 1970-01-01 UTC) when the record was made. ``label`` names the
engine as ``"<module>.<class>"``. All records of one turn of an agent share its ``sequence_id``.

The fields that can be given by position are those of the older frameworks, in their order; what came later is given
by keyword and may be left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from lk_agents.foundation.errors import APIError, APIStatusError

__all__ = [
    "AgentMetrics",
    "DeadAirMetrics",
    "Error",
    "LLMMetrics",
    "MultimodalLLMError",
    "MultimodalLLMMetrics",
    "PipelineEOUMetrics",
    "PipelineLLMMetrics",
    "PipelineSTTMetrics",
    "PipelineTTSMetrics",
    "PipelineTurnMetrics",
    "PipelineVADMetrics",
    "STTMetrics",
    "TTSMetrics",
    "VADMetrics",
]


@dataclass
class Error:
    """Why a request failed, as far as it is known; None and empty mean unknown.

    :param message: what happened, in words.
    :param provider: who failed, as ``"<module>.<class>"``.
    :param phase: what was being done, such as ``"connect"`` or ``"first_output"``; see ``APIError.phase``.
    :param code: the HTTP status, or the provider's own code.
    :param request_id: the provider's id of the request, for its support.
    :param retryable: whether trying again may help.
    :param attempts: how often it was tried.
    """

    message: str | None = None
    provider: str = ""
    phase: str = ""
    code: str | int | None = None
    request_id: str | None = None
    retryable: bool = False
    attempts: int = 1

    @staticmethod
    def of(error: BaseException, *, provider: str = "") -> Error:
        """Return what is to be told of an exception.

        Of an exception that is no :class:`APIError` only the class is told: nobody has promised that its text holds no
        credential and nothing that a user said.

        :param provider: who failed, where the exception does not know it.
        """
        if not isinstance(error, APIError):
            return Error(message=type(error).__name__, provider=provider)
        code = error.code
        if code is None and isinstance(error, APIStatusError) and error.status_code != -1:
            code = error.status_code
        return Error(
            message=error.message,
            provider=error.provider or provider,
            phase=error.phase,
            code=code,
            request_id=error.request_id,
            retryable=error.retryable,
            attempts=error.attempts,
        )


@dataclass
class STTMetrics:
    """One recognition, or one report of a recognition stream.

    :param request_id: the provider's id.
    :param duration: seconds that the successful attempt took; of a stream, seconds since it began.
    :param audio_duration: seconds of audio that were recognised.
    :param streamed: whether it was a stream.
    :param error: why it failed; None if it did not.
    :param provider: the provider's short name, such as ``"deepgram"``, for price tables.
    :param model: the provider's name of the model.
    :param hedged: whether a second request was faster than this one, which has cost something all the same; see
        ``hedge`` of the fallback adapters.
    """

    request_id: str
    timestamp: float
    duration: float
    label: str
    audio_duration: float
    streamed: bool
    error: Error | None
    provider: str = field(default="", kw_only=True)
    model: str = field(default="", kw_only=True)
    hedged: bool = field(default=False, kw_only=True)


@dataclass
class TTSMetrics:
    """One synthesis: a text, or a segment of a stream.

    :param request_id: the provider's id.
    :param ttfb: seconds until the first audio; -1 if none came.
    :param duration: seconds until the last audio.
    :param audio_duration: seconds of audio that came.
    :param cancelled: whether it was closed before its end.
    :param characters_count: characters of the text.
    :param streamed: whether it was a stream.
    :param error: why it failed; None if it did not.
    :param segment_id: the segment of the stream.
    :param provider: the provider's short name, such as ``"elevenlabs"``, for price tables.
    :param model: the provider's name of the model.
    :param hedged: whether a second request was faster than this one, which has cost something all the same; see
        ``hedge`` of the fallback adapters.
    """

    request_id: str
    timestamp: float
    ttfb: float
    duration: float
    audio_duration: float
    cancelled: bool
    characters_count: int
    label: str
    streamed: bool
    error: Error | None
    segment_id: str = field(default="", kw_only=True)
    provider: str = field(default="", kw_only=True)
    model: str = field(default="", kw_only=True)
    hedged: bool = field(default=False, kw_only=True)


@dataclass
class VADMetrics:
    """An interval of voice activity detection.

    :param idle_time: seconds since anything was computed.
    :param inference_duration_total: seconds that the model took in this interval.
    :param inference_count: windows that the model judged in this interval.
    """

    timestamp: float
    idle_time: float
    inference_duration_total: float
    inference_count: int
    label: str


@dataclass
class LLMMetrics:
    """One answer of a language model.

    :param request_id: the provider's id.
    :param ttft: seconds until the first token; -1 if none came.
    :param duration: seconds until the end.
    :param cancelled: whether it was closed before its end.
    :param completion_tokens: tokens of the answer; like all counts 0 where the provider told none.
    :param prompt_tokens: tokens of what was sent, those from the provider's cache included.
    :param total_tokens: both together.
    :param tokens_per_second: completion tokens by duration.
    :param error: why it failed; None if it did not.
    :param cached_prompt_tokens: how many of the prompt tokens came from the provider's cache.
    :param provider: the provider's short name, such as ``"openai"``, for price tables.
    :param model: the provider's name of the model.
    :param hedged: whether a second request was faster than this one, which has cost something all the same; see
        ``hedge`` of the fallback adapters.
    """

    request_id: str
    timestamp: float
    ttft: float
    duration: float
    label: str
    cancelled: bool
    completion_tokens: int
    prompt_tokens: int
    total_tokens: int
    tokens_per_second: float
    error: Error | None
    cached_prompt_tokens: int = field(default=0, kw_only=True)
    provider: str = field(default="", kw_only=True)
    model: str = field(default="", kw_only=True)
    hedged: bool = field(default=False, kw_only=True)


class PipelineSTTMetrics(STTMetrics):
    """A recognition in a voice pipeline."""


class PipelineVADMetrics(VADMetrics):
    """An interval of voice activity detection in a voice pipeline."""


@dataclass
class PipelineTTSMetrics(TTSMetrics):
    """A synthesis in a voice pipeline.

    :param sequence_id: the agent's turn.
    """

    sequence_id: str


@dataclass
class PipelineLLMMetrics(LLMMetrics):
    """An answer of a language model in a voice pipeline.

    :param sequence_id: the agent's turn.
    """

    sequence_id: str


@dataclass
class PipelineEOUMetrics:
    """How long it took to decide that the user's turn is over.

    :param sequence_id: the agent's turn that answers.
    :param end_of_utterance_delay: seconds from the last sample of speech to the decision.
    :param transcription_delay: seconds from the last sample of speech to the last final transcript; 0 if that came
        before.
    """

    sequence_id: str
    timestamp: float
    end_of_utterance_delay: float
    transcription_delay: float


@dataclass(kw_only=True)
class PipelineTurnMetrics:
    """One turn in a voice pipeline, from the user's last sample of speech to the first frame of the answer.

    The stages are seconds since the user's last sample of speech, or since the decision where the user did not speak;
    None where a stage was not reached.

    :param sequence_id: the agent's turn.
    :param turn: counts the user's turns.
    :param outcome: how it ended: ``"spoken"``, ``"interrupted"``, ``"silent"``, ``"dropped"`` or ``"failed"``.
    :param decision: when the user's turn was found to be over.
    :param final_text: when the last final transcript had come.
    :param llm_requested: when the language model was asked.
    :param first_token: when its first text came.
    :param first_sentence: when the first text that can be spoken was handed to the synthesis.
    :param first_audio: when the first audio came.
    :param first_played: when the first frame was heard.
    :param tool_seconds: how long functions ran.
    :param heard_seconds: how much of the answer was heard.
    """

    sequence_id: str
    timestamp: float
    turn: int
    outcome: str
    decision: float | None = None
    final_text: float | None = None
    llm_requested: float | None = None
    first_token: float | None = None
    first_sentence: float | None = None
    first_audio: float | None = None
    first_played: float | None = None
    tool_seconds: float = 0.0
    heard_seconds: float = 0.0


@dataclass(kw_only=True)
class DeadAirMetrics:
    """Nothing was heard for too long: one record for each alarm.

    :param sequence_id: the agent's turn; empty where the user's turn was not decided.
    :param turn: counts the user's turns.
    :param stage: what was waited for: ``"stt_final"``, ``"endpointing"``, ``"llm_first_token"``, ``"tts_first_byte"``,
        ``"playout"`` or ``"tool"``.
    :param seconds: how long nothing was heard.
    :param count: counts the alarms about the same silence, from 1.
    """

    sequence_id: str
    timestamp: float
    turn: int
    stage: str
    seconds: float
    count: int


@dataclass
class _StatusDetails:
    """What a speech-to-speech service says of a response that failed.

    Stands behind :class:`Error` in the bases below, which puts its fields before those of ``Error``.
    """

    type: str | None
    reason: str | None = None
    code: str | int | None = None
    message: str | None = None


@dataclass
class MultimodalLLMError(Error, _StatusDetails):
    """Why a response of a speech-to-speech model failed.

    :param type: the service's kind of end, such as ``"failed"`` or ``"incomplete"``.
    :param reason: why an incomplete response ended, such as ``"max_output_tokens"``.
    :param code: the service's code of the error.
    :param message: the service's text.
    """


@dataclass
class MultimodalLLMMetrics(LLMMetrics):
    """A response of a speech-to-speech model.

    :param input_token_details: what the prompt tokens consist of.
    :param output_token_details: what the completion tokens consist of.
    """

    @dataclass
    class CachedTokenDetails:
        """What the tokens from the service's cache consist of."""

        text_tokens: int
        audio_tokens: int

    @dataclass
    class InputTokenDetails:
        """What the prompt tokens consist of."""

        cached_tokens: int
        text_tokens: int
        audio_tokens: int
        cached_tokens_details: MultimodalLLMMetrics.CachedTokenDetails

    @dataclass
    class OutputTokenDetails:
        """What the completion tokens consist of."""

        text_tokens: int
        audio_tokens: int

    input_token_details: InputTokenDetails
    output_token_details: OutputTokenDetails


AgentMetrics: TypeAlias = (
    STTMetrics
    | LLMMetrics
    | TTSMetrics
    | VADMetrics
    | PipelineSTTMetrics
    | PipelineEOUMetrics
    | PipelineLLMMetrics
    | PipelineTTSMetrics
    | PipelineVADMetrics
    | PipelineTurnMetrics
    | DeadAirMetrics
    | MultimodalLLMMetrics
)
"""Every record that ``metrics_collected`` and the hook ``lk_agents_metrics`` hand out."""
