"""Several recognisers as one: when one fails, the next takes over."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeVar

from lk_agents.foundation.errors import APITimeoutError, ConfigError
from lk_agents.foundation.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from lk_agents.streams.fallback import Members
from lk_agents.stt.events import SpeechEvent, STTCapabilities
from lk_agents.stt.fallback_stream import FallbackRecognizeStream
from lk_agents.stt.recognizer import STT
from lk_agents.stt.stream_adapter import StreamAdapter

if TYPE_CHECKING:
    from lk_agents.metrics.records import STTMetrics
    from lk_agents.utils.audio import AudioBuffer
    from lk_agents.vad.detector import VAD

__all__ = ["AvailabilityChangedEvent", "FallbackAdapter"]

T = TypeVar("T")

FALLBACK_CONNECT_OPTIONS: Final = APIConnectOptions(max_retry=0, timeout=DEFAULT_API_CONNECT_OPTIONS.timeout)
"""By default the adapter itself tries once: its members have retries of their own."""


@dataclass
class AvailabilityChangedEvent:
    """A member of a :class:`FallbackAdapter` has become unavailable, or available again.

    :param stt: the member, as it was given to the adapter.
    :param available: what it is now.
    """

    stt: STT
    available: bool


@dataclass(frozen=True, eq=False)
class FallbackMember:
    """A member, and what is used of it.

    :param stt: as it was given; recognises recordings.
    :param listener: the same, or what makes it listen.
    """

    stt: STT
    listener: STT

    @property
    def label(self) -> str:
        """The member's name."""
        return self.stt.label


class FallbackAdapter(STT[Literal["stt_availability_changed"]]):
    """Asks the first recogniser of a list; when that one fails, whatever the error, the next one.

    A stream goes on where the failed member stood: audio after its last final transcript, 10 s of it at most, is given
    to the next one, and times and order of the events are kept. A member fails as well if it is alive but slow: if

    * it has not recognised a recording within ``attempt_timeout``, its own retries included;
    * it does not take its audio for that long;
    * its input has ended, and for that long it gives no event and no end;
    * somebody speaks, and for that long it gives no transcript: since the beginning of the speech if it gives interim
      results, since the end otherwise. What may have been a noise does not count against the last member that is left.

    That somebody speaks it knows from ``vad``, which counts voices of a second and more; without one, only from the
    member's own ``START_OF_SPEECH``, or from another member that understands what this one does not. So without a
    ``vad`` a member that takes all audio and never tells anything is not noticed before the end of the input.

    Who failed is unavailable to all calls and streams of this adapter until it works again, which is tried in the
    background: with the same recording, or with the audio of a live stream. Both emit
    ``stt_availability_changed(AvailabilityChangedEvent)``. If nobody is available, all are tried.

    The members' metrics are emitted here as well, and none of its own. Members stay their owner's to close.

    :param stt: the members, the preferred one first.
    :param vad: makes members listen that only recognise recordings, and hears whether somebody speaks to the others.
    :param attempt_timeout: how long a member may take, in seconds.
    :param max_retry_per_stt: how often each member tries again before it has failed.
    :param retry_interval: seconds between its retries after the first one.
    :param hedge: whether the next member is given a recording as well when one is slow: True for slower than 19 of 20
        of its last recognitions (from the 20th on, and never before 0.1 s), a number for that many seconds. The first
        transcript wins; the other is cancelled, and its metrics are marked as ``hedged``. A member for which that
        happens three times in a row becomes unavailable. Streams are not hedged: a second listener would have to hear
        all of the conversation, not one request of it, and the words of two listeners do not match.
    :raises ConfigError: there is no member; or a member does not listen and there is no ``vad``; or a number is out of
        range.
    """

    _asks_others: ClassVar[bool] = True

    def __init__(
        self,
        stt: Sequence[STT],
        *,
        vad: VAD | None = None,
        attempt_timeout: float = 10.0,
        max_retry_per_stt: int = 1,
        retry_interval: float = 5,
        hedge: bool | float = False,
    ) -> None:
        if not 0 < attempt_timeout < math.inf:
            raise ConfigError(f"attempt_timeout is {attempt_timeout!r}; it must be a number of seconds above 0")
        self._member_options = APIConnectOptions(
            max_retry=max_retry_per_stt, timeout=attempt_timeout, retry_interval=retry_interval
        )
        self._vad = vad
        members = [FallbackMember(each, _listener(each, vad)) for each in stt]
        self._members = Members(members, on_change=self._on_change, hedge=hedge)
        self._live: list[FallbackRecognizeStream] = []
        super().__init__(
            capabilities=STTCapabilities(
                streaming=True,
                interim_results=all(each.listener.capabilities.interim_results for each in members),
                end_of_turn=all(each.listener.capabilities.end_of_turn for each in members),
                aligned_words=all(each.listener.capabilities.aligned_words for each in members),
            )
        )
        for each in members:
            each.stt.on("metrics_collected", self._hand_on)

    async def recognize(
        self,
        buffer: AudioBuffer,
        *,
        language: str | None = None,
        conn_options: APIConnectOptions = FALLBACK_CONNECT_OPTIONS,
    ) -> SpeechEvent:
        """Return what is said in ``buffer``, as the first member understands it that does.

        :param conn_options: retries of the adapter itself, each of which asks all members; for the members its numbers
            are replaced by those of the adapter.
        :raises APIConnectionError: all members failed; the cause is the last failure.
        """
        return await super().recognize(buffer, language=language, conn_options=conn_options)

    async def _recognize_impl(
        self, buffer: AudioBuffer, *, language: str | None, conn_options: APIConnectOptions
    ) -> SpeechEvent:
        options = self._for_members(conn_options)

        async def ask(member: FallbackMember, _: object = None) -> SpeechEvent:
            recognition = member.stt.recognize(buffer, language=language, conn_options=options)
            return await self._in_time(member, recognition)

        async def probe(member: FallbackMember) -> None:
            await ask(member)

        return await self._members.first_hedged(ask, probe=probe)

    def stream(
        self, *, language: str | None = None, conn_options: APIConnectOptions = FALLBACK_CONNECT_OPTIONS
    ) -> FallbackRecognizeStream:
        """Begin to listen; needs a running event loop.

        :param language: what is spoken, if the members are not to use their own setting.
        :param conn_options: retries of the adapter itself, each of which asks all members; for the members its numbers
            are replaced by those of the adapter.
        """
        return FallbackRecognizeStream(
            self,
            members=self._members,
            live=self._live,
            language=language,
            conn_options=conn_options,
            member_options=self._for_members(conn_options),
            vad=self._vad if len(self._members) > 1 else None,  # else there is nobody who could do better
        )

    def prewarm(self) -> None:
        """Prepare all members."""
        for member in self._members:
            member.listener.prewarm()

    async def aclose(self) -> None:
        """Try no more whether members work again, and hand on no more metrics; the members stay open."""
        for member in self._members:
            member.stt.off("metrics_collected", self._hand_on)
        await self._members.aclose()

    async def _in_time(self, member: FallbackMember, call: Coroutine[Any, Any, T]) -> T:
        limit = asyncio.timeout(self._member_options.timeout)
        try:
            async with limit:
                return await call
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise APITimeoutError(
                f"{member.label} has recognised nothing within {self._member_options.timeout:g} s"
            ).located(provider=member.label, phase="first_output") from error

    def _for_members(self, conn_options: APIConnectOptions) -> APIConnectOptions:
        ours = self._member_options
        return replace(conn_options, max_retry=ours.max_retry, timeout=ours.timeout, retry_interval=ours.retry_interval)

    def _hand_on(self, metrics: STTMetrics) -> None:
        self.emit("metrics_collected", metrics)

    def _on_change(self, member: FallbackMember, available: bool) -> None:
        self.emit("stt_availability_changed", AvailabilityChangedEvent(stt=member.stt, available=available))


def _listener(stt: STT, vad: VAD | None) -> STT:
    if stt.capabilities.streaming:
        return stt
    if vad is None:
        raise ConfigError(
            f"{stt.label} does not listen, it only recognises recordings; give the fallback adapter a vad=…, or wrap "
            f"this member in stt.StreamAdapter(stt=…, vad=…)"
        )
    return StreamAdapter(stt=stt, vad=vad)
