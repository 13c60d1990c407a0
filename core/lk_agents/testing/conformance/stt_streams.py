"""Checks of a recogniser that listens to a stream, while nothing goes wrong."""

from __future__ import annotations

from array import array

import pytest

from lk_agents.foundation.errors import ConfigError, StreamInputError
from lk_agents.stt import SpeechEvent
from lk_agents.testing.conformance.frame import (
    collected,
    is_in_order,
    skip_unless,
)
from lk_agents.testing.conformance.stt_cases import (
    END,
    FINAL,
    FRAMES_PER_SECOND,
    INTERIM,
    START,
    STTKit,
    finals_of,
    metrics_of,
    push,
    read_until,
)
from lk_agents.utils.audio import calculate_audio_duration

__all__ = ["STTStreamChecks"]


class STTStreamChecks(STTKit):
    """What every recogniser that listens must do."""

    def test_a_recogniser_says_whether_it_listens(self) -> None:
        """``stream()`` of one that does not raises what says so."""

        async def story() -> None:
            async with self._given(streamed=False) as (stt, _):
                if stt.capabilities.streaming:
                    async with stt.stream() as stream:
                        assert hasattr(stream, "push_frame"), f"stream() returned {stream!r}"
                else:
                    with pytest.raises(NotImplementedError):
                        stt.stream()

        self._run(story)

    def test_a_stream_hears_all_that_is_said(self) -> None:
        """Each word once, in its order, and the stream ends by itself."""

        async def story() -> None:
            async with self._given(streamed=True) as (stt, _):
                self._require_heard_all(await self._hear(stt))

        self._run(story)

    def test_starts_and_ends_of_speech_alternate(self) -> None:
        """A start comes before what is said then, and no second start before an end."""

        async def story() -> None:
            async with self._given(streamed=True) as (stt, _):
                events = await self._hear(stt)
            bounds = [event.type for event in events if event.type in {START, END}]
            expected = [START, END] * (len(bounds) // 2)
            assert bounds, "nobody was told that speech begins"
            assert bounds == expected, f"starts and ends of speech came as {[str(each) for each in bounds]}"
            first = next(event.type for event in events if event.type in {START, INTERIM, FINAL})
            assert first is START, f"the first thing told of a speech was {first}; it must be its start"

        self._run(story)

    def test_interim_transcripts_come_if_they_are_promised_and_before_the_final(self) -> None:
        """Those that are not promised do not come."""

        async def story() -> None:
            async with self._given(streamed=True) as (stt, _):
                events = await self._hear(stt)
                promised = stt.capabilities.interim_results
            types = [event.type for event in events if event.type in {INTERIM, FINAL}]
            if promised:
                assert types[:1] == [INTERIM], "interim results are promised, and a final came first"
            else:
                assert INTERIM not in types, "an interim came, and capabilities.interim_results is False"
            assert types[-1:] == [FINAL], "an interim came behind the last final, and nothing settled it"

        self._run(story)

    def test_the_times_of_transcripts_are_those_of_the_stream(self) -> None:
        """They do not go back, lie in the audio, and where the utterance is."""

        async def story() -> None:
            async with self._given(streamed=True) as (stt, _):
                self._require_times(await self._hear(stt))

        self._run(story)

    def test_words_have_times_if_they_are_promised(self) -> None:
        """In their order, and within the transcript's."""

        async def story() -> None:
            async with self._given(streamed=True) as (stt, _):
                skip_unless(stt.capabilities.aligned_words, "it gives no times of words")
                events = await self._hear(stt)
            finals = [event.alternatives[0] for event in events if event.type is FINAL]
            for data in finals:
                assert self._words(" ".join(word.text for word in data.words)) == self._words(data.text), (
                    f"the words of {data.text!r} are {[word.text for word in data.words]}"
                )
            words = [word for data in finals for word in data.words]
            assert is_in_order([moment for word in words for moment in (word.start_time, word.end_time)]), (
                f"the times of words go back: {words}"
            )

        self._run(story)

    def test_finals_have_a_language_and_a_confidence_that_is_one(self) -> None:
        """A code such as ``en``, and a number from 0 to 1."""

        async def story() -> None:
            async with self._given(streamed=True) as (stt, _):
                events = await self._hear(stt)
            for data in [event.alternatives[0] for event in events if event.type is FINAL]:
                assert data.language, "a final transcript has no language"
                assert 0.0 <= data.confidence <= 1.0, f"the confidence is {data.confidence}; it must be from 0 to 1"

        self._run(story)

    def test_a_flush_brings_what_was_said_and_the_stream_goes_on(self) -> None:
        """The first utterance is final without any audio behind it."""
        skip_unless(self.flush_ends_segments, "flush() does not end segments here")

        async def story() -> None:
            async with self._given(streamed=True) as (stt, _), stt.stream(conn_options=self.options) as stream:
                audio = self.audio()
                cut = round((self.utterances[0].end + 0.1) * FRAMES_PER_SECOND)
                push(stream, audio[:cut])
                stream.flush()
                events = await read_until(stream, FINAL)
                self._require_heard(events, self.utterances[:1])
                push(stream, audio[cut:])
                stream.end_input()
                self._require_heard_all([*events, *await collected(stream)])

        self._run(story)

    def test_flushes_without_audio_change_nothing(self) -> None:
        """At the beginning, twice, and in silence."""

        async def story() -> None:
            async with self._given(streamed=True) as (stt, _), stt.stream(conn_options=self.options) as stream:
                audio = self.audio()
                silence = round(self.utterances[0].start / 2 * FRAMES_PER_SECOND)
                stream.flush()
                stream.flush()
                push(stream, audio[:silence])
                stream.flush()
                push(stream, audio[silence:])
                stream.end_input()
                self._require_heard_all(await collected(stream))

        self._run(story)

    def test_the_last_words_are_heard_although_the_input_ends_right_behind_them(self) -> None:
        """No silence follows."""

        async def story() -> None:
            async with self._given(streamed=True) as (stt, _), stt.stream(conn_options=self.options) as stream:
                push(stream, self.audio()[: round((self.utterances[-1].end + 0.04) * FRAMES_PER_SECOND)])
                stream.end_input()
                self._require_heard_all(await collected(stream))

        self._run(story)

    def test_a_stream_without_audio_ends_without_a_transcript(self) -> None:
        """And without an error."""

        async def story() -> None:
            async with self._given(streamed=True) as (stt, _), stt.stream(conn_options=self.options) as stream:
                stream.end_input()
                events = await collected(stream)
            assert not finals_of(events), "something was heard where there was no audio"

        self._run(story)

    def test_nobody_is_asked_about_a_stream_without_audio(self) -> None:
        """No connection is opened, however often it is flushed."""

        async def story() -> None:
            async with self._given(streamed=True) as (stt, case), stt.stream(conn_options=self.options) as stream:
                stream.flush()
                stream.end_input()
                await collected(stream)
                assert case.requests() == 0, "the vendor was asked about nothing"

        self._run(story)

    def test_nothing_can_be_given_after_the_end(self) -> None:
        """Frames, flushes and a second end are errors, before and after the stream has ended."""

        async def story() -> None:
            async with self._given(streamed=True) as (stt, _), stt.stream(conn_options=self.options) as stream:
                frame = self.audio()[0]
                stream.end_input()
                for _ in range(2):
                    with pytest.raises(StreamInputError):
                        stream.push_frame(frame)
                    with pytest.raises(StreamInputError):
                        stream.flush()
                    with pytest.raises(StreamInputError):
                        stream.end_input()
                    await collected(stream)

        self._run(story)

    @pytest.mark.parametrize("rate", [8_000, 48_000])
    def test_audio_of_another_rate_is_heard(self, rate: int) -> None:
        """The stream resamples what it is given."""

        async def story() -> None:
            async with self._given(streamed=True) as (stt, _), stt.stream(conn_options=self.options) as stream:
                push(stream, self.audio(rate))
                stream.end_input()
                events = await collected(stream)
            self._require_heard_all(events)
            self._require_times(events)

        self._run(story)

    def test_stereo_audio_is_heard(self) -> None:
        """The stream mixes what it is given."""

        async def story() -> None:
            async with self._given(streamed=True) as (stt, _), stt.stream(conn_options=self.options) as stream:
                for frame in self.audio():
                    mono = memoryview(frame.data).cast("B").cast("h").tolist()
                    both = array("h", [each for each in mono for _ in range(2)])
                    stream.push_frame(type(frame)(both.tobytes(), frame.sample_rate, 2, frame.samples_per_channel))
                stream.end_input()
                events = await collected(stream)
            self._require_heard_all(events)
            self._require_times(events)

        self._run(story)

    def test_a_change_of_the_rate_is_refused(self) -> None:
        """With an error that names it; the stream goes on."""

        async def story() -> None:
            async with self._given(streamed=True) as (stt, _), stt.stream(conn_options=self.options) as stream:
                stream.push_frame(self.audio()[0])
                with pytest.raises(ConfigError):
                    stream.push_frame(self.audio(48_000)[0])
                push(stream, self.audio()[1:])
                stream.end_input()
                self._require_heard_all(await collected(stream))

        self._run(story)

    def test_all_audio_is_measured_once(self) -> None:
        """The metrics of a stream add up to what was pushed, whoever reports them."""

        async def story() -> None:
            async with self._given(streamed=True) as (stt, _):
                metrics = metrics_of(stt)
                await self._hear(stt)
                measured = sum(each.audio_duration for each in metrics)
                pushed = calculate_audio_duration(self.audio())
            assert metrics, "a stream gave no metrics"
            assert all(each.label for each in metrics), "a metric has no label"
            assert self._is_measured(measured, pushed), f"{measured:.2f} s were measured of {pushed:.2f} s"

        self._run(story)

    # --- what they look at -----------------------------------------------------------------------------------------

    def _require_times(self, events: list[SpeechEvent]) -> None:
        told = [event.alternatives[0] for event in events if event.type is FINAL]
        timed = [each for each in told if each.end_time]
        skip_unless(timed, "it gives no times")
        moments = [moment for each in timed for moment in (each.start_time, each.end_time)]
        assert is_in_order(moments), f"the times of final transcripts go back: {moments}"
        latest = self.audio_seconds + self.time_tolerance_seconds
        assert moments[-1] <= latest, f"a transcript ends at {moments[-1]:.2f} s, behind the end of the audio"
        ends = [(timed[0].start_time, self.utterances[0].start), (timed[-1].end_time, self.utterances[-1].end)]
        for found, expected in ends:
            assert found == pytest.approx(expected, abs=self.time_tolerance_seconds), (
                f"an utterance was told to be at {found:.2f} s where it is at {expected:.2f} s"
            )

    def _is_measured(self, measured: float, pushed: float) -> bool:
        if self.measures_silence:
            return abs(measured - pushed) < 0.11
        return sum(each.end - each.start for each in self.utterances) <= measured <= pushed
