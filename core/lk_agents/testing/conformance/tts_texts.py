"""Checks of a synthesizer that is given whole texts."""

from __future__ import annotations

import asyncio

import pytest

from lk_agents.testing.conformance.case import Trouble, TroubleKind
from lk_agents.testing.conformance.frame import (
    close_at_once,
    collected,
    is_in_order,
    read,
    read_and_give_up,
    skip_unless,
)
from lk_agents.testing.conformance.tts_cases import SEGMENTS, TEXT, UNSPEAKABLE, Spoken, TTSKit, metrics_of, same_words

__all__ = ["TTSTextChecks"]


class TTSTextChecks(TTSKit):
    """What every synthesizer must do with whole texts, while nothing goes wrong."""

    def test_a_text_becomes_audio_of_the_declared_format(self) -> None:
        """With the sample rate and the channels that the synthesizer names, and no empty frame."""

        async def story() -> None:
            async with self._given(streamed=False) as (tts, _):
                spoken = await self._say(tts, TEXT)
                self._require_format(spoken, tts)
            assert all(audio.frame.samples_per_channel for audio in spoken.pieces), "it gave an empty frame"
            assert all(audio.request_id for audio in spoken.pieces), "a piece has no request_id"

        self._run(story)

    def test_all_of_a_text_reaches_the_vendor_once(self) -> None:
        """Each word, in its order."""

        async def story() -> None:
            async with self._given(streamed=False) as (tts, case):
                await self._say(tts, TEXT)
                assert same_words(case.texts()) == same_words([TEXT]), f"the vendor was given {case.texts()}"

        self._run(story)

    def test_collected_audio_is_all_of_it(self) -> None:
        """``collect()`` gives as much as reading piece by piece."""

        async def story() -> None:
            async with self._given(streamed=False) as (tts, _):
                pieces = (await self._say(tts, TEXT)).seconds
                frame = await tts.synthesize(TEXT, conn_options=self.options).collect()
            assert frame.duration == pytest.approx(pieces, abs=self.length_tolerance_seconds)

        self._run(story)

    def test_a_text_is_measured_once(self) -> None:
        """Its characters, the length of its audio, and the time to the first of it."""

        async def story() -> None:
            async with self._given(streamed=False) as (tts, _):
                metrics = metrics_of(tts)
                spoken = await self._say(tts, TEXT)
            assert len(metrics) == 1, f"one text gave {len(metrics)} metrics"
            told = metrics[0]
            assert not told.streamed, "the metric says that a whole text was a stream"
            assert told.characters_count == len(TEXT), f"{told.characters_count} characters were told of {len(TEXT)}"
            assert told.audio_duration == pytest.approx(spoken.seconds, abs=0.02)
            assert 0 <= told.ttfb <= told.duration, f"ttfb is {told.ttfb}, of a duration of {told.duration}"
            assert not told.cancelled, "the metric says that a text that was spoken was cancelled"
            assert told.error is None
            assert told.label, "the metric has no label"

        self._run(story)

    @pytest.mark.parametrize("text", UNSPEAKABLE, ids=["empty", "white-space", "emoji", "markdown", "ellipsis"])
    def test_nobody_is_asked_to_speak_what_says_nothing(self, text: str) -> None:
        """A text without a letter or digit: no audio, no error, no request."""

        async def story() -> None:
            async with self._given(streamed=False) as (tts, case):
                spoken = await self._say(tts, text)
                assert not spoken.pieces, f"{text!r} gave audio"
                assert case.requests() == 0, f"the vendor was asked to speak {text!r}"

        self._run(story)

    def test_a_text_beyond_the_vendors_limit_is_spoken_in_parts(self) -> None:
        """None longer than ``max_text_characters``, and no word lost."""

        async def story() -> None:
            async with self._given(streamed=False) as (tts, case):
                limit = tts.max_text_characters
                skip_unless(limit is not None, "its vendor takes texts of any length")
                assert limit is not None
                text = " ".join([TEXT] * (limit // len(TEXT) + 2))
                self._require_format(await self._say(tts, text), tts)
                texts = case.texts()
            assert same_words(texts) == same_words([text]), "not every word reached the vendor once"
            assert max(map(len, texts)) <= limit, f"a text of {max(map(len, texts))} characters went out, of {limit}"

        self._run(story)

    def test_two_texts_at_once_are_kept_apart(self) -> None:
        """Each stream gets its own audio."""

        async def story() -> None:
            async with self._given(streamed=False) as (tts, _):
                alone = (await self._say(tts, TEXT)).seconds
                first, second = await asyncio.gather(self._say(tts, TEXT), self._say(tts, SEGMENTS[0]))
            assert first.seconds == pytest.approx(alone, abs=self.length_tolerance_seconds)
            assert second.seconds < first.seconds, "a shorter text beside a longer one did not become shorter audio"

        self._run(story)

    def test_times_of_words_are_told_if_they_are_promised(self) -> None:
        """All words, in their order, within the audio."""

        async def story() -> None:
            async with self._given(streamed=False) as (tts, _):
                skip_unless(tts.capabilities.aligned_words, "it gives no times of words")
                spoken = await self._say(tts, TEXT)
            words = [word for audio in spoken.pieces for word in audio.words or ()]
            assert same_words([word.text for word in words]) == same_words([TEXT]), f"the words are {words}"
            moments = [moment for word in words for moment in (word.start_time, word.end_time)]
            assert is_in_order(moments), f"the times of words go back: {moments}"
            assert moments[-1] <= spoken.seconds + self.length_tolerance_seconds, "a word ends behind the audio"

        self._run(story)

    @pytest.mark.parametrize("point", [0, 1, 2, 3, 5])
    def test_a_text_that_is_closed_three_times_at_once_ends(self, point: int) -> None:
        """What it had given can still be read; then it ends without an error."""

        async def story() -> None:
            async with self._given(streamed=False) as (tts, _):
                stream = tts.synthesize(TEXT, conn_options=self.options)
                await read(stream, point)
                await close_at_once(stream.aclose)
                await collected(stream)
                assert stream.done, "a stream that was closed is not done"

        self._run(story)

    def test_a_text_that_is_closed_before_its_audio_is_measured_as_cancelled(self) -> None:
        """With no time to the first audio, since the vendor is silent."""

        async def story() -> None:
            async with self._given(streamed=False, trouble=Trouble(TroubleKind.SILENT)) as (tts, _):
                metrics = metrics_of(tts)
                stream = tts.synthesize(TEXT, conn_options=self.options)
                await asyncio.sleep(self.attempt_seconds / 5)
                await stream.aclose()
            assert [(each.cancelled, each.ttfb, each.audio_duration) for each in metrics] == [(True, -1.0, 0.0)], (
                f"closed before any audio, it was measured as {metrics}"
            )

        self._run(story)

    def test_a_reader_of_a_text_that_gives_up_waiting_loses_nothing(self) -> None:
        """It is cancelled while it waits for the first piece, and reads on."""

        async def story() -> None:
            seconds = await self._seconds_of(TEXT, streamed=False)
            async with self._given(streamed=False) as (tts, _):
                stream = tts.synthesize(TEXT, conn_options=self.options)
                spoken = Spoken([*await read_and_give_up(stream), *await collected(stream)])
            assert spoken.seconds == pytest.approx(seconds, abs=self.length_tolerance_seconds)

        self._run(story)

    def test_closing_the_synthesizer_three_times_at_once_is_harmless(self) -> None:
        """Also after it has been used."""

        async def story() -> None:
            async with self._given(streamed=False) as (tts, _):
                tts.prewarm()
                tts.prewarm()
                await self._say(tts, TEXT)
                await close_at_once(tts.aclose)

        self._run(story)
