"""Checks of a synthesizer whose vendor is in trouble, and of what it leaves behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from lk_agents.foundation.errors import APIError, APITimeoutError
from lk_agents.testing.conformance.case import RETRY_AFTER_SECONDS, Trouble, TroubleKind
from lk_agents.testing.conformance.frame import (
    FAILURES,
    LOST,
    Stopwatch,
    causes_of,
    ended_by,
    nothing_left,
    overheard,
    require_api_error,
    require_fault,
    told_by,
)
from lk_agents.testing.conformance.tts_cases import SEGMENTS, TEXT, Spoken, TTSKit, metrics_of, push
from lk_agents.tts import TTS, ChunkedStream, SynthesizeStream

if TYPE_CHECKING:
    from lk_agents.testing.vendor import Fault

__all__ = ["TTSTroubleChecks"]

WAYS = pytest.mark.parametrize("streamed", [False, True], ids=["text", "stream"])


class TTSTroubleChecks(TTSKit):
    """What every synthesizer must do when something goes wrong."""

    @WAYS
    @pytest.mark.parametrize("trouble", LOST, ids=lambda trouble: trouble.name)
    def test_nothing_is_spoken_twice_over_a_lost_connection(self, trouble: Trouble, streamed: bool) -> None:
        """All is spoken once, or there is an error after a part of it; before the first audio it is tried again."""

        async def story() -> None:
            whole = await self._seconds_of(TEXT, streamed=streamed)
            async with self._given(streamed=streamed, trouble=trouble) as (tts, _):
                spoken = Spoken()
                error = await self._error(tts, TEXT, streamed, spoken)
            if error is None:
                assert spoken.seconds == pytest.approx(whole, abs=self.length_tolerance_seconds), (
                    f"after a lost connection {spoken.seconds:.2f} s were spoken where the text has {whole:.2f} s"
                )
                return
            assert trouble.after, "a connection that was lost before any audio came was not tried again"
            require_api_error(error, "the connection was lost")
            assert spoken.seconds <= whole, "something was spoken twice"
            assert not getattr(error, "retryable", False), "the error invites to speak again what was heard"

        self._run(story)

    @WAYS
    def test_a_text_that_the_vendor_refuses_is_not_tried_again(self, streamed: bool) -> None:
        """401: the reader gets the status, after one attempt."""

        async def story() -> None:
            async with self._given(streamed=streamed, trouble=Trouble(TroubleKind.REFUSED)) as (tts, _):
                metrics = metrics_of(tts)
                error = require_api_error(await self._error(tts, TEXT, streamed), "the vendor answered 401")
            assert not error.retryable, "a 401 was called retryable"
            assert error.attempts == 1, f"a 401 was tried {error.attempts} times"
            assert "401" in told_by(error), f"nothing in the error tells the status 401: {error!r}"
            assert all(each.error is not None for each in metrics), "a text that failed was measured as a success"

        self._run(story)

    @WAYS
    def test_a_text_is_tried_again_as_often_as_the_caller_says(self, streamed: bool) -> None:
        """503 for ever: the reader gets an error that keeps its cause."""

        async def story() -> None:
            async with self._given(streamed=streamed, trouble=Trouble(TroubleKind.BUSY)) as (tts, case):
                error = require_api_error(await self._error(tts, TEXT, streamed), "the vendor answered 503")
                assert "503" in told_by(error), f"neither the error nor its causes tell the status 503: {error!r}"
                asked = case.requests()
            assert asked == self.expected_attempts, f"the vendor was asked {asked} times, not {self.expected_attempts}"

        self._run(story)

    @WAYS
    def test_a_text_is_spoken_when_the_vendor_wants_it(self, streamed: bool) -> None:
        """429 with a time to wait."""

        async def story() -> None:
            async with self._given(streamed=streamed, trouble=Trouble(TroubleKind.LIMITED, once=True)) as (tts, _):
                watch = Stopwatch()
                spoken = await (self._say_in_pieces(tts, TEXT) if streamed else self._say(tts, TEXT))
                seconds = watch.seconds()
            assert spoken.pieces, "nothing was spoken"
            assert seconds >= RETRY_AFTER_SECONDS, f"it was asked again after {seconds:.2f} s: sooner than it wanted"

        self._run(story)

    @WAYS
    @pytest.mark.parametrize("after", [0, 2])
    def test_a_vendor_that_goes_silent_times_out(self, after: int, streamed: bool) -> None:
        """After ``conn_options.timeout``, at the beginning and in the middle."""

        async def story() -> None:
            async with self._given(streamed=streamed, trouble=Trouble(TroubleKind.SILENT, after)) as (tts, _):
                watch = Stopwatch()
                error = require_api_error(await self._error(tts, TEXT, streamed), "the vendor went silent")
                seconds = watch.seconds()
            assert any(isinstance(each, APITimeoutError) for each in causes_of(error)), (
                f"neither {error!r} nor its causes are an APITimeoutError"
            )
            at_most = self.expected_attempts * (self.attempt_seconds + 0.3) + 1
            assert seconds < at_most, f"it took {seconds:.1f} s, longer than its attempts may take ({at_most:.1f} s)"

        self._run(story)

    @WAYS
    def test_no_audio_for_a_text_is_an_error(self, streamed: bool) -> None:
        """The vendor ends at once, each time."""

        async def story() -> None:
            async with self._given(streamed=streamed, trouble=Trouble(TroubleKind.ENDED)) as (tts, _):
                require_api_error(await self._error(tts, TEXT, streamed), "no audio came for a text")

        self._run(story)

    @WAYS
    @pytest.mark.parametrize(
        "trouble", [*FAILURES, Trouble(TroubleKind.LOST, 2), Trouble(TroubleKind.SILENT)], ids=lambda each: each.name
    )
    def test_no_credential_of_a_synthesizer_is_shown_whatever_goes_wrong(
        self, trouble: Trouble, streamed: bool
    ) -> None:
        """Not in logs, errors, their variables, metrics or the synthesizer's own representation."""

        async def story() -> None:
            with overheard() as all_told:
                async with self._given(streamed=streamed, trouble=trouble) as (tts, _):
                    tts.on("metrics_collected", all_told.tell)
                    all_told.tell(tts)
                    all_told.tell(await self._error(tts, TEXT, streamed))
            all_told.require_no_secret()

        self._run(story)

    def test_a_text_ends_well_whatever_the_vendor_does(self, fault: Fault | None) -> None:
        """With audio, or with an error that callers expect; and leaves nothing behind."""
        struck = require_fault(fault)
        self._run(
            lambda: nothing_left(
                lambda: self._whatever(struck, streamed=False), first=lambda: self._use(streamed=False)
            )
        )

    def test_a_stream_of_text_ends_well_whatever_the_vendor_does(self, stream_fault: Fault | None) -> None:
        """With audio, or with an error that callers expect; and leaves nothing behind."""
        struck = require_fault(stream_fault)
        self._run(
            lambda: nothing_left(lambda: self._whatever(struck, streamed=True), first=lambda: self._use(streamed=True))
        )

    @WAYS
    @pytest.mark.parametrize("end", ["by itself", "closed", "while it speaks", "refused", "cancelled"])
    def test_a_synthesis_leaves_nothing_behind(self, end: str, streamed: bool) -> None:
        """No task, thread, socket or session, however it ended."""
        trouble = Trouble(TroubleKind.REFUSED) if end == "refused" else None

        async def once() -> None:
            async with self._given(streamed=streamed, trouble=trouble) as (tts, _):
                if end in {"by itself", "refused"}:
                    await self._error(tts, TEXT, streamed)
                    return
                stream: SynthesizeStream | ChunkedStream
                if streamed:
                    stream = in_pieces = tts.stream(conn_options=self.options)
                    push(in_pieces, *SEGMENTS)
                else:
                    stream = tts.synthesize(TEXT, conn_options=self.options)
                if end == "while it speaks":
                    await anext(stream)
                if end == "cancelled":
                    reader = asyncio.create_task(anext(stream), name="reader")
                    await asyncio.sleep(0)
                    reader.cancel()
                    await asyncio.wait([reader])
                await stream.aclose()

        self._run(lambda: nothing_left(once, first=lambda: self._use(streamed=streamed)))

    # --- what they share -------------------------------------------------------------------------------------------

    async def _error(
        self, tts: TTS[Any], text: str, streamed: bool, into: Spoken | None = None
    ) -> BaseException | None:
        spoken = Spoken() if into is None else into
        if not streamed:
            async with tts.synthesize(text, conn_options=self.options) as chunks:
                return await ended_by(chunks, spoken.pieces)
        async with tts.stream(conn_options=self.options) as stream:
            push(stream, text)
            stream.end_input()
            return await ended_by(stream, spoken.pieces)

    async def _use(self, *, streamed: bool) -> None:
        async with self._given(streamed=streamed) as (tts, _):
            await self._error(tts, TEXT, streamed)

    async def _whatever(self, fault: Fault, *, streamed: bool) -> None:
        async with self._given(streamed=streamed, fault=fault) as (tts, _):
            spoken = Spoken()
            async with asyncio.timeout(self.patience_seconds / 2 - 1):
                error = await self._error(tts, TEXT, streamed, spoken)
        if error is None:
            assert spoken.pieces, "it ended without audio and without an error"
        else:
            assert isinstance(error, APIError), f"{error!r} was raised; it must be an APIError"
