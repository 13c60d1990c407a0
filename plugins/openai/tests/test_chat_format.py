"""A conversation and its functions as OpenAI wants them."""

from __future__ import annotations

import base64
import io
import wave
from typing import Annotated, Any

import pytest
from livekit import rtc
from openai_bench import Weather

from lk_agents.foundation.errors import ConfigError
from lk_agents.llm import (
    ChatAudio,
    ChatContext,
    ChatImage,
    ChatMessage,
    FunctionContext,
    LLMCapabilities,
    ToolChoice,
    TypeInfo,
    _create_ai_function_info,
    ai_callable,
)
from lk_agents_openai.chat_format import encode_pictures, wire_message, wire_tool_choice, wire_tools


def frame(width: int = 64, height: int = 32) -> rtc.VideoFrame:
    return rtc.VideoFrame(width, height, rtc.VideoBufferType.RGBA, bytes([200, 10, 10, 255]) * width * height)


def test_text_stays_text_and_roles_stay_roles() -> None:
    context = ChatContext().append(text="be brief").append(text="hi", role="user").append(text="", role="assistant")

    assert [wire_message(message) for message in context.messages] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": ""},
    ]


def test_calls_go_out_as_the_model_wrote_them() -> None:
    call = _create_ai_function_info(Weather(), "call_1", "get_weather", '{"city":  "Paris"}')
    message = ChatMessage.create_tool_calls([call])
    message.content = None

    assert wire_message(message) == {
        "role": "assistant",
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":  "Paris"}'}}
        ],
    }


@pytest.mark.parametrize(
    ("content", "text"),
    [("sunny", "sunny"), (None, ""), ({"t": 3}, '{"t": 3}'), (["a", 1], '["a", 1]'), (7, "7"), (True, "true")],
)
def test_the_result_of_a_call_becomes_text(content: Any, text: str) -> None:
    message = ChatMessage(role="tool", name="get_weather", content=content, tool_call_id="call_1")

    assert wire_message(message) == {
        "role": "tool",
        "name": "get_weather",
        "content": text,
        "tool_call_id": "call_1",
    }


async def test_addresses_of_pictures_go_out_as_they_are() -> None:
    image = ChatImage("https://example.test/cat.png", inference_detail="low")
    message = ChatMessage.create(text="What is this?", images=[image], role="user")
    await encode_pictures([message])

    assert wire_message(message)["content"] == [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "https://example.test/cat.png", "detail": "low"}},
    ]


@pytest.mark.parametrize(
    ("size", "expected"), [({}, (64, 32)), ({"inference_width": 16}, (64, 32)),
                           ({"inference_width": 16, "inference_height": 16}, (16, 8))]
)  # fmt: skip
async def test_video_frames_become_jpeg_of_the_wanted_size(size: dict[str, Any], expected: tuple[int, int]) -> None:
    from PIL import Image

    message = ChatMessage.create(images=[ChatImage(frame(), **size)], role="user")
    await encode_pictures([message])
    (part,) = wire_message(message)["content"]

    kind, _, data = part["image_url"]["url"].partition(",")
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    assert (kind, picture.format, picture.size) == ("data:image/jpeg;base64", "JPEG", expected)
    assert part["image_url"]["detail"] == "auto"


async def test_a_frame_is_encoded_once_also_for_copies_of_its_message() -> None:
    message = ChatMessage.create(images=[ChatImage(frame())], role="user")
    await encode_pictures([message])
    first = wire_message(message)["content"][0]["image_url"]["url"]
    copy = message.copy()
    await encode_pictures([copy])

    assert wire_message(copy)["content"][0]["image_url"]["url"] is first


async def test_a_picture_of_another_kind_is_refused_with_words() -> None:
    picture: Any = 3

    with pytest.raises(ConfigError, match="is a int; it must be an address"):
        await encode_pictures([ChatMessage.create(images=[ChatImage(picture)], role="user")])


def test_sound_goes_out_as_wav() -> None:
    sound = rtc.AudioFrame(b"\1\0" * 160, 16_000, 1, 160)
    message = ChatMessage(role="user", content=["listen", ChatAudio([sound, sound])])

    _, part = wire_message(message)["content"]
    assert (part["type"], part["input_audio"]["format"]) == ("input_audio", "wav")
    with wave.open(io.BytesIO(base64.b64decode(part["input_audio"]["data"]))) as file:
        assert (file.getframerate(), file.getnframes()) == (16_000, 320)


class Rooms(FunctionContext):
    @ai_callable(description="Books a room.")
    async def book(
        self,
        name: Annotated[str, TypeInfo(description="which", choices=("red", "blue"))],
        days: Annotated[list[int], TypeInfo(description="", choices=(1, 2))],
    ) -> None: ...


def test_functions_go_out_with_their_schema() -> None:
    (tool,) = wire_tools(Rooms(), LLMCapabilities())

    assert tool == {
        "type": "function",
        "function": {
            "name": "book",
            "description": "Books a room.",
            "parameters": {
                "type": "object",
                "properties": {
                    "name": {"description": "which", "type": "string", "enum": ["red", "blue"]},
                    "days": {"type": "array", "items": {"type": "integer", "enum": [1, 2]}},
                },
                "required": ["name", "days"],
                "additionalProperties": False,
            },
        },
    }


def test_integers_with_choices_are_refused_where_the_model_does_not_know_them() -> None:
    with pytest.raises(ConfigError, match="'days' of 'book' is an integer with choices"):
        wire_tools(Rooms(), LLMCapabilities(supports_choices_on_int=False))


def test_a_function_that_must_be_called_is_named() -> None:
    assert wire_tool_choice(ToolChoice("function", "book")) == {"type": "function", "function": {"name": "book"}}
    assert wire_tool_choice("required") == "required"
