"""A conversation is stored and comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.llm.scripted import Tools, weather_call

from lk_agents.llm import ChatAudio, ChatContext, ChatImage, ChatMessage, FunctionCallInfo, FunctionInfo

TEXT = st.text(max_size=8)
SIZES = st.none() | st.integers(1, 4096)
PICTURES = st.builds(
    lambda url, width, height, detail: ChatImage(url, width, height, detail),
    TEXT,
    SIZES,
    SIZES,
    st.sampled_from(["auto", "high", "low"]),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def unknown(name: str) -> FunctionInfo:
    return FunctionInfo(name, "", False, print, {})


CALLS = st.builds(
    lambda call_id, name, arguments: FunctionCallInfo(call_id, unknown(name), json.dumps(arguments), arguments),
    TEXT,
    TEXT,
    st.dictionaries(TEXT, JSON, max_size=2),
)
MESSAGES = st.builds(
    ChatMessage,
    role=st.sampled_from(["system", "user", "assistant", "tool"]),
    id=TEXT,
    name=st.none() | TEXT,
    content=st.none() | TEXT | PICTURES | st.lists(TEXT | PICTURES, max_size=3) | JSON,
    tool_calls=st.none() | st.lists(CALLS, max_size=2),
    tool_call_id=st.none() | TEXT,
    tool_exception=st.none() | TEXT.map(ValueError),
)


def told(message: ChatMessage) -> tuple[Any, ...]:
    """Return all that a model is told of a message."""
    calls = message.tool_calls
    return (
        message.role,
        message.id,
        message.name,
        message.content,
        None if calls is None else [(one.tool_call_id, one.function_info.name, one.raw_arguments) for one in calls],
        None if calls is None else [one.arguments for one in calls],
        message.tool_call_id,
    )


@given(st.lists(MESSAGES, max_size=4))
def test_what_json_can_hold_comes_back_as_it_was(messages: list[ChatMessage]) -> None:
    context = ChatContext(messages)

    stored = json.loads(json.dumps(context.to_dict()))
    restored = ChatContext.from_dict(stored)

    assert [told(message) for message in restored.messages] == [told(message) for message in messages]
    assert restored.to_dict() == stored


@given(
    JSON
    | st.fixed_dictionaries(
        {
            "messages": st.lists(
                JSON
                | st.dictionaries(
                    st.sampled_from(
                        [
                            "id",
                            "role",
                            "content",
                            "name",
                            "tool_calls",
                            "tool_call_id",
                            "tool_exception",
                            "value",
                            "image",
                        ]
                    ),
                    JSON,
                ),
                max_size=3,
            )
        }
    )
)
def test_anything_else_is_a_conversation_or_a_value_error(data: Any) -> None:
    try:
        context = ChatContext.from_dict(data)
    except ValueError:
        return
    assert ChatContext.from_dict(context.to_dict()).to_dict() == context.to_dict()


def test_what_json_cannot_hold_of_a_result_becomes_text() -> None:
    context = ChatContext([ChatMessage(role="tool", content={"at": complex(1, 2), "list": (1, 2)})])  # type: ignore[arg-type]

    restored: Any = ChatContext.from_dict(context.to_dict()).messages[0].content

    assert restored == {"at": "(1+2j)", "list": [1, 2]}


def test_of_what_a_function_raised_the_text_comes_back() -> None:
    message = ChatMessage(role="tool", content="Error: no line", tool_exception=ConnectionError("no line"))

    restored = ChatContext.from_dict(ChatContext([message]).to_dict()).messages[0]

    assert str(restored.tool_exception) == "ConnectionError: no line"


def test_a_call_comes_back_with_its_function_if_that_is_there() -> None:
    tools = Tools()
    stored = ChatContext([ChatMessage.create_tool_calls([weather_call()])]).to_dict()

    restored: Any = ChatContext.from_dict(stored, fnc_ctx=tools).messages[0].tool_calls

    assert restored[0].function_info is tools.ai_functions["weather"]
    assert restored[0].arguments == {"city": "Rome"}


async def test_a_call_whose_function_is_gone_can_be_read_and_says_so_when_executed() -> None:
    stored = ChatContext([ChatMessage.create_tool_calls([weather_call()])]).to_dict()
    restored: Any = ChatContext.from_dict(stored).messages[0].tool_calls
    called = restored[0].execute()

    with pytest.raises(ValueError, match="'weather' was called in a stored conversation"):
        await called.task


def test_a_call_that_no_longer_fits_its_function_comes_back_all_the_same() -> None:
    stored = ChatContext([ChatMessage.create_tool_calls([weather_call()])]).to_dict()
    stored["messages"][0]["tool_calls"][0]["arguments"] = '{"place": "Rome"}'

    restored: Any = ChatContext.from_dict(stored, fnc_ctx=Tools()).messages[0].tool_calls

    assert restored[0].arguments == {"place": "Rome"}


def test_a_video_frame_is_stored_as_a_picture() -> None:
    pytest.importorskip("PIL")
    from livekit import rtc

    frame = rtc.VideoFrame(64, 32, rtc.VideoBufferType.RGBA, bytes(64 * 32 * 4))
    context = ChatContext().append(text="look", images=[ChatImage(frame, inference_width=16, inference_height=16)])

    restored: Any = ChatContext.from_dict(context.to_dict()).messages[0].content

    assert restored[1].image.startswith("data:image/jpeg;base64,/9j/")
    assert (restored[1].inference_width, restored[1].inference_height) == (16, 16)


def test_sound_is_not_stored_and_the_error_names_the_message() -> None:
    frames: Any = [object()]
    context = ChatContext([ChatMessage(role="user", id="item_7", content=["hi", ChatAudio(frames)])])

    with pytest.raises(ValueError, match="'item_7' holds sound"):
        context.to_dict()


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        ({"role": "user"}, "message 0 has no 'id'"),
        ({"role": "robot", "id": "a"}, "role 'robot'"),
        ({"role": "user", "id": 3}, "'id' of type int"),
        ({"role": "user", "id": "a", "content": 3}, "a picture of message 0 is a int"),
        ({"role": "user", "id": "a", "content": [{"image": "x", "inference_detail": "best"}]}, "'best'"),
        ({"role": "user", "id": "a", "tool_calls": [{"id": "b", "name": "c", "arguments": "["}]}, "no JSON"),
        ("hello", "message 0 is a str"),
    ],
)
def test_what_is_no_stored_conversation_is_an_error_that_says_where(message: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        ChatContext.from_dict({"messages": [message]})
