"""Language models with one defect each, by the check that must see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from tests.testing.conformance.bench import Mutant

from lk_agents.foundation.errors import APIError, APIStatusError
from lk_agents.llm import LLM, CalledFunction, ChatChunk, LLMStream
from lk_agents.streams.base import EventStream
from lk_agents.testing.conformance.llm import LLMCase, LLMConformance
from lk_agents.testing.providers import ScriptedLLM
from lk_agents.testing.providers.llm import _ScriptedAnswer


class Tunable(ScriptedLLM):
    """A good one; the mutants change it."""

    key = ""
    answering: type[_ScriptedAnswer] = _ScriptedAnswer

    def chat(self, **request: Any) -> LLMStream:
        kept = {name: request.get(name) for name in ("chat_ctx", "fnc_ctx", "conn_options")}
        return self.answering(self, self._take(request["chat_ctx"]), **kept)  # type: ignore[arg-type]


class Kit(LLMConformance):
    """The kit over one class of model."""

    virtual_time = True

    def __init__(self, make: Callable[..., Tunable]) -> None:
        self._make = make

    @asynccontextmanager
    async def provider(self, case: LLMCase) -> AsyncIterator[LLM[Any]]:
        llm = self._make([case.answer()] * 8, breaks=case.breaks())
        llm.key = case.secret.reveal()
        case.watch(requests=lambda: llm.breaks.attempts)
        yield llm
        await llm.aclose()


class ClosesOnce(Tunable):
    closed = 0

    async def aclose(self) -> None:
        self.closed += 1
        if self.closed == 2:
            raise RuntimeError("it has been closed")


class ChangesTheConversation(Tunable):
    def chat(self, **request: Any) -> LLMStream:
        request["chat_ctx"].messages[-1].content = "changed"
        return super().chat(**request)


class RefusesResults(Tunable):
    def chat(self, **request: Any) -> LLMStream:
        if any(message.role == "tool" for message in request["chat_ctx"].messages):
            raise ValueError("there is a role that it does not know: tool")
        return super().chat(**request)


class Changing(_ScriptedAnswer):
    """Changes the chunks of an answer."""

    def change(self, chunk: ChatChunk) -> list[ChatChunk]:
        return [chunk]

    def _accept(self, event: ChatChunk) -> ChatChunk:
        first, *others = self.change(event)
        for each in others:
            self._event_ch._put(super()._accept(each))
        return super()._accept(first)


class ForgetsTheRequest(Changing):
    def change(self, chunk: ChatChunk) -> list[ChatChunk]:
        return [replace(chunk, request_id="" if chunk.usage is None else chunk.request_id)]


class SaysItAtOnce(_ScriptedAnswer):
    def __init__(self, llm: ScriptedLLM, answer: Any, **request: Any) -> None:
        super().__init__(llm, replace(answer, text=[answer.text] if answer.text else ""), **request)


class MeasuresTwice(_ScriptedAnswer):
    def _finished(self, *, cancelled: bool, error: BaseException | None) -> None:
        super()._finished(cancelled=cancelled, error=error)
        if not cancelled and error is None:
            super()._finished(cancelled=cancelled, error=error)


class TellsUsageTwice(Changing):
    def change(self, chunk: ChatChunk) -> list[ChatChunk]:
        return [chunk, chunk] if chunk.usage is not None else [chunk]


class RepeatsCalls(Changing):
    def change(self, chunk: ChatChunk) -> list[ChatChunk]:
        calls = chunk.choices and chunk.choices[0].delta.tool_calls
        return [chunk, chunk] if calls and self._first_output_at is None else [chunk]


class ForgetsOneCall(_ScriptedAnswer):
    def execute_functions(self) -> list[CalledFunction]:
        return super().execute_functions()[:1]


class UsesOneId(Changing):
    def change(self, chunk: ChatChunk) -> list[ChatChunk]:
        return [replace(chunk, request_id="the-one")]


class ClosesItsAnswerOnce(_ScriptedAnswer):
    closed = 0

    async def aclose(self) -> None:
        self.closed += 1
        if self.closed == 3:
            raise RuntimeError("it has been closed")
        await super().aclose()


class HidesCancellation(_ScriptedAnswer):
    def _finished(self, *, cancelled: bool, error: BaseException | None) -> None:
        super()._finished(cancelled=False, error=error)


class EndsWithItsReader(_ScriptedAnswer):
    over = False

    async def __anext__(self) -> ChatChunk:
        if self.over:
            raise StopAsyncIteration
        try:
            return await super().__anext__()
        except asyncio.CancelledError:
            self.over = True
            raise


class RepeatsItself(_ScriptedAnswer):
    def _may_retry(self, error: APIError) -> bool:
        return bool(self._emitted_calls) is False


class RepeatsItsCalls(_ScriptedAnswer):
    def _may_retry(self, error: APIError) -> bool:
        return bool(self._emitted_calls) or super()._may_retry(error)


class Failing(_ScriptedAnswer):
    """Changes the errors of an answer."""

    def change_error(self, error: APIError) -> None:
        pass

    async def _run(self) -> None:
        try:
            await super()._run()
        except APIError as error:
            self.change_error(error)
            raise


class ForgivesRefusals(Failing):
    def change_error(self, error: APIError) -> None:
        error.retryable = True


class GivesUpBusyVendors(Failing):
    def change_error(self, error: APIError) -> None:
        if isinstance(error, APIStatusError) and error.status_code == 503:
            error.retryable = False


class HurriesVendors(Failing):
    def change_error(self, error: APIError) -> None:
        error.retry_after_seconds = None


class ShowsItsKey(Failing):
    def change_error(self, error: APIError) -> None:
        llm = self._llm
        assert isinstance(llm, Tunable)
        error.body = {"quoted": llm.key}


class IsPatient(_ScriptedAnswer):
    async def _attempt(self) -> None:
        await EventStream._attempt(self)


class LeavesATask(_ScriptedAnswer):
    def __init__(self, *answer: Any, **request: Any) -> None:
        super().__init__(*answer, **request)
        self.left = [asyncio.create_task(asyncio.sleep(1000), name="left")]


def answering(stream: type[_ScriptedAnswer]) -> Callable[..., Tunable]:
    return type(f"With{stream.__name__}", (Tunable,), {"answering": stream})


def mutant(make: Callable[..., Tunable], *also: str) -> Mutant:
    return Mutant(lambda: Kit(make), frozenset(also))


SECRET = "test_no_credential_of_a_model_is_shown_whatever_goes_wrong"
CALLS = "test_no_call_is_told_twice_or_in_part_over_a_lost_connection"
SILENT = "test_a_model_that_goes_silent_times_out"
EXECUTED = "test_calls_can_be_executed"
RESULTS = "test_a_conversation_with_calls_and_their_results_is_answered"

MUTANTS = {
    "test_the_answer_is_said_once_and_whole": mutant(answering(ForgetsTheRequest)),
    "test_the_answer_comes_in_pieces": mutant(answering(SaysItAtOnce), SILENT),
    "test_an_answer_is_measured_once": mutant(answering(MeasuresTwice)),
    "test_the_tokens_of_an_answer_are_told_once": mutant(answering(TellsUsageTwice)),
    "test_the_conversation_stays_as_it_was": mutant(ChangesTheConversation),
    "test_every_call_is_told_once_and_whole": mutant(answering(RepeatsCalls)),
    EXECUTED: mutant(answering(ForgetsOneCall)),
    RESULTS: mutant(RefusesResults),
    "test_two_answers_at_once_are_kept_apart": mutant(answering(UsesOneId)),
    "test_an_answer_that_is_closed_three_times_at_once_ends": mutant(answering(ClosesItsAnswerOnce)),
    "test_an_answer_that_is_closed_before_its_end_is_measured_as_cancelled": mutant(answering(HidesCancellation)),
    "test_a_reader_of_an_answer_that_gives_up_waiting_loses_nothing": mutant(answering(EndsWithItsReader)),
    "test_closing_the_model_three_times_at_once_is_harmless": mutant(ClosesOnce),
    "test_nothing_is_said_twice_over_a_lost_connection": mutant(answering(RepeatsItself)),
    CALLS: mutant(answering(RepeatsItsCalls)),
    "test_a_request_that_the_vendor_refuses_is_not_tried_again": mutant(answering(ForgivesRefusals)),
    "test_a_request_is_tried_again_as_often_as_the_caller_says": mutant(answering(GivesUpBusyVendors)),
    "test_a_request_is_answered_when_the_vendor_wants_it": mutant(answering(HurriesVendors)),
    SILENT: mutant(answering(IsPatient), SECRET),
    SECRET: mutant(answering(ShowsItsKey)),
    "test_an_answer_leaves_nothing_behind": mutant(answering(LeavesATask)),
}


def good() -> Kit:
    return Kit(Tunable)
