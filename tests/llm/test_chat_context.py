"""Messages and conversations: how they are made and copied, and what becomes text."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest
from tests.llm.scripted import weather_call

from lk_agents.llm import (
    ChatAudio,
    ChatContext,
    ChatImage,
    ChatMessage,
    FunctionContext,
    _create_ai_function_info,
    content_text,
)


async def ended(function: Any, call_id: str = "call_9") -> Any:
    """Call ``function`` as a model would, and return the call when it has ended."""
    context = FunctionContext()
    context.ai_callable(name="tool", description="")(function)
    called = _create_ai_function_info(context, call_id, "tool", "").execute()
    await asyncio.wait([called.task])
    return called


def test_a_message_without_pictures_has_its_text_as_content_even_an_empty_one() -> None:
    assert ChatMessage.create(text="hello", role="user").content == "hello"
    assert ChatMessage.create().content == ""


def test_a_message_with_pictures_is_a_list_with_the_text_first() -> None:
    picture = ChatImage("https://example.test/a.png")

    assert ChatMessage.create(text="look", images=[picture]).content == ["look", picture]
    assert ChatMessage.create(images=[picture]).content == [picture]


def test_each_message_gets_an_id_of_its_own_unless_one_is_given() -> None:
    made = {ChatMessage.create(id=given).id for given in (None, "", None)}

    assert len(made) == 3
    assert all(one.startswith("item_") for one in made)
    assert ChatMessage.create(id="mine").id == "mine"


def test_appending_gives_the_context_back_and_speaks_for_the_system_by_default() -> None:
    context = ChatContext()

    assert context.append(text="be brief").append(text="hi", role="user") is context
    assert [(message.role, message.content) for message in context.messages] == [("system", "be brief"), ("user", "hi")]


def test_a_copied_context_can_be_changed_without_changing_the_first() -> None:
    picture = ChatImage("https://example.test/a.png")
    call = weather_call()
    first = ChatContext().append(text="look", images=[picture])
    first.messages.append(ChatMessage.create_tool_calls([call], text="a moment"))

    second = first.copy()
    second.messages[0].content.append("more")  # type: ignore[union-attr]
    second.messages[1].tool_calls.clear()  # type: ignore[union-attr]
    second.messages[1].content = "changed"
    second.append(text="new")

    assert [message.content for message in first.messages] == [["look", picture], "a moment"]
    assert first.messages[1].tool_calls == [call]


def test_a_copied_context_has_the_same_ids_elements_and_metadata() -> None:
    picture = ChatImage("https://example.test/a.png")
    first = ChatContext().append(text="look", images=[picture])
    first._metadata["key"] = first.messages[0]._metadata["key"] = "value"

    second = first.copy()

    assert second == first
    assert second.messages[0].content[1] is picture  # type: ignore[index]
    assert second._metadata is first._metadata
    assert second.messages[0]._metadata is first.messages[0]._metadata


def test_a_copied_message_keeps_what_its_tool_raised() -> None:
    error = RuntimeError("no line")
    message = ChatMessage(role="tool", content="Error: no line", tool_call_id="call_1", tool_exception=error)

    assert message.copy().tool_exception is error


def test_a_copy_of_a_subclass_keeps_what_the_subclass_adds() -> None:
    class Dated(ChatMessage):
        at = 0.0

    message = Dated(role="user", content=["hi"])
    message.at = 12.5
    copied = message.copy()
    copied.content.append("more")  # type: ignore[union-attr]

    assert type(copied) is Dated
    assert copied.at == 12.5
    assert message.content == ["hi"]


async def test_the_result_of_a_call_becomes_a_message_with_the_raw_value() -> None:
    message: Any = ChatMessage.create_tool_from_called_function(await ended(lambda: {"degrees": 21}))

    assert (message.role, message.name, message.tool_call_id) == ("tool", "tool", "call_9")
    assert message.content == {"degrees": 21}
    assert message.tool_exception is None


async def test_what_a_call_raised_becomes_a_message_that_says_so() -> None:
    def fail() -> None:
        raise KeyError("Rome")

    message = ChatMessage.create_tool_from_called_function(await ended(fail))

    assert message.content == "Error: 'Rome'"
    assert isinstance(message.tool_exception, KeyError)


async def test_a_cancelled_call_becomes_a_message_without_an_exception() -> None:
    called = weather_call().execute()
    called.task.cancel()
    await asyncio.wait([called.task])

    message = ChatMessage.create_tool_from_called_function(called)

    assert message.content == "Error: "
    assert message.tool_exception is None


async def test_a_call_that_has_not_ended_gives_no_message() -> None:
    called = weather_call().execute()

    with pytest.raises(ValueError, match="'weather' has not ended"):
        ChatMessage.create_tool_from_called_function(called)

    await called.task


def test_calls_become_a_message_of_the_assistant() -> None:
    call = weather_call()
    message = ChatMessage.create_tool_calls([call], text="a moment")

    assert (message.role, message.content, message.tool_calls) == ("assistant", "a moment", [call])


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (None, ""),
        ("as it is", "as it is"),
        ({"city": "Zürich", "sunny": True}, '{"city": "Zürich", "sunny": true}'),
        (21, "21"),
        ([1, None], "[1, null]"),
        (("a", "b"), '["a", "b"]'),
        ({"at": dt.date(2025, 1, 1)}, '{"at": "2025-01-01"}'),
        (float("nan"), "nan"),
        ({(1, 2): "a"}, "{(1, 2): 'a'}"),
        (["see", ChatImage("https://example.test/a.png"), "there"], "see\nthere"),
    ],
)
def test_whatever_a_tool_returns_becomes_text(result: object, expected: str) -> None:
    assert content_text(result) == expected


def test_a_result_that_holds_itself_becomes_text() -> None:
    result: list[object] = []
    result.append(result)

    assert content_text(result) == "[[...]]"


def test_sound_is_a_frame_or_several() -> None:
    frames: Any = [object(), object()]

    assert ChatAudio(frames).frame is frames
