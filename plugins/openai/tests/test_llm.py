"""The model against an OpenAI that is strict with its clients."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import aiohttp
import pytest
from livekit import rtc
from openai_bench import KEY, ONCE, RETRYING, Calls, Weather, asking, calls_of, model, read, text_of
from openai_fake import CHAT, REQUEST_ID, answer_chunks, answering, bearer, call_piece, chat_events, chunk

from lk_agents.foundation.errors import APIConnectionError, APIError, APIStatusError, APITimeoutError, ConfigError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.llm import ChatContext, ChatImage, ToolChoice
from lk_agents.testing.vendor import Fault, FaultKind, Pause, Script, VendorServer, chunks, reply
from lk_agents_openai import LLM

pytestmark = pytest.mark.usefixtures("lk_no_leaks")

TEXT = "It is sunny in Paris."


async def test_a_question_is_answered() -> None:
    async with model(answering(TEXT)) as (llm, _):
        assert text_of(await read(llm)) == TEXT


async def test_the_request_has_the_conversation_and_no_more_than_is_set() -> None:
    async with model(answering(TEXT)) as (llm, vendor):
        await read(llm)

    (asked,) = vendor.journal
    assert asked.json() == {
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How is the weather?"}],
        "model": "gpt-4o",
        "n": 1,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert (asked.headers["content-type"], asked.raw_query) == ("application/json", "")


async def test_everything_that_is_set_goes_out() -> None:
    options: dict[str, Any] = {
        "model": "gpt-5-mini",
        "user": "u",
        "temperature": 0.5,
        "store": False,
        "metadata": {"a": "b"},
        "max_tokens": 10,
        "max_completion_tokens": 20,
        "reasoning_effort": "low",
        "verbosity": "low",
        "top_p": 0.9,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
        "seed": 7,
        "stop": ["."],
        "service_tier": "flex",
        "safety_identifier": "s",
        "prompt_cache_key": "k",
        "response_format": {"type": "json_object"},
    }
    async with model(answering(TEXT), **options) as (llm, vendor):
        await read(llm, n=2)

    body = vendor.journal[0].json()
    assert {name: body[name] for name in options} == options
    assert body["n"] == 2


async def test_what_else_a_request_is_to_have_goes_out() -> None:
    async with model(
        answering(TEXT),
        query={"api": "2"},
        headers={"X-Team": "voice"},
        extra_body={"verbosity": "high", "n": 3},
        extra_headers={"X-Team": "voice"},
        extra_query={"api": "2"},
        verbosity="low",
    ) as (llm, vendor):
        await read(llm)

    body = vendor.journal[0].json()
    assert (body["verbosity"], body["n"]) == ("high", 3)


async def test_a_call_may_say_otherwise_than_the_model() -> None:
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}, "strict": True}}
    async with model(answering(TEXT), temperature=0.5, parallel_tool_calls=True) as (llm, vendor):
        await read(
            llm,
            fnc_ctx=Weather(),
            temperature=0.0,
            parallel_tool_calls=False,
            tool_choice=ToolChoice("function", "get_weather"),
            response_format=form,
        )

    body = vendor.journal[0].json()
    assert (body["temperature"], body["parallel_tool_calls"], body["response_format"]) == (0.0, False, form)
    assert body["tool_choice"] == {"type": "function", "function": {"name": "get_weather"}}
    assert [tool["function"]["name"] for tool in body["tools"]] == ["get_weather"]


async def test_tools_and_their_options_stay_out_where_there_are_no_functions() -> None:
    async with model(answering(TEXT), parallel_tool_calls=True, tool_choice="required") as (llm, vendor):
        await read(llm)

    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(vendor.journal[0].json())


async def test_a_picture_goes_out_with_the_question() -> None:
    frame = rtc.VideoFrame(8, 8, rtc.VideoBufferType.RGBA, bytes(8 * 8 * 4))
    context = ChatContext().append(text="What is this?", images=[ChatImage(frame)], role="user")
    async with model(answering("A square.")) as (llm, vendor):
        await read(llm, context)

    _, picture = vendor.journal[0].json()["messages"][0]["content"]
    assert picture["image_url"]["url"].startswith("data:image/jpeg;base64,")


async def test_a_conversation_that_changes_behind_the_question_is_asked_as_it_was() -> None:
    context = asking()
    async with model(answering(TEXT)) as (llm, vendor), llm.chat(chat_ctx=context, conn_options=ONCE) as stream:
        context.append(text="Too late.", role="user")
        async for _ in stream:
            pass

    assert len(vendor.journal[0].json()["messages"]) == 2


async def test_calls_are_told_and_can_be_executed() -> None:
    calls: Calls = [("get_weather", {"city": "Paris"}), ("get_weather", {"city": "Rome", "day": 1})]
    async with (
        model(answering("", calls)) as (llm, _),
        llm.chat(chat_ctx=asking(), fnc_ctx=Weather(), conn_options=ONCE) as stream,
    ):
        told = calls_of([chunk async for chunk in stream])
        called = stream.execute_functions()
        results = await asyncio.gather(*(each.task for each in called))

    assert [(name, arguments) for _, name, arguments in told] == calls
    assert results == ["sunny in Paris on day 0", "sunny in Rome on day 1"]


async def test_an_answer_is_measured_with_its_model() -> None:
    metrics: list[Any] = []
    async with model(answering(TEXT), model="gpt-4o-mini") as (llm, _):
        llm.on("metrics_collected", metrics.append)
        await read(llm)

    (told,) = metrics
    assert (told.provider, told.model, told.label) == ("openai", "gpt-4o-mini", "lk_agents_openai.llm.LLM")
    assert (told.completion_tokens, told.prompt_tokens) == (5, 12)
    assert 0 <= told.ttft <= told.duration


# --- the wire ------------------------------------------------------------------------------------------------------


def encoded(events: list[dict[str, Any]], *, line_end: str = "\n") -> bytes:
    said = "".join(f"data: {json.dumps(event)}{line_end}{line_end}" for event in events)
    return f"{said}data: [DONE]{line_end}{line_end}".encode()


@pytest.mark.parametrize("size", [1, 7, 100, 100_000])
async def test_it_does_not_matter_where_the_network_cuts_the_events(size: int) -> None:
    body = encoded(answer_chunks("Größe zählt.", [("get_weather", {"city": "Köln"})]))
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    async with model(chunks(*parts, content_type="text/event-stream")) as (llm, _):
        said = await read(llm, fnc_ctx=Weather())

    assert (text_of(said), [arguments for *_, arguments in calls_of(said)]) == ("Größe zählt.", [{"city": "Köln"}])


async def test_returns_comments_and_names_of_events_are_understood() -> None:
    body = b": ping\r\n\r\nevent: chunk\r\n" + encoded(answer_chunks(TEXT), line_end="\r\n")
    async with model(chunks(body, content_type="text/event-stream; charset=utf-8")) as (llm, _):
        assert text_of(await read(llm)) == TEXT


async def test_the_connection_is_used_again_although_the_body_ends_behind_the_last_word() -> None:
    said = chunks(encoded(answer_chunks(TEXT)), Pause(0.02), content_type="text/event-stream")
    async with VendorServer(Script().http("POST", CHAT, said, repeat=True)) as vendor:
        opened: list[int] = []
        trace = aiohttp.TraceConfig()

        async def note(*_: Any) -> None:
            opened.append(1)

        trace.on_connection_create_end.append(note)
        async with aiohttp.ClientSession(trace_configs=[trace]) as session:
            llm = LLM(api_key=KEY, base_url=f"{vendor.url}/v1", http_session=session)
            for _ in range(3):
                await read(llm)

    assert len(opened) == 1


async def test_an_answer_ends_with_its_last_word_although_the_connection_stays_open() -> None:
    never = chat_events(*answer_chunks(TEXT), done=None)
    parts = (*never.parts, b"data: [DONE]\n\n", Pause(30.0))
    async with model(chunks(*parts, content_type="text/event-stream"), fault=None) as (llm, vendor):
        async with asyncio.timeout(3.0):
            assert text_of(await read(llm)) == TEXT
    assert len(vendor.journal) == 1


# --- what goes wrong -----------------------------------------------------------------------------------------------


def problem(code: str | None, message: str = "that cannot be") -> dict[str, Any]:
    return {"error": {"message": message, "type": "some_error", "param": None, "code": code}}


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        (400, "context_length_exceeded", False),
        (401, "invalid_api_key", False),
        (403, "unsupported_country_region_territory", False),
        (404, "model_not_found", False),
        (409, None, True),
        (422, None, False),
        (429, "rate_limit_exceeded", True),
        (429, "insufficient_quota", False),
        (500, None, True),
        (503, None, True),
    ],
)
async def test_an_error_status_is_told_with_code_and_request_id(status: int, code: str | None, retryable: bool) -> None:
    async with model(reply(problem(code), status=status, headers={"x-request-id": REQUEST_ID})) as (llm, _):
        with pytest.raises(APIStatusError) as caught:
            await read(llm)

    error = caught.value
    assert (error.status_code, error.request_id, error.retryable) == (status, REQUEST_ID, retryable)
    assert (error.code, error.body) == (code or "some_error", problem(code))


async def test_a_limit_is_waited_for_as_long_as_asked() -> None:
    limited = reply(problem("rate_limit_exceeded"), status=429, headers={"Retry-After": "0.2"})
    async with model(limited, answering(TEXT)) as (llm, vendor):
        assert text_of(await read(llm, conn_options=RETRYING)) == TEXT

    first, second = (asked.at_seconds for asked in vendor.journal)
    assert second - first >= 0.2


@pytest.mark.parametrize(
    "answer", [reply("<html>", headers={"Content-Type": "text/html"}), reply(problem(None))], ids=["html", "json"]
)
async def test_a_whole_body_where_events_were_asked_for_is_an_error_that_says_so(answer: Any) -> None:
    async with model(answer) as (llm, _):
        with pytest.raises(APIError, match="where text/event-stream was asked for"):
            await read(llm)


async def test_a_broken_answer_is_not_asked_for_again_once_something_was_said() -> None:
    async with (
        model(answering(TEXT), fault=Fault(kind=FaultKind.RESET, at=3)) as (llm, vendor),
        llm.chat(chat_ctx=asking(), conn_options=RETRYING) as stream,
    ):
        said = [await anext(stream), await anext(stream)]
        with pytest.raises(APIConnectionError) as caught:
            await anext(stream)

    assert (text_of(said), caught.value.retryable, len(vendor.journal)) == ("It is", False, 1)


async def test_an_error_in_the_middle_is_told_with_its_request_id_and_without_the_key() -> None:
    answer = chat_events(chunk({"content": "It"}), problem("server_error", f"the key {KEY} is tired"))
    async with model(answer) as (llm, _):
        with pytest.raises(APIError, match="is tired") as caught:
            await read(llm, conn_options=RETRYING)

    error = caught.value
    assert (error.code, error.request_id, error.retryable) == ("server_error", REQUEST_ID, False)
    assert KEY not in f"{error!r} {error.body} {vars(error)}"


async def test_a_call_of_an_unknown_function_is_not_asked_for_again() -> None:
    wrong = chunk({"tool_calls": [call_piece("{}", id="a", name="get_wether")]})
    async with model(chat_events(wrong, chunk({}, finish="tool_calls"))) as (llm, vendor):
        with pytest.raises(APIError, match="'get_wether'") as caught:
            await read(llm, fnc_ctx=Weather(), conn_options=RETRYING)

    assert (caught.value.retryable, len(vendor.journal)) == (False, 1)


async def test_the_patience_of_the_model_counts_where_a_call_says_nothing() -> None:
    slow = chat_events(chunk({"role": "assistant", "content": ""}), Pause(5.0), done=None)
    async with model(slow, timeout=0.2) as (llm, _):
        async with llm.chat(chat_ctx=asking()) as stream:
            assert stream._conn_options.timeout == 0.2
        with pytest.raises(APITimeoutError):
            await read(llm, conn_options=APIConnectOptions(max_retry=0, timeout=0.1))


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan"), "5", True])
def test_a_patience_that_is_none_is_refused(timeout: Any) -> None:
    with pytest.raises(ConfigError, match="timeout is"):
        LLM(api_key=KEY, timeout=timeout)


def test_a_model_without_a_name_and_an_unknown_tool_choice_are_refused() -> None:
    choice: Any = "perhaps"
    with pytest.raises(ConfigError, match="model is empty"):
        LLM(api_key=KEY, model="")
    with pytest.raises(ConfigError, match="tool_choice is 'perhaps'"):
        LLM(api_key=KEY, tool_choice=choice)


def test_an_option_that_is_unknown_is_refused_by_name() -> None:
    options: Any = {"temprature": 1}
    with pytest.raises(TypeError, match="'temprature'"):
        LLM(api_key=KEY, **options)


# --- the key and the session ---------------------------------------------------------------------------------------


async def test_the_key_is_shown_in_its_header_and_nowhere_else(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with model(answering(TEXT)) as (llm, vendor), llm.chat(chat_ctx=asking(), conn_options=ONCE) as stream:
        said = [chunk async for chunk in stream]
        shown = [repr(llm), repr(vars(llm)), repr(stream), repr(vars(stream)), repr(said), caplog.text]

    assert KEY not in "".join([*shown, vendor.journal[0].raw_query, vendor.journal[0].path])


async def test_the_users_session_is_used_and_stays_open() -> None:
    async with aiohttp.ClientSession() as session:
        async with model(answering(TEXT), http_session=session) as (llm, _):
            await read(llm)
        assert not session.closed


async def test_closing_the_model_ends_answers_over_its_own_session() -> None:
    async with model(chat_events(chunk({"content": "It"}), Pause(30.0), done=None)) as (llm, _):
        stream = llm.chat(chat_ctx=asking(), conn_options=RETRYING)
        await anext(stream)
        await llm.aclose()

        assert [each async for each in stream] == []


async def test_nothing_is_shown_where_a_redirection_leads() -> None:
    elsewhere = Script().http("POST", CHAT, answering(TEXT))
    async with VendorServer(elsewhere, strict=False) as thief:
        away = reply(status=307, headers={"Location": f"{thief.url}{CHAT}"})
        script = Script().http("POST", CHAT, away, headers=bearer(KEY))
        async with VendorServer(script) as vendor, LLM(api_key=KEY, base_url=f"{vendor.url}/v1") as llm:
            await read(llm)

        assert "authorization" not in thief.journal[0].headers
