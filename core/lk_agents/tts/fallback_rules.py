"""What all streams of one fallback adapter go by."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation.errors import APIConnectionError, APITimeoutError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    from lk_agents.foundation.types import APIConnectOptions
    from lk_agents.streams.fallback import Members
    from lk_agents.tokenize.tokenizer import SentenceTokenizer
    from lk_agents.tts.audio import SynthesizedAudio
    from lk_agents.tts.spoken_stream import SpokenStream
    from lk_agents.tts.synthesizer import TTS

    Probe: TypeAlias = Callable[[TTS[Any]], Awaitable[None]]

__all__ = ["FallbackRules"]

ROUNDING_SECONDS: Final = 1e-6


@dataclass(frozen=True, kw_only=True)
class FallbackRules:
    """The members of an adapter, and how patient it is with them; see :class:`FallbackAdapter`.

    :raises ConfigError: a value is out of its range.
    """

    members: Members[TTS[Any]]
    tokenizer: SentenceTokenizer
    attempt_timeout: float
    max_retry: int
    retry_interval: float
    enough_seconds: float | None

    def __post_init__(self) -> None:
        if not 0 < self.attempt_timeout < math.inf:
            raise ConfigError(f"attempt_timeout is {self.attempt_timeout!r}; it must be a number of seconds above 0")
        if self.enough_seconds is not None and not self.enough_seconds >= 0:
            raise ConfigError(
                f"no_fallback_after_audio_duration is {self.enough_seconds!r} s; it must be 0 or more, or None"
            )

    def options(self, conn_options: APIConnectOptions) -> APIConnectOptions:
        """Return the options for a member."""
        return replace(
            conn_options,
            max_retry=self.max_retry,
            retry_interval=self.retry_interval,
            timeout=self.attempt_timeout,
        )

    def forbids_fallback(self, heard_seconds: float) -> bool:
        """Tell whether so much of a sentence was heard that nobody should begin it again."""
        return (
            self.enough_seconds is not None
            and heard_seconds > 0
            and self.enough_seconds <= heard_seconds + ROUNDING_SECONDS
        )

    def too_quiet(self, member: TTS[Any], *, was_heard: bool) -> APITimeoutError:
        """Return the error for a member that gave no audio for too long."""
        return APITimeoutError(f"{member.label} has given no audio for {self.attempt_timeout:g} s").located(
            provider=member.label, phase="idle" if was_heard else "first_output"
        )

    async def next_audio(self, member: TTS[Any], stream: SpokenStream, *, was_heard: bool) -> SynthesizedAudio | None:
        """Return the next piece of a member's, None at its end.

        :raises APITimeoutError: it did not come in time.
        """
        limit = asyncio.timeout(self.attempt_timeout)
        try:
            async with limit:
                return await anext(stream, None)
        except TimeoutError:
            if not limit.expired():
                raise
            raise self.too_quiet(member, was_heard=was_heard) from None

    async def probe_text(self, member: TTS[Any], *, text: str, conn_options: APIConnectOptions) -> None:
        """Find out whether a member can speak a text; what it says is dropped.

        :raises Exception: it cannot.
        """
        options = replace(self.options(conn_options), max_retry=0)
        async with member.synthesize(text, conn_options=options) as stream:
            await self._listen(member, stream)

    async def probe_stream(self, member: TTS[Any], *, text: str, conn_options: APIConnectOptions) -> None:
        """Find out whether a member can speak a text that is pushed; what it says is dropped.

        :raises Exception: it cannot.
        """
        options = replace(self.options(conn_options), max_retry=0)
        async with member.stream(conn_options=options) as stream:
            stream.push_text(text)
            stream.end_input()
            await self._listen(member, stream)

    async def _listen(self, member: TTS[Any], stream: SpokenStream) -> None:
        was_heard = False
        while await self.next_audio(member, stream, was_heard=was_heard) is not None:
            was_heard = True
        if not was_heard:
            raise APIConnectionError(f"{member.label} gave no audio").located(
                provider=member.label, phase="first_output"
            )
