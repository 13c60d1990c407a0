"""What is heard in the checks of detectors of voice activity, and what they look at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, ClassVar, Final

from lk_agents.testing.conformance.frame import Conformance, opened
from lk_agents.testing.providers.speech import Heard, voice
from lk_agents.vad import VAD, VADEvent, VADEventType, VADStream

if TYPE_CHECKING:
    from livekit import rtc

__all__ = ["END", "INFERENCE", "START", "VADKit", "push", "seconds_of", "together"]

START: Final = VADEventType.START_OF_SPEECH
INFERENCE: Final = VADEventType.INFERENCE_DONE
END: Final = VADEventType.END_OF_SPEECH


class VADKit(Conformance):
    """What an author says of a detector, and what the checks of it share."""

    speech: ClassVar[Sequence[tuple[float, float]]] = ((0.8, 2.0), (3.4, 4.2))
    """Where there is speech in :meth:`audio`, in seconds; pauses are longer than the detector's own."""
    audio_seconds: ClassVar[float] = 5.6
    """How long :meth:`audio` is: longer than the speech by more than the detector's pause."""
    start_within_seconds: ClassVar[float] = 0.3
    """How late a start may be told."""
    end_within_seconds: ClassVar[float] = 1.0
    """How late an end may be told, its pause included."""

    def provider(self) -> AbstractAsyncContextManager[VAD]:
        """Return what gives the detector of one check, and lets go of it behind that.

        Write it as an asynchronous generator under ``@asynccontextmanager``.
        """
        raise NotImplementedError

    def audio(self, sample_rate: int = 16_000) -> list[rtc.AudioFrame]:
        """Return the audio as frames of 20 ms: tones, which are loud. Models of speech need speech."""
        heard = [Heard("speech", start, end) for start, end in self.speech]
        return voice(heard, self.audio_seconds, sample_rate=sample_rate)

    async def change_options(self, vad: VAD, stream: VADStream) -> None:
        """Change an option while the stream listens, such that it still finds the speech; for those that can."""
        raise NotImplementedError

    # --- what checks use -------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _given(self) -> AsyncIterator[VAD]:
        async with opened(self.provider()) as vad:
            yield vad

    async def _detect(self, vad: VAD, frames: Sequence[rtc.AudioFrame]) -> list[VADEvent]:
        stream = vad.stream()
        try:
            push(stream, frames)
            stream.end_input()
            return [event async for event in stream]
        finally:
            await stream.aclose()

    def _require_found(self, events: Sequence[VADEvent]) -> None:
        """Look for one start and one end of each speech, in time."""
        bounds = [event for event in events if event.type is not INFERENCE]
        types = [event.type for event in bounds]
        assert types == [START, END] * len(self.speech), f"{len(self.speech)} times of speech gave {types}"
        for (start, end), began, ended in zip(self.speech, bounds[::2], bounds[1::2], strict=True):
            late = began.timestamp - start
            assert -0.05 <= late <= self.start_within_seconds, f"a start at {start} s was told at {began.timestamp} s"
            late = ended.timestamp - end
            assert 0.0 <= late <= self.end_within_seconds, f"an end at {end} s was told at {ended.timestamp} s"


def push(stream: VADStream, frames: Sequence[rtc.AudioFrame]) -> None:
    """Give frames to a stream."""
    for frame in frames:
        stream.push_frame(frame)


def seconds_of(frames: Sequence[rtc.AudioFrame]) -> float:
    """Return how long frames are together."""
    return sum(frame.samples_per_channel / frame.sample_rate for frame in frames)


def together(frames: Sequence[rtc.AudioFrame]) -> rtc.AudioFrame:
    """Return frames as one."""
    from lk_agents.utils.audio import combine_frames

    return combine_frames(list(frames))
