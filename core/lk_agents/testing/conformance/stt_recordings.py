"""Checks of a recogniser that is given recordings."""

from __future__ import annotations

import asyncio

import pytest

from lk_agents.foundation.errors import APITimeoutError
from lk_agents.stt import SpeechEvent
from lk_agents.testing.conformance.case import RETRY_AFTER_SECONDS, Trouble, TroubleKind
from lk_agents.testing.conformance.frame import (
    Stopwatch,
    causes_of,
    close_at_once,
    failed_with,
    require_api_error,
    told_by,
)
from lk_agents.testing.conformance.stt_cases import FINAL, STTKit, metrics_of
from lk_agents.utils.audio import calculate_audio_duration

__all__ = ["STTRecordingChecks"]


class STTRecordingChecks(STTKit):
    """What every recogniser must do with recordings."""

    def test_a_recording_is_recognised(self) -> None:
        """All of what is said in it, in a final transcript."""

        async def story() -> None:
            async with self._given(streamed=False) as (stt, _):
                event = await stt.recognize(self.audio(), conn_options=self.options)
            assert event.type is FINAL, f"recognize() returned {event.type}; it must be a FINAL_TRANSCRIPT"
            self._require_heard_all([event])

        self._run(story)

    def test_a_recording_is_measured_once(self) -> None:
        """One metric of one recognition, with the length of the audio."""

        async def story() -> None:
            async with self._given(streamed=False) as (stt, _):
                metrics = metrics_of(stt)
                recording = self._first_recording()
                event = await stt.recognize(recording, conn_options=self.options)
            assert len(metrics) == 1, f"one recognition gave {len(metrics)} metrics"
            told = metrics[0]
            assert not told.streamed, "the metric says that a recording was a stream"
            assert told.audio_duration == pytest.approx(calculate_audio_duration(recording), abs=0.001)
            assert told.duration >= 0
            assert told.label, "the metric has no label"
            assert told.error is None
            assert told.request_id == event.request_id, "the metric has another request id than the event"

        self._run(story)

    def test_nobody_is_asked_about_a_recording_without_audio(self) -> None:
        """The answer is an empty transcript."""

        async def story() -> None:
            async with self._given(streamed=False) as (stt, case):
                event = await stt.recognize([], conn_options=self.options)
                assert event.type is FINAL
                assert not event.alternatives or not event.alternatives[0].text.strip()
                assert case.requests() == 0, "the vendor was asked about nothing"

        self._run(story)

    def test_two_recordings_at_once_are_kept_apart(self) -> None:
        """Each call gets its own answer."""

        async def story() -> None:
            async with self._given(streamed=False) as (stt, _):
                first, both = await asyncio.gather(
                    stt.recognize(self._first_recording(), conn_options=self.options),
                    stt.recognize(self.audio(), conn_options=self.options),
                )
            self._require_heard([first], self.utterances[:1])
            self._require_heard_all([both])

        self._run(story)

    def test_a_cancelled_recognition_is_cancelled_and_not_measured(self) -> None:
        """The vendor is silent; whoever waits gives up."""

        async def story() -> None:
            async with self._given(streamed=False, trouble=Trouble(TroubleKind.SILENT)) as (stt, _):
                metrics = metrics_of(stt)
                work = asyncio.create_task(stt.recognize(self.audio()), name="recognition")
                await asyncio.sleep(self.attempt_seconds / 5)
                work.cancel()
                await asyncio.wait([work])
            assert work.cancelled(), "the cancellation was swallowed"
            assert not metrics, "a recognition that was cancelled was measured"

        self._run(story)

    def test_a_recording_that_the_vendor_refuses_is_not_tried_again(self) -> None:
        """401: the caller gets the status, after one attempt."""

        async def story() -> None:
            async with self._given(streamed=False, trouble=Trouble(TroubleKind.REFUSED)) as (stt, _):
                metrics = metrics_of(stt)
                error = require_api_error(await self._recognition_error(stt), "the vendor answered 401")
            assert not error.retryable, "a 401 was called retryable"
            assert error.attempts == 1, f"a 401 was tried {error.attempts} times"
            assert "401" in told_by(error), f"nothing in the error tells the status 401: {error!r}"
            assert not metrics, "a recognition that failed was measured as one that succeeded"

        self._run(story)

    def test_a_recording_is_tried_again_as_often_as_the_caller_says(self) -> None:
        """503 for ever: the error tells how often it was tried, and its cause."""

        async def story() -> None:
            async with self._given(streamed=False, trouble=Trouble(TroubleKind.BUSY)) as (stt, case):
                error = require_api_error(await self._recognition_error(stt), "the vendor answered 503")
                asked = case.requests()
            assert asked == self.expected_attempts, f"the vendor was asked {asked} times, not {self.expected_attempts}"
            assert "503" in told_by(error), f"neither the error nor its causes tell the status 503: {error!r}"

        self._run(story)

    def test_a_recording_is_recognised_after_a_failure_that_passes(self) -> None:
        """The connection is lost once."""

        async def story() -> None:
            async with self._given(streamed=False, trouble=Trouble(TroubleKind.LOST, once=True)) as (stt, _):
                event = await stt.recognize(self.audio(), conn_options=self.options)
            self._require_heard_all([event])

        self._run(story)

    def test_a_recording_is_tried_again_when_the_vendor_wants_it(self) -> None:
        """429 with a time to wait."""

        async def story() -> None:
            async with self._given(streamed=False, trouble=Trouble(TroubleKind.LIMITED, once=True)) as (stt, _):
                watch = Stopwatch()
                event = await stt.recognize(self.audio(), conn_options=self.options)
                seconds = watch.seconds()
            self._require_heard_all([event])
            assert seconds >= RETRY_AFTER_SECONDS, f"it was asked again after {seconds:.2f} s: sooner than it wanted"

        self._run(story)

    def test_a_recording_that_gets_no_answer_times_out(self) -> None:
        """Every attempt ends after ``conn_options.timeout``."""

        async def story() -> None:
            async with self._given(streamed=False, trouble=Trouble(TroubleKind.SILENT)) as (stt, _):
                watch = Stopwatch()
                error = require_api_error(await self._recognition_error(stt), "the vendor said nothing")
                seconds = watch.seconds()
            assert any(isinstance(each, APITimeoutError) for each in causes_of(error)), (
                f"neither {error!r} nor its causes are an APITimeoutError"
            )
            at_most = self.expected_attempts * (self.attempt_seconds + 0.3) + 1
            assert seconds < at_most, f"it took {seconds:.1f} s, longer than its attempts may take ({at_most:.1f} s)"

        self._run(story)

    def test_closing_the_recogniser_three_times_at_once_is_harmless(self) -> None:
        """Also after it has been used."""

        async def story() -> None:
            async with self._given(streamed=False) as (stt, _):
                stt.prewarm()
                stt.prewarm()
                await stt.recognize(self._first_recording(), conn_options=self.options)
                await close_at_once(stt.aclose)

        self._run(story)

    async def _recognition_error(self, stt: object) -> BaseException | None:
        from lk_agents.stt import STT

        assert isinstance(stt, STT)

        async def recognize() -> SpeechEvent:
            return await stt.recognize(self.audio(), conn_options=self.options)

        return await failed_with(recognize())
