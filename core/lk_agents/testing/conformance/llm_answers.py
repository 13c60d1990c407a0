"""Checks of what a language model answers, while nothing goes wrong."""

from __future__ import annotations

import asyncio
import json

import pytest

from lk_agents.llm import CalledFunction, ChatContext, ChatMessage
from lk_agents.testing.conformance.case import Trouble, TroubleKind
from lk_agents.testing.conformance.frame import close_at_once, collected, read, read_and_give_up, skip_unless
from lk_agents.testing.conformance.llm_cases import CALLS, TEXT, LLMKit, Weather, metrics_of, question, text_of

__all__ = ["LLMAnswerChecks"]


class LLMAnswerChecks(LLMKit):
    """What every language model must do with a request."""

    def test_the_answer_is_said_once_and_whole(self) -> None:
        """In pieces that the assistant says, of one request."""

        async def story() -> None:
            async with self._given() as (llm, _), self._ask(llm) as stream:
                chunks = await collected(stream)
            assert text_of(chunks) == TEXT, f"the answer is {text_of(chunks)!r}, not {TEXT!r}"
            roles = {choice.delta.role for chunk in chunks for choice in chunk.choices}
            assert roles == {"assistant"}, f"the answer is said by {roles}"
            ids = {chunk.request_id for chunk in chunks}
            assert len(ids) == 1, f"one answer has the request ids {ids}"
            assert ids != {""}, "the chunks have no request_id"

        self._run(story)

    def test_the_answer_comes_in_pieces(self) -> None:
        """So that it can be spoken before its end."""
        skip_unless(self.says_pieces, "its answers come whole")

        async def story() -> None:
            async with self._given() as (llm, _), self._ask(llm) as stream:
                pieces = [chunk for chunk in await collected(stream) if text_of([chunk])]
            assert len(pieces) > 1, "the answer came in one piece"

        self._run(story)

    def test_an_answer_is_measured_once(self) -> None:
        """Its tokens and times, and nothing of an error."""

        async def story() -> None:
            async with self._given() as (llm, _):
                metrics = metrics_of(llm)
                async with self._ask(llm) as stream:
                    await collected(stream)
            assert len(metrics) == 1, f"one answer gave {len(metrics)} metrics"
            told = metrics[0]
            assert 0 <= told.ttft <= told.duration, f"ttft is {told.ttft}, of a duration of {told.duration}"
            assert not told.cancelled, "the metric says that an answer that came whole was cancelled"
            assert told.error is None
            assert told.label, "the metric has no label"

        self._run(story)

    def test_the_tokens_of_an_answer_are_told_once(self) -> None:
        """In one chunk and in the metric, and they add up."""
        skip_unless(self.tells_usage, "its vendor does not tell how many tokens it took")

        async def story() -> None:
            async with self._given() as (llm, _):
                metrics = metrics_of(llm)
                async with self._ask(llm) as stream:
                    usages = [chunk.usage for chunk in await collected(stream) if chunk.usage is not None]
            assert len(usages) == 1, f"the usage was told {len(usages)} times"
            usage, told = usages[0], metrics[0]
            assert usage.completion_tokens > 0, "no tokens of the answer were told"
            assert usage.prompt_tokens > 0, "no tokens of the conversation were told"
            assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens, f"{usage} does not add up"
            measured = (told.completion_tokens, told.prompt_tokens, told.total_tokens)
            assert measured == (usage.completion_tokens, usage.prompt_tokens, usage.total_tokens), (
                f"{measured} was measured where {usage} was told"
            )

        self._run(story)

    def test_the_conversation_stays_as_it_was(self) -> None:
        """Who answers it does not change it."""

        async def story() -> None:
            async with self._given() as (llm, _):
                context = question()
                before = [message.copy() for message in context.messages]
                async with llm.chat(chat_ctx=context, conn_options=self.options) as stream:
                    await collected(stream)
                    assert stream.chat_ctx is context, "the stream does not have the conversation that it answers"
            assert context.messages == before, "the conversation was changed"

        self._run(story)

    @pytest.mark.parametrize("text", ["", TEXT], ids=["alone", "behind-text"])
    def test_every_call_is_told_once_and_whole(self, text: str) -> None:
        """In their order, with an id of its own each and arguments that are read."""
        skip_unless(self.calls_functions, "it does not call functions")

        async def story() -> None:
            async with self._given(text, CALLS) as (llm, _), self._ask(llm, functions=Weather()) as stream:
                chunks = await collected(stream)
                collected_calls = stream.function_calls
            assert text_of(chunks) == text, f"the text is {text_of(chunks)!r}, not {text!r}"
            calls = [call for chunk in chunks for choice in chunk.choices for call in choice.delta.tool_calls or ()]
            told = [(call.function_info.name, call.arguments) for call in calls]
            assert told == [(name, dict(arguments)) for name, arguments in CALLS], f"the calls are {told}"
            assert [json.loads(call.raw_arguments) for call in calls] == [call.arguments for call in calls]
            ids = [call.tool_call_id for call in calls]
            assert all(ids), "a call has no id"
            assert len(set(ids)) == len(ids), f"two calls have one id: {ids}"
            assert collected_calls == calls, "function_calls has other calls than the chunks"

        self._run(story)

    def test_calls_can_be_executed(self) -> None:
        """Each runs once, with its arguments."""
        skip_unless(self.calls_functions, "it does not call functions")

        async def story() -> None:
            functions = Weather()
            async with self._given("", CALLS) as (llm, _), self._ask(llm, functions=functions) as stream:
                await collected(stream)
                called = stream.execute_functions()
                results = await asyncio.gather(*(each.task for each in called))
            assert functions.asked == [("Paris", 0), ("Rome", 2)], f"the functions were called with {functions.asked}"
            assert results == ["sunny in Paris", "sunny in Rome"]

        self._run(story)

    def test_a_conversation_with_calls_and_their_results_is_answered(self) -> None:
        """The model gets what came of the calls that it has asked for."""
        skip_unless(self.calls_functions, "it does not call functions")

        async def story() -> None:
            functions = Weather()
            async with self._given("", CALLS) as (llm, _), self._ask(llm, functions=functions) as stream:
                await collected(stream)
                called = stream.execute_functions()
                await asyncio.gather(*(each.task for each in called))
            async with self._given() as (llm, _):
                context = _with_results(called)
                async with llm.chat(chat_ctx=context, fnc_ctx=functions, conn_options=self.options) as stream:
                    text = text_of(await collected(stream))
            assert text == TEXT, f"the answer is {text!r}, not {TEXT!r}"

        self._run(story)

    def test_two_answers_at_once_are_kept_apart(self) -> None:
        """Each stream gets its own."""

        async def story() -> None:
            async with self._given() as (llm, _), self._ask(llm) as one, self._ask(llm) as two:
                first, second = await asyncio.gather(collected(one), collected(two))
            assert (text_of(first), text_of(second)) == (TEXT, TEXT)
            assert {chunk.request_id for chunk in first} != {chunk.request_id for chunk in second}, (
                "two requests have one request_id"
            )

        self._run(story)

    @pytest.mark.parametrize("point", [0, 1, 2, 3, 5])
    def test_an_answer_that_is_closed_three_times_at_once_ends(self, point: int) -> None:
        """What it had given can still be read; then it ends without an error."""

        async def story() -> None:
            async with self._given() as (llm, _):
                stream = self._ask(llm)
                await read(stream, point)
                await close_at_once(stream.aclose)
                await collected(stream)

        self._run(story)

    def test_an_answer_that_is_closed_before_its_end_is_measured_as_cancelled(self) -> None:
        """The vendor is silent, so that no first token came."""

        async def story() -> None:
            async with self._given(trouble=Trouble(TroubleKind.SILENT)) as (llm, _):
                metrics = metrics_of(llm)
                stream = self._ask(llm)
                await asyncio.sleep(self.attempt_seconds / 5)
                await stream.aclose()
            assert [(each.cancelled, each.ttft) for each in metrics] == [(True, -1.0)], f"it was measured as {metrics}"

        self._run(story)

    def test_a_reader_of_an_answer_that_gives_up_waiting_loses_nothing(self) -> None:
        """It is cancelled while it waits for the first chunk, and reads on."""

        async def story() -> None:
            async with self._given() as (llm, _), self._ask(llm) as stream:
                text = text_of([*await read_and_give_up(stream), *await collected(stream)])
            assert text == TEXT, f"the answer is {text!r}, not {TEXT!r}"

        self._run(story)

    def test_closing_the_model_three_times_at_once_is_harmless(self) -> None:
        """Also after it has been used."""

        async def story() -> None:
            async with self._given() as (llm, _):
                llm.prewarm()
                llm.prewarm()
                async with self._ask(llm) as stream:
                    await collected(stream)
                await close_at_once(llm.aclose)

        self._run(story)


def _with_results(called: list[CalledFunction]) -> ChatContext:
    context = question()
    context.messages.append(ChatMessage.create_tool_calls([each.call_info for each in called]))
    context.messages += [ChatMessage.create_tool_from_called_function(each) for each in called]
    return context
