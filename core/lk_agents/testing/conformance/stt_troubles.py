"""Checks of a recogniser whose vendor is in trouble, and of what it leaves behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from lk_agents.foundation.errors import APIError, APITimeoutError
from lk_agents.stt import SpeechEvent
from lk_agents.testing.conformance.case import RETRY_AFTER_SECONDS, Trouble, TroubleKind
from lk_agents.testing.conformance.frame import (
    FAILURES,
    LOST,
    Stopwatch,
    causes_of,
    ended_by,
    failed_with,
    nothing_left,
    overheard,
    require_api_error,
    require_fault,
    told_by,
)
from lk_agents.testing.conformance.stt_cases import FINAL, STTKit, push, read_until

if TYPE_CHECKING:
    from lk_agents.testing.vendor import Fault

__all__ = ["STTTroubleChecks"]

SECRET_TROUBLES = [*FAILURES, Trouble(TroubleKind.LOST, 2), Trouble(TroubleKind.SILENT)]


class STTTroubleChecks(STTKit):
    """What every recogniser must do when something goes wrong."""

    @pytest.mark.parametrize("trouble", LOST, ids=lambda trouble: trouble.name)
    def test_nothing_is_lost_or_heard_twice_over_a_lost_connection(self, trouble: Trouble) -> None:
        """Wherever it is lost; and times stay those of the stream."""

        async def story() -> None:
            async with self._given(streamed=True, trouble=trouble) as (stt, _):
                events = await self._hear(stt)
            self._require_heard_all(events)
            ends = [event.alternatives[0].end_time for event in events if event.type is FINAL]
            if all(ends):
                expected = self.utterances[-1].end
                assert ends[-1] == pytest.approx(expected, abs=self.time_tolerance_seconds), (
                    f"after a new connection the last utterance was told to end at {ends[-1]:.2f} s, not {expected:.2f}"
                )

        self._run(story)

    def test_a_stream_that_the_vendor_refuses_is_not_tried_again(self) -> None:
        """401: the reader gets the status, after one attempt."""

        async def story() -> None:
            async with self._given(streamed=True, trouble=Trouble(TroubleKind.REFUSED)) as (stt, _):
                error = require_api_error(await self._stream_error(stt), "the vendor answered 401")
            assert not error.retryable, "a 401 was called retryable"
            assert error.attempts == 1, f"a 401 was tried {error.attempts} times"
            assert "401" in told_by(error), f"nothing in the error tells the status 401: {error!r}"

        self._run(story)

    def test_a_stream_is_tried_again_as_often_as_the_caller_says(self) -> None:
        """503 for ever: the reader gets an error that keeps its cause."""

        async def story() -> None:
            async with self._given(streamed=True, trouble=Trouble(TroubleKind.BUSY)) as (stt, case):
                error = require_api_error(await self._stream_error(stt), "the vendor answered 503")
                assert "503" in told_by(error), f"neither the error nor its causes tell the status 503: {error!r}"
                asked = case.requests()
            assert asked == self.expected_attempts, f"the vendor was asked {asked} times, not {self.expected_attempts}"

        self._run(story)

    def test_a_stream_waits_as_long_as_the_vendor_wants(self) -> None:
        """429 with a time to wait; then all is heard."""

        async def story() -> None:
            async with self._given(streamed=True, trouble=Trouble(TroubleKind.LIMITED, once=True)) as (stt, _):
                watch = Stopwatch()
                events = await self._hear(stt)
                seconds = watch.seconds()
            self._require_heard_all(events)
            assert seconds >= RETRY_AFTER_SECONDS, f"it was asked again after {seconds:.2f} s: sooner than it wanted"

        self._run(story)

    def test_the_end_of_a_connection_that_nobody_wanted_is_no_end(self) -> None:
        """The vendor ends regularly, in the middle; a new connection goes on."""

        async def story() -> None:
            trouble = Trouble(TroubleKind.ENDED, 2, once=True)
            async with self._given(streamed=True, trouble=trouble) as (stt, _):
                self._require_heard_all(await self._hear(stt))

        self._run(story)

    def test_a_stream_that_gets_no_end_times_out(self) -> None:
        """Every attempt ends ``conn_options.timeout`` after its input, or its last transcript."""

        async def story() -> None:
            async with self._given(streamed=True, trouble=Trouble(TroubleKind.SILENT)) as (stt, _):
                watch = Stopwatch()
                error = require_api_error(await self._stream_error(stt), "the vendor said nothing")
                seconds = watch.seconds()
            assert any(isinstance(each, APITimeoutError) for each in causes_of(error)), (
                f"neither {error!r} nor its causes are an APITimeoutError"
            )
            at_most = self.expected_attempts * (self.attempt_seconds + 0.3) + 1
            assert seconds < at_most, f"it took {seconds:.1f} s, longer than its attempts may take ({at_most:.1f} s)"

        self._run(story)

    @pytest.mark.parametrize("trouble", SECRET_TROUBLES, ids=lambda trouble: trouble.name)
    @pytest.mark.parametrize("streamed", [False, True], ids=["recording", "stream"])
    def test_no_credential_is_shown_whatever_goes_wrong(self, trouble: Trouble, streamed: bool) -> None:
        """Not in logs, errors, their variables, metrics or the recogniser's own representation."""

        async def story() -> None:
            with overheard() as all_told:
                async with self._given(streamed=streamed, trouble=trouble) as (stt, _):
                    stt.on("metrics_collected", all_told.tell)
                    all_told.tell(stt)
                    async with asyncio.timeout(self.patience_seconds / 2):
                        all_told.tell(await (self._stream_error(stt) if streamed else self._recording_error(stt)))
            all_told.require_no_secret()

        self._run(story)

    def test_a_stream_ends_well_whatever_the_vendor_does(self, stream_fault: Fault | None) -> None:
        """With all that was said, or with an error that callers expect; and leaves nothing behind."""
        fault = require_fault(stream_fault)
        self._run(
            lambda: nothing_left(lambda: self._whatever(fault, streamed=True), first=lambda: self._use(streamed=True))
        )

    def test_a_recording_ends_well_whatever_the_vendor_does(self, fault: Fault | None) -> None:
        """With all that was said, or with an error that callers expect; and leaves nothing behind."""
        struck = require_fault(fault)
        self._run(
            lambda: nothing_left(
                lambda: self._whatever(struck, streamed=False), first=lambda: self._use(streamed=False)
            )
        )

    @pytest.mark.parametrize("end", ["by itself", "closed", "while it hears", "refused", "cancelled"])
    def test_a_stream_leaves_nothing_behind(self, end: str) -> None:
        """No task, thread, socket or session, however it ended."""
        trouble = Trouble(TroubleKind.REFUSED) if end == "refused" else None

        async def once() -> None:
            async with self._given(streamed=True, trouble=trouble) as (stt, _):
                if end in {"by itself", "refused"}:
                    await failed_with(self._hear(stt))
                    return
                stream = stt.stream(conn_options=self.options)
                push(stream, self.audio())
                if end == "while it hears":
                    await read_until(stream, FINAL)
                if end == "cancelled":
                    reader = asyncio.create_task(anext(stream), name="reader")
                    await asyncio.sleep(0)
                    reader.cancel()
                    await asyncio.wait([reader])
                await stream.aclose()

        self._run(lambda: nothing_left(once, first=lambda: self._use(streamed=True)))

    @pytest.mark.parametrize("end", ["by itself", "refused", "cancelled"])
    def test_a_recognition_leaves_nothing_behind(self, end: str) -> None:
        """No task, thread, socket or session, however it ended."""
        troubles = {"refused": Trouble(TroubleKind.REFUSED), "cancelled": Trouble(TroubleKind.SILENT)}

        async def once() -> None:
            async with self._given(streamed=False, trouble=troubles.get(end)) as (stt, _):
                work = asyncio.create_task(stt.recognize(self.audio(), conn_options=self.options), name="recognition")
                if end == "cancelled":
                    await asyncio.sleep(self.attempt_seconds / 5)
                    work.cancel()
                await asyncio.wait([work])
                if not work.cancelled():
                    work.exception()

        self._run(lambda: nothing_left(once, first=lambda: self._use(streamed=False)))

    # --- what they share -------------------------------------------------------------------------------------------

    async def _use(self, *, streamed: bool) -> None:
        async with self._given(streamed=streamed) as (stt, _):
            await (self._stream_error(stt) if streamed else self._recording_error(stt))

    async def _whatever(self, fault: Fault, *, streamed: bool) -> None:
        async with self._given(streamed=streamed, fault=fault) as (stt, _):
            events: list[SpeechEvent] = []
            async with asyncio.timeout(self.patience_seconds / 2 - 1):
                if streamed:
                    error = await self._stream_error(stt, events)
                else:
                    error = await self._recording_error(stt, events)
        if error is None:
            self._require_heard_all(events)
        else:
            assert isinstance(error, APIError), f"{error!r} was raised; it must be an APIError"

    async def _stream_error(self, stt: object, into: list[SpeechEvent] | None = None) -> BaseException | None:
        from lk_agents.stt import STT

        assert isinstance(stt, STT)
        async with stt.stream(conn_options=self.options) as stream:
            push(stream, self.audio())
            stream.end_input()
            return await ended_by(stream, into)

    async def _recording_error(self, stt: object, into: list[SpeechEvent] | None = None) -> BaseException | None:
        from lk_agents.stt import STT

        assert isinstance(stt, STT)

        async def recognize() -> None:
            event = await stt.recognize(self.audio(), conn_options=self.options)
            if into is not None:
                into.append(event)

        return await failed_with(recognize())
