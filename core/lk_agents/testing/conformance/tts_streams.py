"""Checks of a synthesizer that takes text piece by piece, while nothing goes wrong."""

from __future__ import annotations

import asyncio

import pytest

from lk_agents.foundation.errors import StreamInputError
from lk_agents.testing.conformance.frame import (
    POINTS,
    close_at_once,
    collected,
    failed_with,
    is_in_order,
    is_overridden,
    read,
    skip_unless,
)
from lk_agents.testing.conformance.tts_cases import (
    SEGMENTS,
    TEXT,
    UNSPEAKABLE,
    Spoken,
    TTSKit,
    metrics_of,
    push,
    same_words,
)

__all__ = ["TTSStreamChecks"]


class TTSStreamChecks(TTSKit):
    """What every synthesizer that takes text piece by piece must do."""

    def test_a_synthesizer_says_whether_it_takes_pieces(self) -> None:
        """``stream()`` of one that does not raises what says so."""

        async def story() -> None:
            async with self._given(streamed=False) as (tts, _):
                if tts.capabilities.streaming:
                    async with tts.stream() as stream:
                        assert hasattr(stream, "push_text"), f"stream() returned {stream!r}"
                else:
                    with pytest.raises(NotImplementedError):
                        tts.stream()

        self._run(story)

    def test_each_flushed_text_is_a_segment_with_one_end(self) -> None:
        """They come in their order, do not mix, and exactly the last piece of each is final."""

        async def story() -> None:
            async with self._given(streamed=True) as (tts, _):
                spoken = await self._say_in_pieces(tts, *SEGMENTS)
                self._require_format(spoken, tts)
            segments = spoken.segments
            assert len(segments) == len(SEGMENTS), f"{len(SEGMENTS)} texts gave {len(segments)} segments"
            ids = {segment[0].segment_id for segment in segments}
            assert len(ids) == len(SEGMENTS), "two segments have one id"
            for segment in segments:
                finals = [number for number, audio in enumerate(segment, 1) if audio.is_final]
                assert finals == [len(segment)], f"of {len(segment)} pieces, the {finals} are final; only the last is"

        self._run(story)

    def test_all_that_is_pushed_reaches_the_vendor_once(self) -> None:
        """Each word, in its order, however it was cut."""

        async def story() -> None:
            async with self._given(streamed=True) as (tts, case):
                async with tts.stream(conn_options=self.options) as stream:
                    for number in range(0, len(TEXT), 3):
                        stream.push_text(TEXT[number : number + 3])
                    stream.end_input()
                    await collected(stream)
                assert same_words(case.texts()) == same_words([TEXT]), f"the vendor was given {case.texts()}"

        self._run(story)

    def test_the_end_of_the_input_speaks_what_is_left(self) -> None:
        """Without a flush; and the stream ends by itself."""

        async def story() -> None:
            async with self._given(streamed=True) as (tts, _), tts.stream(conn_options=self.options) as stream:
                stream.push_text(TEXT)
                stream.end_input()
                spoken = Spoken(await collected(stream))
            assert spoken.pieces, "what was pushed was not spoken"
            assert spoken.pieces[-1].is_final, "the last piece of a stream is not final"

        self._run(story)

    def test_a_flush_speaks_without_the_end_of_the_input(self) -> None:
        """The segment comes to its end while the stream stays open for more."""

        async def story() -> None:
            async with self._given(streamed=True) as (tts, _), tts.stream(conn_options=self.options) as stream:
                push(stream, SEGMENTS[0])
                while not (await anext(stream)).is_final:
                    pass
                push(stream, SEGMENTS[1])
                stream.end_input()
                assert await collected(stream), "nothing was spoken after the first segment"

        self._run(story)

    def test_flushes_without_text_make_no_segment(self) -> None:
        """At the beginning, in a row, and before the end."""

        async def story() -> None:
            async with self._given(streamed=True) as (tts, _), tts.stream(conn_options=self.options) as stream:
                stream.flush()
                push(stream, SEGMENTS[0])
                stream.flush()
                stream.flush()
                stream.end_input()
                spoken = Spoken(await collected(stream))
            assert len(spoken.segments) == 1, f"one text gave {len(spoken.segments)} segments"

        self._run(story)

    def test_nobody_is_asked_where_nothing_is_pushed(self) -> None:
        """No text, or none with a letter or digit: the stream ends without audio, error or request."""

        async def story() -> None:
            for texts in ([], list(UNSPEAKABLE)):
                async with self._given(streamed=True) as (tts, case):
                    async with tts.stream(conn_options=self.options) as stream:
                        for text in texts:
                            stream.push_text(text)
                            stream.flush()
                        stream.end_input()
                        assert not await collected(stream), f"{texts} gave audio"
                    assert case.requests() == 0, f"the vendor was asked to speak {texts}"

        self._run(story)

    def test_each_segment_is_measured_once(self) -> None:
        """Its characters, the length of its audio, and the time to the first of it."""

        async def story() -> None:
            async with self._given(streamed=True) as (tts, _):
                metrics = metrics_of(tts)
                spoken = await self._say_in_pieces(tts, *SEGMENTS)
            characters = sum(each.characters_count for each in metrics)
            assert characters == sum(map(len, SEGMENTS)), f"{characters} characters were measured, of {SEGMENTS}"
            measured = sum(each.audio_duration for each in metrics)
            assert measured == pytest.approx(spoken.seconds, abs=0.05), f"{measured:.2f} s of {spoken.seconds:.2f} s"
            assert self._segments_measured(metrics_count=len(metrics)), f"{len(metrics)} metrics for two segments"
            for told in metrics:
                assert 0 <= told.ttfb <= told.duration, f"ttfb is {told.ttfb}, of a duration of {told.duration}"
                assert not told.cancelled
                assert told.label, "the metric has no label"

        self._run(story)

    def test_times_of_words_in_a_stream_are_told_if_they_are_promised(self) -> None:
        """All words, in their order, counted from the start of their segment."""

        async def story() -> None:
            async with self._given(streamed=True) as (tts, _):
                skip_unless(tts.capabilities.aligned_words, "it gives no times of words")
                spoken = await self._say_in_pieces(tts, *SEGMENTS)
            for text, segment in zip(SEGMENTS, spoken.segments, strict=True):
                words = [word for audio in segment for word in audio.words or ()]
                assert same_words([word.text for word in words]) == same_words([text]), f"the words are {words}"
                assert is_in_order([word.start_time for word in words]), f"the times of words go back: {words}"
                seconds = Spoken(segment).seconds + self.length_tolerance_seconds
                assert words[-1].end_time <= seconds, f"a word ends at {words[-1].end_time:.2f} s of {seconds:.2f} s"

        self._run(story)

    def test_no_text_can_be_given_after_the_end(self) -> None:
        """Text, flushes and a second end are errors, before and after the stream has ended."""

        async def story() -> None:
            async with self._given(streamed=True) as (tts, _), tts.stream(conn_options=self.options) as stream:
                stream.end_input()
                for _ in range(2):
                    with pytest.raises(StreamInputError):
                        stream.push_text("more")
                    with pytest.raises(StreamInputError):
                        stream.flush()
                    with pytest.raises(StreamInputError):
                        stream.end_input()
                    await collected(stream)

        self._run(story)

    def test_options_that_change_while_it_speaks_lose_nothing(self) -> None:
        """Between two segments."""
        skip_unless(is_overridden(self, TTSKit, "change_options"), "it has no options to change while it speaks")

        async def story() -> None:
            async with self._given(streamed=True) as (tts, _), tts.stream(conn_options=self.options) as stream:
                push(stream, SEGMENTS[0])
                first = await anext(stream)
                await self.change_options(tts, stream)
                push(stream, SEGMENTS[1])
                stream.end_input()
                spoken = Spoken([first, *await collected(stream)])
            assert len(spoken.segments) == len(SEGMENTS), f"{len(spoken.segments)} segments were spoken, of two"

        self._run(story)

    def test_two_streams_of_text_at_once_are_kept_apart(self) -> None:
        """Each gives its own segments."""

        async def story() -> None:
            async with self._given(streamed=True) as (tts, _):
                one, two = await asyncio.gather(
                    self._say_in_pieces(tts, SEGMENTS[0]), self._say_in_pieces(tts, *SEGMENTS)
                )
            assert (len(one.segments), len(two.segments)) == (1, 2), "the segments of two streams were mixed"
            assert not {each.segment_id for each in one.pieces} & {each.segment_id for each in two.pieces}

        self._run(story)

    def test_a_reader_of_a_stream_that_gives_up_waiting_loses_nothing(self) -> None:
        """It is cancelled while it waits for the first piece, and reads on."""

        async def story() -> None:
            async with self._given(streamed=True) as (tts, _), tts.stream(conn_options=self.options) as stream:
                error = await failed_with(asyncio.wait_for(anext(stream), 0.05))
                assert isinstance(error, TimeoutError), f"it should have been waiting, but {error!r}"
                push(stream, *SEGMENTS)
                stream.end_input()
                spoken = Spoken(await collected(stream))
            assert len(spoken.segments) == len(SEGMENTS)

        self._run(story)

    @pytest.mark.parametrize("point", POINTS)
    def test_a_stream_of_text_that_is_closed_three_times_at_once_ends(self, point: str | int) -> None:
        """What it had given can still be read; then it ends without an error."""

        async def story() -> None:
            async with self._given(streamed=True) as (tts, _):
                stream = tts.stream(conn_options=self.options)
                if point != "at once":
                    push(stream, *SEGMENTS)
                if isinstance(point, int):
                    await read(stream, point)
                await close_at_once(stream.aclose)
                await collected(stream)
                with pytest.raises(StreamInputError):
                    stream.push_text("more")

        self._run(story)

    def _segments_measured(self, *, metrics_count: int) -> bool:
        """Tell whether there are metrics for the segments; what speaks sentence by sentence may give more."""
        return metrics_count == len(SEGMENTS)
