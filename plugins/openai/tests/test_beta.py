"""The Assistants API, against a server that keeps threads as OpenAI did."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from livekit import rtc
from openai_bench import KEY, ONCE, RETRYING, Weather, calls_of, text_of
from openai_fake import bearer

from lk_agents.foundation.errors import APIError, APIStatusError, ConfigError
from lk_agents.llm import ChatChunk, ChatContext, ChatImage, ChatMessage
from lk_agents.testing.vendor import Answer, Exchange, Script, VendorServer, events, reply
from lk_agents_openai.beta import (
    AssistantCreateOptions,
    AssistantLLM,
    AssistantLoadOptions,
    AssistantOptions,
    OnFileUploadedInfo,
)

pytestmark = pytest.mark.usefixtures("lk_no_leaks")

CREATE = AssistantOptions(create_options=AssistantCreateOptions("Ada", "Be brief.", "gpt-4o", temperature=0.5))
LOAD = AssistantOptions(load_options=AssistantLoadOptions("asst_7", "thread_1"))
THREAD = "/v1/threads/thread_1"


def run(status: str, number: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "id": f"run_{number}",
        "object": "thread.run",
        "status": status,
        "thread_id": "thread_1",
        "required_action": None,
        "last_error": None,
        "usage": None,
        **more,
    }


def delta(text: str) -> tuple[str, dict[str, Any]]:
    content = [{"index": 0, "type": "text", "text": {"value": text, "annotations": []}}]
    return "thread.message.delta", {"id": "msg_9", "object": "thread.message.delta", "delta": {"content": content}}


def spoken(*words: str, number: int = 1) -> Answer:
    usage = {"completion_tokens": 3, "prompt_tokens": 7, "total_tokens": 10}
    return said(
        ("thread.run.created", run("queued", number)),
        ("thread.run.step.created", {"id": "step_1", "object": "thread.run.step"}),
        ("thread.message.created", {"id": "msg_9"}),
        *(delta(word) for word in words),
        ("thread.run.completed", run("completed", number, usage=usage)),
    )


def calling(**calls: Mapping[str, Any]) -> Answer:
    tool_calls = [
        {"id": call_id, "type": "function", "function": {"name": "get_weather", "arguments": json.dumps(arguments)}}
        for call_id, arguments in calls.items()
    ]
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": tool_calls}}
    return said(
        ("thread.run.created", run("queued")),
        ("thread.run.requires_action", run("requires_action", required_action=action)),
    )


def said(*messages: tuple[str, Any]) -> Answer:
    return replace(
        events(*messages, ("thread.new", {"of": "no use"}), done=None), tail=b"event: done\ndata: [DONE]\n\n"
    )


def made(prefix: str) -> Any:
    numbers = count(1)

    async def answer(exchange: Exchange) -> Answer:
        return reply({"id": f"{prefix}_{next(numbers)}"})

    return answer


@asynccontextmanager
async def assistant(
    *runs: Any, options: AssistantOptions = LOAD, more: Mapping[tuple[str, str], Any] | None = None, **given: Any
) -> AsyncIterator[tuple[AssistantLLM, VendorServer]]:
    headers = {**bearer(KEY), "OpenAI-Beta": "assistants=v2"}
    script = Script()
    if options is CREATE:
        script.http("POST", "/v1/assistants", made("asst"), headers=headers)
        script.http("POST", "/v1/threads", made("thread"), headers=headers)
    if runs:
        script.http("POST", f"{THREAD}/messages", made("msg"), headers=headers, repeat=True)
        script.http("POST", f"{THREAD}/runs", *runs, headers=headers)
    for (method, path), answer in (more or {}).items():
        script.http(method, path, answer, headers=headers)
    async with (
        VendorServer(script) as vendor,
        AssistantLLM(assistant_opts=options, api_key=KEY, base_url=f"{vendor.url}/v1", **given) as llm,
    ):
        yield llm, vendor


async def read(llm: AssistantLLM, context: ChatContext, **options: Any) -> list[ChatChunk]:
    options.setdefault("conn_options", ONCE)
    async with llm.chat(chat_ctx=context, **options) as stream:
        return [chunk async for chunk in stream]


def asked(vendor: VendorServer) -> list[tuple[str, str]]:
    return [(each.method, each.path.removeprefix("/v1")) for each in vendor.journal]


def hello() -> ChatContext:
    return ChatContext().append(text="Be nice.").append(text="Hello.", role="user")


async def test_an_assistant_is_made_and_answers() -> None:
    async with assistant(spoken("Hi", " there."), options=CREATE) as (llm, vendor):
        chunks = await read(llm, hello(), temperature=0.1)

    assert text_of(chunks) == "Hi there."
    assert {each.request_id for each in chunks} == {"run_1"}
    assert [(each.usage.prompt_tokens, each.usage.total_tokens) for each in chunks if each.usage] == [(7, 10)]
    assert asked(vendor) == [
        ("POST", "/assistants"),
        ("POST", "/threads"),
        ("POST", "/threads/thread_1/messages"),
        ("POST", "/threads/thread_1/runs"),
    ]
    assert vendor.journal[0].json() == {
        "name": "Ada",
        "instructions": "Be brief.",
        "model": "gpt-4o",
        "temperature": 0.5,
    }
    assert vendor.journal[3].json() == {"assistant_id": "asst_1", "temperature": 0.1, "stream": True}


async def test_each_message_of_the_user_goes_out_once_and_what_is_removed_is_removed_there() -> None:
    deletion = {("DELETE", f"{THREAD}/messages/msg_1"): reply({"id": "msg_1", "deleted": True})}
    async with assistant(spoken("Hi."), spoken("Well."), spoken("So."), more=deletion) as (llm, vendor):
        context = hello()
        await read(llm, context)
        context.append(text="Hi.", role="assistant").append(text="How are you?", role="user")
        context.messages.pop(1)
        await read(llm, context)
        await read(llm, context)

    bodies = [each.json() for each in vendor.journal if each.path == f"{THREAD}/messages"]
    assert [each["content"] for each in bodies] == [
        [{"type": "text", "text": "Hello."}],
        [{"type": "text", "text": "How are you?"}],
    ]
    assert bodies[0]["metadata"]["item_id"].startswith("item_")
    assert ("DELETE", "/threads/thread_1/messages/msg_1") in asked(vendor)


async def test_the_results_of_calls_let_the_assistant_go_on() -> None:
    functions = Weather()
    path = f"{THREAD}/runs/run_1/submit_tool_outputs"
    async with assistant(
        calling(call_1={"city": "Paris"}, call_2={"city": "Rome"}), more={("POST", path): spoken("Sunny.")}
    ) as (llm, vendor):
        context = hello()
        async with llm.chat(chat_ctx=context, fnc_ctx=functions, conn_options=ONCE) as stream:
            chunks = [each async for each in stream]
            called = stream.execute_functions()
            for each in called:
                await each.task
        context.messages.append(ChatMessage.create_tool_calls([each.call_info for each in called]))
        context.messages += [ChatMessage.create_tool_from_called_function(each) for each in called]
        answer = await read(llm, context, fnc_ctx=functions)

    assert [(call_id, given) for call_id, _, given in calls_of(chunks)] == [
        ("call_1", {"city": "Paris"}),
        ("call_2", {"city": "Rome"}),
    ]
    assert text_of(answer) == "Sunny."
    assert vendor.journal[-1].json() == {
        "tool_outputs": [
            {"tool_call_id": "call_1", "output": "sunny in Paris on day 0"},
            {"tool_call_id": "call_2", "output": "sunny in Rome on day 0"},
        ],
        "stream": True,
    }
    (tool,) = vendor.journal[1].json()["tools"]
    assert tool["function"]["name"] == "get_weather"


async def test_an_assistant_that_waits_for_results_is_stopped_when_the_user_goes_on() -> None:
    cancel = {("POST", f"{THREAD}/runs/run_1/cancel"): reply(run("cancelled"))}
    async with assistant(calling(call_1={"city": "Paris"}), spoken("Well.", number=2), more=cancel) as (llm, vendor):
        context = hello()
        await read(llm, context, fnc_ctx=Weather())
        context.append(text="Never mind.", role="user")
        assert text_of(await read(llm, context)) == "Well."

    assert asked(vendor)[2:] == [
        ("POST", "/threads/thread_1/runs/run_1/cancel"),
        ("POST", "/threads/thread_1/messages"),
        ("POST", "/threads/thread_1/runs"),
    ]


async def test_an_assistant_that_does_not_stop_at_once_is_asked_again() -> None:
    cancelling, gone = reply(run("cancelling")), reply({"error": {"message": "it has ended"}}, status=400)
    script = Script().http("POST", f"{THREAD}/messages", made("msg"), repeat=True)
    script.http("POST", f"{THREAD}/runs", calling(call_1={"city": "Paris"}), spoken("Well.", number=2))
    script.http("POST", f"{THREAD}/runs/run_1/cancel", cancelling, gone)
    script.http("GET", f"{THREAD}/runs/run_1", reply(run("cancelled")))
    async with (
        VendorServer(script) as vendor,
        AssistantLLM(assistant_opts=LOAD, api_key=KEY, base_url=f"{vendor.url}/v1") as llm,
    ):
        context = hello()
        await read(llm, context, fnc_ctx=Weather())
        context.append(text="Never mind.", role="user")
        assert text_of(await read(llm, context, conn_options=RETRYING)) == "Well."


async def test_pictures_are_uploaded_once_and_somebody_is_told() -> None:
    uploaded: list[OnFileUploadedInfo] = []
    frame = ChatImage(rtc.VideoFrame(8, 8, rtc.VideoBufferType.RGBA, bytes(8 * 8 * 4)), inference_detail="low")
    address = ChatImage("https://example.test/cat.png")
    files = {("POST", "/v1/files"): reply({"id": "file_1", "purpose": "vision"})}
    async with assistant(spoken("A cat."), spoken("Yes."), more=files, on_file_uploaded=uploaded.append) as (
        llm,
        vendor,
    ):
        context = ChatContext().append(text="What is this?", images=[frame, address], role="user")
        await read(llm, context)
        context.append(text="", images=[frame], role="user")
        await read(llm, context)

    first, second = (each.json()["content"] for each in vendor.journal if each.path == f"{THREAD}/messages")
    picture = {"type": "image_file", "image_file": {"file_id": "file_1", "detail": "low"}}
    assert first[1:] == [
        picture,
        {"type": "image_url", "image_url": {"url": "https://example.test/cat.png", "detail": "auto"}},
    ]
    assert second == [picture]
    (told,) = uploaded
    assert (told.type, told.original_file, told.openai_file_object["id"]) == ("image", frame, "file_1")
    form = next(each.body for each in vendor.journal if each.path == "/v1/files")
    assert b'name="purpose"' in form
    assert b"image/jpeg" in form


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (
            ("thread.run.failed", run("failed", last_error={"code": "rate_limit_exceeded", "message": "no"})),
            "rate_limit_exceeded",
        ),
        (("thread.run.expired", run("expired")), None),
        (("error", {"code": "server_error", "message": "it broke"}), "server_error"),
    ],
)
async def test_an_assistant_that_fails_is_an_error_with_its_code(event: tuple[str, Any], code: str | None) -> None:
    async with assistant(said(("thread.run.created", run("queued")), event)) as (llm, _):
        with pytest.raises(APIError) as caught:
            await read(llm, hello())

    assert caught.value.code == code


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (said(("thread.run.created", run("queued")), delta("Hi")), "before it was complete"),
        (said(("thread.run.created", {"status": "queued"})), "cannot be understood: .*id"),
        (reply({"id": "run_1"}), "where text/event-stream was asked for"),
    ],
)
async def test_an_answer_that_is_none_is_an_error_that_says_why(answer: Answer, words: str) -> None:
    async with assistant(answer) as (llm, _):
        with pytest.raises(APIError, match=words):
            await read(llm, hello())


async def test_a_refusal_keeps_its_status() -> None:
    refused = reply({"error": {"message": "gone", "code": "unknown_url"}}, status=404)
    async with assistant(more={("POST", f"{THREAD}/messages"): refused}) as (llm, _):
        with pytest.raises(APIStatusError) as caught:
            await read(llm, hello())

    assert (caught.value.status_code, caught.value.code) == (404, "unknown_url")


async def test_a_call_without_functions_is_passed_over_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    async with assistant(calling(call_1={"city": "Paris"})) as (llm, _):
        assert await read(llm, hello()) == []

    assert [record.levelno for record in caplog.records] == [logging.WARNING]


async def test_what_cannot_be_is_refused_with_words() -> None:
    with pytest.raises(ConfigError, match="and not both"):
        AssistantOptions()
    async with assistant() as (llm, _):
        with pytest.raises(ConfigError, match="gives one answer"):
            llm.chat(chat_ctx=hello(), n=2)


async def test_the_key_is_in_no_representation() -> None:
    async with assistant(spoken("Hi.")) as (llm, _), llm.chat(chat_ctx=hello(), conn_options=ONCE) as stream:
        said = [each async for each in stream]
        shown = f"{llm!r} {vars(llm)} {vars(vars(llm)['_thread'])} {stream!r} {vars(stream)} {said}"

    assert KEY not in shown
