"""Checks of a session that calls functions for its model."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from lk_agents.testing.conformance.frame import skip_unless
from lk_agents.testing.conformance.realtime_cases import SECOND, RealtimeKit, Tools, Watch
from lk_agents.testing.providers.realtime import RealtimeAnswer

__all__ = ["RealtimeFunctionChecks"]


def _calling(name: str, arguments: Mapping[str, Any] | None = None) -> RealtimeAnswer:
    return RealtimeAnswer(calls=[(name, arguments or {})])


def _outputs(watch: Watch) -> list[Any]:
    return [each.content for each in watch.session.chat_ctx_copy().messages if each.role == "tool"]


class RealtimeFunctionChecks(RealtimeKit):
    """What every session must do with the functions that its model calls."""

    def test_a_function_is_called_once_and_the_model_tells_about_it(self) -> None:
        """Told before and behind, one call each time; its output is part of the conversation."""
        skip_unless(self.calls_functions, "it does not call functions")

        async def story() -> None:
            tools = Tools()
            answers = (_calling("get_weather", {"city": "Rome"}), SECOND)
            async with self._given(*answers) as (model, _), self._session(model, functions=tools) as watch:
                watch.session.create_response()
                called = await watch.until("function_calls_finished")
                await watch.until("response_done", 2)
                await watch.until_true(lambda: bool(watch.parts) and watch.parts[-1].ended)
                outputs = _outputs(watch)
            assert tools.asked == ["Rome"], f"the function was called with {tools.asked}"
            collected = watch.told("function_calls_collected")
            assert [len(each) for each in collected] == [1], f"the calls were told as {collected}"
            assert collected[0][0].function_info.name == "get_weather"
            assert collected[0][0].arguments == {"city": "Rome"}
            assert [each.call_info for each in called] == collected[0], "another call has ended than has begun"
            assert outputs == ["sunny in Rome"], f"the outputs are {outputs}"
            assert watch.parts[-1].text == SECOND.text

        self._run(story)

    def test_several_calls_of_a_response_all_get_their_outputs(self) -> None:
        """And are each told once."""
        skip_unless(self.calls_functions, "it does not call functions")

        async def story() -> None:
            tools = Tools()
            both = RealtimeAnswer(calls=[("get_weather", {"city": "Rome"}), ("get_weather", {"city": "Oslo"})])
            async with self._given(both, SECOND) as (model, _), self._session(model, functions=tools) as watch:
                watch.session.create_response()
                await watch.until("function_calls_finished", 2)
                await watch.until("response_done", 2)
                outputs = _outputs(watch)
            assert sorted(tools.asked) == ["Oslo", "Rome"], f"the function was called with {tools.asked}"
            assert sorted(outputs) == ["sunny in Oslo", "sunny in Rome"], f"the outputs are {outputs}"

        self._run(story)

    @pytest.mark.parametrize(
        "call", [("fail", {}), ("unknown", {}), ("get_weather", {}), ("get_weather", {"city": 3})], ids=str
    )
    def test_a_call_that_goes_wrong_gets_an_output_and_an_answer(self, call: tuple[str, Mapping[str, Any]]) -> None:
        """Whatever is wrong with it: the model would wait for ever."""
        skip_unless(self.calls_functions, "it does not call functions")

        async def story() -> None:
            async with (
                self._given(_calling(*call), SECOND) as (model, _),
                self._session(model, functions=Tools()) as watch,
            ):
                watch.session.create_response()
                await watch.until("response_done", 2)
                await watch.until_true(lambda: bool(watch.parts) and watch.parts[-1].ended)
                outputs = _outputs(watch)
                begun, ended = (watch.told(f"function_calls_{each}") for each in ("collected", "finished"))
            assert len(outputs) == 1, f"the outputs are {outputs}"
            assert str(outputs[0]).startswith("Error: "), f"the output is {outputs[0]!r}"
            assert len(begun) == len(ended), f"{len(begun)} calls have begun and {len(ended)} have ended"

        self._run(story)

    def test_a_call_without_any_functions_gets_an_output_and_an_answer(self) -> None:
        """A model may make it up."""
        skip_unless(self.calls_functions, "it does not call functions")

        async def story() -> None:
            async with (
                self._given(_calling("get_weather", {"city": "Rome"}), SECOND) as (model, _),
                self._session(model) as watch,
            ):
                watch.session.create_response()
                await watch.until("response_done", 2)
                outputs = _outputs(watch)
            assert len(outputs) == 1, f"the outputs are {outputs}"

        self._run(story)

    def test_a_result_that_is_no_text_is_given_as_text(self) -> None:
        """As a dict is."""
        skip_unless(self.calls_functions, "it does not call functions")

        async def story() -> None:
            async with (
                self._given(_calling("count"), SECOND) as (model, _),
                self._session(model, functions=Tools()) as watch,
            ):
                watch.session.create_response()
                await watch.until("function_calls_finished")
                await watch.until("response_done", 2)
                (output,) = _outputs(watch)
            assert isinstance(output, str), f"the output is {output!r}"
            assert "found" in output, f"the output is {output!r}"

        self._run(story)

    def test_a_function_that_returns_nothing_asks_for_no_answer(self) -> None:
        """It gets an output all the same."""
        skip_unless(self.calls_functions, "it does not call functions")

        async def story() -> None:
            async with (
                self._given(_calling("remember"), SECOND) as (model, _),
                self._session(model, functions=Tools()) as watch,
            ):
                watch.session.create_response()
                await watch.until("function_calls_finished")
                await watch.afterwards()
                outputs = _outputs(watch)
            assert len(watch.told("response_created")) == 1, "the model was asked about nothing"
            assert len(outputs) == 1, f"the outputs are {outputs}"

        self._run(story)

    def test_the_output_of_a_function_waits_until_the_agent_was_heard(self) -> None:
        """Until ``playout_complete`` is set."""
        skip_unless(self.calls_functions, "it does not call functions")

        async def story() -> None:
            tools = Tools()
            answers = (_calling("get_weather", {"city": "Rome"}), SECOND)
            async with self._given(*answers) as (model, _), self._session(model, functions=tools) as watch:
                assert isinstance(watch.session.playout_complete, asyncio.Event)
                watch.session.playout_complete.clear()
                watch.session.create_response()
                await watch.until("function_calls_collected")
                await watch.afterwards()
                early = watch.names("function_calls_finished")
                watch.session.playout_complete.set()
                await watch.until("function_calls_finished")
                await watch.until("response_done", 2)
            assert not early, "the agent would be talked over"

        self._run(story)

    def test_other_functions_reach_the_server(self) -> None:
        """When they are set, and those of the beginning before."""
        skip_unless(self.calls_functions, "it does not call functions")

        async def story() -> None:
            async with self._given() as (model, case), self._session(model, functions=Tools()) as watch:
                watch.session.fnc_ctx = None
                watch.session.create_response()
                await watch.until("response_done")
                told = [sorted(each) for each in case.functions()]
                kept = watch.session.fnc_ctx
            assert told, "the server was told of no functions"
            assert told[0] == ["count", "fail", "get_weather", "remember"], f"the server was told of {told}"
            assert told[-1] == [], f"the server was told of {told}"
            assert kept is None

        self._run(story)
