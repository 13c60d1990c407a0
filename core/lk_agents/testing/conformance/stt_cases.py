"""What is said in the checks of recognisers, and what they look at."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final

from lk_agents.metrics.records import STTMetrics
from lk_agents.stt import STT, RecognizeStream, SpeechEvent, SpeechEventType
from lk_agents.testing.conformance.case import Case, Trouble
from lk_agents.testing.conformance.frame import Conformance, opened, skip_unless
from lk_agents.testing.providers.speech import Heard, voice

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.testing.providers.script import Break
    from lk_agents.testing.vendor import Fault

__all__ = [
    "END",
    "FINAL",
    "FRAMES_PER_SECOND",
    "INTERIM",
    "NOT_A_WORD",
    "START",
    "USAGE",
    "UTTERANCES",
    "STTCase",
    "STTKit",
    "finals_of",
    "metrics_of",
    "push",
    "read_until",
]

START: Final = SpeechEventType.START_OF_SPEECH
INTERIM: Final = SpeechEventType.INTERIM_TRANSCRIPT
FINAL: Final = SpeechEventType.FINAL_TRANSCRIPT
USAGE: Final = SpeechEventType.RECOGNITION_USAGE
END: Final = SpeechEventType.END_OF_SPEECH

FRAMES_PER_SECOND: Final = 50
"""Of :meth:`STTKit.audio`."""
UTTERANCES: Final = (Heard("hello over there", 0.4, 1.2), Heard("how are you today", 2.2, 3.4))
NOT_A_WORD: Final = re.compile(r"[^\w\s']")


class STTCase(Case):
    """What a recogniser is to hear in one check.

    :param utterances: what is said, and when; the audio of a check has all of it or a part of it.
    :param streamed: whether it listens to a stream; otherwise it is given a recording of some of the utterances.
    """

    def __init__(self, utterances: Sequence[Heard], *, streamed: bool, **case: Any) -> None:
        super().__init__(**case)
        self.utterances = tuple(utterances)
        self.streamed = streamed

    def breaks(self) -> list[Break]:
        """Return the trouble for a :class:`~lk_agents.testing.providers.ScriptedSTT`."""
        if self.trouble is None:
            return []
        if not self.streamed:
            return [self.trouble.as_break(0.0)]
        first = self.utterances[0]
        points = [0.0, first.start + 0.1, (first.start + first.end) / 2, first.end + 0.05, first.end + 0.5]
        return [self.trouble.as_break(points[min(self.trouble.after, len(points) - 1)])]


class STTKit(Conformance):
    """What an author says of a recogniser, and what the checks of it share."""

    utterances: ClassVar[Sequence[Heard]] = UTTERANCES
    """What is said in :meth:`audio`."""
    audio_seconds: ClassVar[float] = 4.6
    """How long :meth:`audio` is: at least a second longer than the speech."""
    time_tolerance_seconds: ClassVar[float] = 0.4
    """How far the time of an utterance may be from where it lies in the audio."""
    flush_ends_segments: ClassVar[bool] = True
    """Whether ``flush()`` brings the final transcript of what was said."""
    measures_silence: ClassVar[bool] = True
    """Whether all audio of a stream is recognised and measured; otherwise only the speech in it."""

    def provider(self, case: STTCase) -> AbstractAsyncContextManager[STT[Any]]:
        """Return what gives the recogniser of one check, and closes it behind that.

        Write it as an asynchronous generator under ``@asynccontextmanager``. The vendor's server is run by
        ``case.serve(script)``; a provider without one plays ``case.trouble`` itself.
        """
        raise NotImplementedError

    def audio(self, sample_rate: int = 16_000) -> list[rtc.AudioFrame]:
        """Return what is said as frames of 20 ms: tones, for vendors that go by a script. Others need real speech."""
        return voice(self.utterances, self.audio_seconds, sample_rate=sample_rate)

    async def change_options(self, stt: STT[Any], stream: RecognizeStream) -> None:
        """Change an option while the stream listens, such that it hears the same; for recognisers that can."""
        raise NotImplementedError

    # --- what checks use -------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _given(
        self, *, streamed: bool, trouble: Trouble | None = None, fault: Fault | None = None
    ) -> AsyncIterator[tuple[STT[Any], STTCase]]:
        case = STTCase(
            self.utterances, streamed=streamed, trouble=trouble, fault=fault, socket=self.stream_exchange == "socket"
        )
        self._is_impatient = case.is_silent
        async with opened(self.provider(case)) as stt:
            if streamed:
                skip_unless(stt.capabilities.streaming, "it recognises recordings only")
            yield stt, case

    def _first_recording(self) -> list[rtc.AudioFrame]:
        """Return the audio with the first utterance alone."""
        until = (self.utterances[0].end + self.utterances[1].start) / 2
        return self.audio()[: round(until / 0.02)]

    def _words(self, text: str) -> list[str]:
        return NOT_A_WORD.sub(" ", text).casefold().split()

    def _require_heard(self, events: Sequence[SpeechEvent], utterances: Sequence[Heard]) -> None:
        expected = [word for each in utterances for word in self._words(each.text)]
        heard = self._words(" ".join(finals_of(events)))
        assert heard == expected, f"its final transcripts have the words {heard} where {expected} were said"

    def _require_heard_all(self, events: Sequence[SpeechEvent]) -> None:
        self._require_heard(events, self.utterances)

    async def _hear(self, stt: STT[Any], **options: Any) -> list[SpeechEvent]:
        """Let it listen to all the audio, and return what it tells."""
        async with stt.stream(conn_options=self.options, **options) as stream:
            push(stream, self.audio())
            stream.end_input()
            return [event async for event in stream]


def finals_of(events: Sequence[SpeechEvent]) -> list[str]:
    """Return the texts of the final transcripts."""
    return [event.alternatives[0].text for event in events if event.type is FINAL and event.alternatives]


def push(stream: RecognizeStream, frames: Sequence[rtc.AudioFrame]) -> None:
    """Give frames to a stream."""
    for frame in frames:
        stream.push_frame(frame)


async def read_until(stream: RecognizeStream, wanted: SpeechEventType) -> list[SpeechEvent]:
    """Return the events to the first of that type, or to the end."""
    events = []
    async for event in stream:
        events.append(event)
        if event.type is wanted:
            break
    return events


def metrics_of(stt: STT[Any]) -> list[STTMetrics]:
    """Return the list into which the recogniser's metrics go from now on."""
    metrics: list[STTMetrics] = []
    stt.on("metrics_collected", metrics.append)
    return metrics
