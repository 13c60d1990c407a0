"""Checks of a language model whose vendor is in trouble, and of what it leaves behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from lk_agents.foundation.errors import APIError, APITimeoutError
from lk_agents.llm import LLM, ChatChunk
from lk_agents.testing.conformance.case import RETRY_AFTER_SECONDS, Trouble, TroubleKind
from lk_agents.testing.conformance.frame import (
    FAILURES,
    LOST,
    Stopwatch,
    causes_of,
    collected,
    ended_by,
    nothing_left,
    overheard,
    require_api_error,
    require_fault,
    skip_unless,
    told_by,
)
from lk_agents.testing.conformance.llm_cases import CALLS, TEXT, LLMKit, Weather, metrics_of, text_of

if TYPE_CHECKING:
    from lk_agents.testing.vendor import Fault

__all__ = ["LLMTroubleChecks"]


class LLMTroubleChecks(LLMKit):
    """What every language model must do when something goes wrong."""

    @pytest.mark.parametrize("trouble", LOST, ids=lambda trouble: trouble.name)
    def test_nothing_is_said_twice_over_a_lost_connection(self, trouble: Trouble) -> None:
        """All is said once, or there is an error after a part of it; before the first piece it is tried again."""

        async def story() -> None:
            async with self._given(trouble=trouble) as (llm, _):
                chunks: list[ChatChunk] = []
                error = await self._error(llm, into=chunks)
            text = text_of(chunks)
            if error is None:
                assert text == TEXT, f"after a lost connection the answer is {text!r}, not {TEXT!r}"
                return
            assert trouble.after, "a connection that was lost before anything was said was not tried again"
            found = require_api_error(error, "the connection was lost")
            assert text, "a connection that was lost before anything was said was not tried again"
            assert TEXT.startswith(text), f"something was said twice: {text!r}"
            assert not found.retryable, "the error invites to say again what was said"

        self._run(story)

    @pytest.mark.parametrize("trouble", LOST, ids=lambda trouble: trouble.name)
    def test_no_call_is_told_twice_or_in_part_over_a_lost_connection(self, trouble: Trouble) -> None:
        """Those that are told are whole, and the first of those that were asked for."""
        skip_unless(self.calls_functions, "it does not call functions")

        async def story() -> None:
            async with self._given("", CALLS, trouble=trouble) as (llm, _):
                stream = self._ask(llm, functions=Weather())
                error = await ended_by(stream)
                told = [(call.function_info.name, call.arguments) for call in stream.function_calls]
                await stream.aclose()
            expected = [(name, dict(arguments)) for name, arguments in CALLS]
            if error is None:
                assert told == expected, f"the calls are {told}"
            else:
                require_api_error(error, "the connection was lost")
                assert told == expected[: len(told)], f"the calls are {told}"
                assert trouble.after, "a connection that was lost before any call was not tried again"

        self._run(story)

    def test_a_request_that_the_vendor_refuses_is_not_tried_again(self) -> None:
        """401: the reader gets the status, after one attempt, and the metric the error."""

        async def story() -> None:
            async with self._given(trouble=Trouble(TroubleKind.REFUSED)) as (llm, _):
                metrics = metrics_of(llm)
                error = require_api_error(await self._error(llm), "the vendor answered 401")
            assert not error.retryable, "a 401 was called retryable"
            assert error.attempts == 1, f"a 401 was tried {error.attempts} times"
            assert "401" in told_by(error), f"nothing in the error tells the status 401: {error!r}"
            assert metrics, "a failure was not measured"
            assert all(each.error is not None for each in metrics), f"a failure was measured as {metrics}"

        self._run(story)

    def test_a_request_is_tried_again_as_often_as_the_caller_says(self) -> None:
        """503 for ever: the reader gets an error that keeps its cause."""

        async def story() -> None:
            async with self._given(trouble=Trouble(TroubleKind.BUSY)) as (llm, case):
                error = require_api_error(await self._error(llm), "the vendor answered 503")
                assert "503" in told_by(error), f"neither the error nor its causes tell the status 503: {error!r}"
                asked = case.requests()
            assert asked == self.expected_attempts, f"the vendor was asked {asked} times, not {self.expected_attempts}"

        self._run(story)

    def test_a_request_is_answered_when_the_vendor_wants_it(self) -> None:
        """429 with a time to wait."""

        async def story() -> None:
            async with self._given(trouble=Trouble(TroubleKind.LIMITED, once=True)) as (llm, _):
                watch = Stopwatch()
                async with self._ask(llm) as stream:
                    text = text_of(await collected(stream))
                seconds = watch.seconds()
            assert text == TEXT
            assert seconds >= RETRY_AFTER_SECONDS, f"it was asked again after {seconds:.2f} s: sooner than it wanted"

        self._run(story)

    @pytest.mark.parametrize("after", [0, 2])
    def test_a_model_that_goes_silent_times_out(self, after: int) -> None:
        """After ``conn_options.timeout``, at the beginning and in the middle."""

        async def story() -> None:
            async with self._given(trouble=Trouble(TroubleKind.SILENT, after)) as (llm, _):
                watch = Stopwatch()
                error = require_api_error(await self._error(llm), "the vendor went silent")
                seconds = watch.seconds()
            assert any(isinstance(each, APITimeoutError) for each in causes_of(error)), (
                f"neither {error!r} nor its causes are an APITimeoutError"
            )
            at_most = self.expected_attempts * (self.attempt_seconds + 0.3) + 1
            assert seconds < at_most, f"it took {seconds:.1f} s, longer than its attempts may take ({at_most:.1f} s)"

        self._run(story)

    @pytest.mark.parametrize(
        "trouble", [*FAILURES, Trouble(TroubleKind.LOST, 2), Trouble(TroubleKind.SILENT)], ids=lambda each: each.name
    )
    def test_no_credential_of_a_model_is_shown_whatever_goes_wrong(self, trouble: Trouble) -> None:
        """Not in logs, errors, their variables, metrics or the model's own representation."""

        async def story() -> None:
            with overheard() as all_told:
                async with self._given(trouble=trouble) as (llm, _):
                    llm.on("metrics_collected", all_told.tell)
                    all_told.tell(llm)
                    all_told.tell(await self._error(llm))
            all_told.require_no_secret()

        self._run(story)

    def test_a_request_ends_well_whatever_the_vendor_does(self, fault: Fault | None) -> None:
        """With the whole answer, or with an error that callers expect; and leaves nothing behind."""
        struck = require_fault(fault)

        async def once() -> None:
            async with self._given(fault=struck) as (llm, _):
                chunks: list[ChatChunk] = []
                async with asyncio.timeout(self.patience_seconds / 2 - 1):
                    error = await self._error(llm, into=chunks)
            if error is None:
                assert text_of(chunks), "it ended without an answer and without an error"
            else:
                assert isinstance(error, APIError), f"{error!r} was raised; it must be an APIError"

        self._run(lambda: nothing_left(once, first=self._use))

    @pytest.mark.parametrize("end", ["by itself", "closed", "while it answers", "refused", "cancelled", "with calls"])
    def test_an_answer_leaves_nothing_behind(self, end: str) -> None:
        """No task, thread, socket or session, however it ended."""
        trouble = Trouble(TroubleKind.REFUSED) if end == "refused" else None
        calls = CALLS if end == "with calls" and self.calls_functions else ()

        async def once() -> None:
            async with self._given(calls=calls, trouble=trouble) as (llm, _):
                if end in {"by itself", "refused"}:
                    await self._error(llm)
                    return
                stream = self._ask(llm, functions=Weather() if calls else None)
                if end == "while it answers":
                    await anext(stream)
                if end == "cancelled":
                    reader = asyncio.create_task(anext(stream), name="reader")
                    await asyncio.sleep(0)
                    reader.cancel()
                    await asyncio.wait([reader])
                if calls:
                    await collected(stream)
                    stream.execute_functions()
                await stream.aclose()

        self._run(lambda: nothing_left(once, first=self._use))

    async def _use(self) -> None:
        async with self._given() as (llm, _):
            await self._error(llm)

    async def _error(self, llm: LLM[Any], *, into: list[ChatChunk] | None = None) -> BaseException | None:
        async with self._ask(llm) as stream:
            return await ended_by(stream, into)
