"""What the server of the scripted speech-to-speech model hears, knows and measures."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from lk_agents.foundation import clock
from lk_agents.foundation.errors import APIError, APITimeoutError
from lk_agents.metrics import MultimodalLLMError, MultimodalLLMMetrics
from lk_agents.testing.providers.ear import Ear
from lk_agents.testing.providers.realtime import OUTPUT_RATE

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.llm import FunctionContext
    from lk_agents.testing.providers.realtime import RealtimeAnswer, ScriptedRealtime, ScriptedResponse
    from lk_agents.testing.providers.script import BreaksOfAttempt
    from lk_agents.testing.providers.speech import Heard

__all__ = ["ServerEar", "connect", "measured", "names_of"]

CONNECT_ATTEMPTS: Final = 3
RETRY_SECONDS: Final = 0.05

_ROUNDING_SECONDS: Final = 0.001


async def connect(model: ScriptedRealtime, attempt: BreaksOfAttempt) -> BreaksOfAttempt:
    """Connect, in three attempts at most; returns the one that went well.

    :param attempt: the first one.
    :raises APIError: none did.
    """
    for number in range(1, CONNECT_ATTEMPTS + 1):
        try:
            async with asyncio.timeout(model.connect_seconds):
                await attempt.pass_(0)
        except TimeoutError as error:
            raise APITimeoutError("the scripted server does not answer") from error
        except APIError as error:
            if not error.retryable or number == CONNECT_ATTEMPTS:
                raise
            attempt = model.breaks.attempt()
            await asyncio.sleep(RETRY_SECONDS)
        else:
            break
    return attempt


def names_of(fnc_ctx: FunctionContext | None) -> list[str]:
    """Return the names of the functions that the server is told of."""
    return [] if fnc_ctx is None else list(fnc_ctx.ai_functions)


class ServerEar:
    """Hears when the user speaks and has finished, as a server does."""

    def __init__(self, caller: Sequence[Heard], silence_seconds: float) -> None:
        self._ear = Ear(caller, sample_rate=OUTPUT_RATE, interim=False)
        self._silence_seconds = silence_seconds
        self._seconds = 0.0
        self._is_speaking = False
        self._words: list[str] = []
        self.spoken_until = 0.0
        """The position of the last sample of speech, in seconds of what it was given."""

    def take(self, frame: rtc.AudioFrame) -> list[str]:
        """Hear a frame; returns what has happened: ``started``, ``stopped``."""
        happened: list[str] = []
        self._seconds += frame.samples_per_channel / frame.sample_rate
        for told in self._ear.take(frame.data.cast("B")):
            if told.kind == "start" and not self._is_speaking:
                self._is_speaking = True
                happened.append("started")
            elif told.kind == "final":
                self._words.append(told.text)
                self.spoken_until = told.words[-1].end_time
        over_at = self.spoken_until + self._silence_seconds
        if self._is_speaking and self._words and self._seconds >= over_at - _ROUNDING_SECONDS:
            self._is_speaking = False
            happened.append("stopped")
        return happened

    def taken(self) -> str:
        """Return what was said since this was last asked."""
        words, self._words = self._words, []
        return " ".join(words)


def measured(
    label: str, response: ScriptedResponse, answer: RealtimeAnswer, *, began_at: float, first_at: float | None
) -> MultimodalLLMMetrics:
    """Return the measurement of a response that is over.

    :param began_at: when it began.
    :param first_at: when the first of it came; None for never.
    """
    tokens, seconds = len(answer.text.split()), clock.monotonic() - began_at
    failed = response.status in {"failed", "incomplete"}
    return MultimodalLLMMetrics(
        request_id=response.id,
        timestamp=clock.wall_seconds(),
        ttft=-1.0 if first_at is None else first_at - began_at,
        duration=seconds,
        label=label,
        cancelled=response.status == "cancelled",
        completion_tokens=tokens,
        prompt_tokens=1,
        total_tokens=tokens + 1,
        tokens_per_second=tokens / seconds if seconds else 0.0,
        error=MultimodalLLMError(type=response.status, reason=None, code=None, message="") if failed else None,
        input_token_details=MultimodalLLMMetrics.InputTokenDetails(
            0, 1, 0, MultimodalLLMMetrics.CachedTokenDetails(0, 0)
        ),
        output_token_details=MultimodalLLMMetrics.OutputTokenDetails(tokens, 0),
    )
