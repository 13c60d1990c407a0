"""The kit for detectors of voice activity.

::

    class TestMyVAD(VADConformance):
        speech = ((1.1, 2.3),)
        audio_seconds = 4.0

        @asynccontextmanager
        async def provider(self):
            yield MyVAD.load()

        def audio(self, sample_rate=16_000):
            return frames_of("speech.wav", sample_rate)
"""

from __future__ import annotations

import asyncio

import pytest

from lk_agents.foundation.errors import StreamInputError
from lk_agents.metrics.records import VADMetrics
from lk_agents.testing.conformance.frame import (
    POINTS,
    close_at_once,
    collected,
    failed_with,
    is_in_order,
    is_overridden,
    nothing_left,
    read,
    skip_unless,
)
from lk_agents.testing.conformance.vad_cases import END, INFERENCE, START, VADKit, push, seconds_of, together
from lk_agents.vad import VADEvent

__all__ = ["VADConformance"]

FRAMES_PER_SECOND = 50


class VADConformance(VADKit):
    """What every detector must do; a subclass says how one is built, and pytest finds the inherited checks."""

    def test_each_speech_has_one_start_and_one_end_in_time(self) -> None:
        """They alternate, and come soon."""

        async def story() -> None:
            async with self._given() as vad:
                self._require_found(await self._detect(vad, self.audio()))

        self._run(story)

    @pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
    def test_speech_is_found_at_every_rate(self, rate: int) -> None:
        """And the audio of events has the rate of the input."""

        async def story() -> None:
            async with self._given() as vad:
                events = await self._detect(vad, self.audio(rate))
            self._require_found(events)
            rates = {frame.sample_rate for event in events for frame in event.frames}
            assert rates == {rate}, f"audio was given at {rate} Hz, and events have it at {rates}"

        self._run(story)

    @pytest.mark.parametrize("samples", [160, 16_000], ids=["10-ms", "1-s"])
    def test_it_does_not_matter_how_the_audio_is_cut(self, samples: int) -> None:
        """The same windows are judged, and the same is found."""

        async def story() -> None:
            async with self._given() as vad:
                usual = await self._detect(vad, self.audio())
                whole = together(self.audio())
                data = memoryview(whole.data).cast("B")
                cut = [
                    type(whole)(bytes(data[at * 2 : (at + samples) * 2]), whole.sample_rate, 1, length)
                    for at in range(0, whole.samples_per_channel, samples)
                    if (length := min(samples, whole.samples_per_channel - at))
                ]
                events = await self._detect(vad, cut)
            assert _outline(events) == _outline(usual), "the same audio, cut otherwise, gave other events"

        self._run(story)

    def test_every_window_is_judged_once_and_in_its_order(self) -> None:
        """As often as the capabilities say, with its audio and a probability."""

        async def story() -> None:
            async with self._given() as vad:
                events = await self._detect(vad, self.audio())
                interval = vad.capabilities.update_interval
            judged = [event for event in events if event.type is INFERENCE]
            expected = self.audio_seconds / interval
            assert abs(len(judged) - expected) <= 1, f"{len(judged)} windows were judged, of {expected:.1f}"
            for number, event in enumerate(judged, 1):
                assert event.timestamp == pytest.approx(number * interval, abs=0.002), (
                    f"window {number} ends at {number * interval:.3f} s and was told to end at {event.timestamp:.3f} s"
                )
                assert 0.0 <= event.probability <= 1.0, f"a probability is {event.probability}; it must be from 0 to 1"
            heard = seconds_of([frame for event in judged for frame in event.frames])
            assert heard == pytest.approx(len(judged) * interval, abs=interval), "windows do not have their audio"
            assert is_in_order([event.timestamp for event in events]), "events go back in time"

        self._run(story)

    def test_windows_tell_whether_somebody_speaks(self) -> None:
        """``speaking`` holds behind a start, up to the window that ends it."""

        async def story() -> None:
            async with self._given() as vad:
                events = await self._detect(vad, self.audio())
            speaking = False
            for event in events:
                if event.type is not INFERENCE:
                    speaking = event.type is START
                    continue
                assert event.speaking is speaking, f"at {event.timestamp:.3f} s speaking is {event.speaking}"

        self._run(story)

    def test_an_end_has_all_of_the_speech(self) -> None:
        """Its audio reaches from before the start to the end of the silence, and its length is without that."""

        async def story() -> None:
            async with self._given() as vad:
                ends = [event for event in await self._detect(vad, self.audio()) if event.type is END]
            for (start, end), event in zip(self.speech, ends, strict=True):
                speech = end - start
                assert seconds_of(event.frames) >= speech, f"an end has {seconds_of(event.frames):.2f} s of {speech} s"
                assert event.speech_duration == pytest.approx(speech, abs=self.start_within_seconds), (
                    f"a speech of {speech:.2f} s was told to be {event.speech_duration:.2f} s long"
                )
                assert event.silence_duration > 0, "an end tells of no silence before it"

        self._run(story)

    def test_a_start_has_the_audio_from_where_it_began(self) -> None:
        """At least what was heard of the speech until then."""

        async def story() -> None:
            async with self._given() as vad:
                starts = [event for event in await self._detect(vad, self.audio()) if event.type is START]
            for (start, _), event in zip(self.speech, starts, strict=True):
                heard = event.timestamp - start
                assert seconds_of(event.frames) >= heard, f"a start has {seconds_of(event.frames):.2f} s of {heard:.2f}"
                assert event.speech_duration > 0, "a start tells of no speech"

        self._run(story)

    def test_nothing_is_found_in_silence(self) -> None:
        """All its windows are judged."""

        async def story() -> None:
            async with self._given() as vad:
                silence = self.audio()[: round((self.speech[0][0] - 0.1) * FRAMES_PER_SECOND)]
                events = await self._detect(vad, silence)
            assert events, "nothing was judged"
            assert {event.type for event in events} == {INFERENCE}, "speech was found in silence"

        self._run(story)

    def test_flushes_do_not_disturb_what_follows(self) -> None:
        """At the beginning, twice, and between two times of speech."""

        async def story() -> None:
            async with self._given() as vad:
                audio = self.audio()
                cut = round((self.speech[0][1] + self.end_within_seconds + 0.1) * FRAMES_PER_SECOND)
                stream = vad.stream()
                stream.flush()
                push(stream, audio[:cut])
                stream.flush()
                stream.flush()
                push(stream, audio[cut:])
                stream.end_input()
                events = await collected(stream)
                await stream.aclose()
            self._require_found(events)

        self._run(story)

    def test_a_stream_without_audio_ends_without_an_event(self) -> None:
        """And without an error."""

        async def story() -> None:
            async with self._given() as vad:
                assert not await self._detect(vad, [])

        self._run(story)

    def test_no_audio_can_be_given_after_the_end(self) -> None:
        """Frames, flushes and a second end are errors, before and after the stream has ended."""

        async def story() -> None:
            async with self._given() as vad:
                stream = vad.stream()
                stream.end_input()
                for _ in range(2):
                    with pytest.raises(StreamInputError):
                        stream.push_frame(self.audio()[0])
                    with pytest.raises(StreamInputError):
                        stream.flush()
                    with pytest.raises(StreamInputError):
                        stream.end_input()
                    await collected(stream)
                await stream.aclose()

        self._run(story)

    def test_all_windows_are_measured_once(self) -> None:
        """The counts of the metrics add up to the windows that were judged."""

        async def story() -> None:
            metrics: list[VADMetrics] = []
            async with self._given() as vad:
                vad.on("metrics_collected", metrics.append)
                events = await self._detect(vad, self.audio())
            judged = [event for event in events if event.type is INFERENCE]
            counted = sum(each.inference_count for each in metrics)
            assert counted == len(judged), f"{counted} windows were measured, of {len(judged)}"
            took = sum(each.inference_duration_total for each in metrics)
            assert took == pytest.approx(sum(event.inference_duration for event in judged), abs=1e-6)
            assert all(each.label for each in metrics), "a metric has no label"

        self._run(story)

    def test_options_that_change_while_it_listens_lose_no_speech(self) -> None:
        """Between two times of speech."""
        skip_unless(is_overridden(self, VADKit, "change_options"), "it has no options to change while it listens")

        async def story() -> None:
            async with self._given() as vad:
                audio = self.audio()
                cut = round((self.speech[0][1] + self.end_within_seconds + 0.1) * FRAMES_PER_SECOND)
                stream = vad.stream()
                push(stream, audio[:cut])
                events = []
                async for event in stream:
                    events.append(event)
                    if event.type is END:
                        break
                await self.change_options(vad, stream)
                push(stream, audio[cut:])
                stream.end_input()
                events += await collected(stream)
                await stream.aclose()
            self._require_found(events)

        self._run(story)

    def test_two_streams_of_one_detector_are_kept_apart(self) -> None:
        """One hears speech, the other silence."""

        async def story() -> None:
            async with self._given() as vad:
                silence = self.audio()[: round((self.speech[0][0] - 0.1) * FRAMES_PER_SECOND)]
                heard, quiet = await asyncio.gather(self._detect(vad, self.audio()), self._detect(vad, silence))
            self._require_found(heard)
            assert {event.type for event in quiet} == {INFERENCE}, "the speech of another stream was found"

        self._run(story)

    def test_a_reader_of_a_detector_that_gives_up_waiting_loses_nothing(self) -> None:
        """It is cancelled while it waits for the first event, and reads on."""

        async def story() -> None:
            async with self._given() as vad:
                stream = vad.stream()
                error = await failed_with(asyncio.wait_for(anext(stream), 0.05))
                assert isinstance(error, TimeoutError), f"it should have been waiting, but {error!r}"
                push(stream, self.audio())
                stream.end_input()
                events = await collected(stream)
                await stream.aclose()
            self._require_found(events)

        self._run(story)

    @pytest.mark.parametrize("point", POINTS)
    def test_a_detection_that_is_closed_three_times_at_once_ends(self, point: str | int) -> None:
        """What it had given can still be read; then it ends without an error."""

        async def story() -> None:
            async with self._given() as vad:
                stream = vad.stream()
                if point != "at once":
                    push(stream, self.audio())
                if isinstance(point, int):
                    await read(stream, point)
                await close_at_once(stream.aclose)
                await collected(stream)
                with pytest.raises(StreamInputError):
                    stream.push_frame(self.audio()[0])

        self._run(story)

    @pytest.mark.parametrize("end", ["by itself", "closed", "while it hears"])
    def test_a_detection_leaves_nothing_behind(self, end: str) -> None:
        """No task, no thread, however it ended."""

        async def once() -> None:
            async with self._given() as vad:
                if end == "by itself":
                    await self._detect(vad, self.audio())
                    return
                stream = vad.stream()
                push(stream, self.audio())
                if end == "while it hears":
                    await anext(stream)
                await stream.aclose()

        self._run(lambda: nothing_left(once, first=self._use))

    async def _use(self) -> None:
        async with self._given() as vad:
            await self._detect(vad, self.audio())


def _outline(events: list[VADEvent]) -> list[tuple[str, float, float]]:
    return [(str(event.type), round(event.timestamp, 3), round(event.probability, 3)) for event in events]
