"""A conversation and its functions as the chat completions want them."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation.errors import ConfigError
from lk_agents.llm.annotations import unwrap_optional
from lk_agents.llm.chat_context import ChatAudio, ChatImage, content_text
from lk_agents.llm.chunks import ToolChoice
from lk_agents.llm.schema import function_schema
from lk_agents.utils.aio.threads import call_in_thread

if TYPE_CHECKING:
    from lk_agents.llm.annotations import FunctionArgInfo
    from lk_agents.llm.chat_context import ChatMessage
    from lk_agents.llm.chunks import LLMCapabilities
    from lk_agents.llm.function_context import FunctionContext

__all__ = ["encode_pictures", "picture_address", "wire_message", "wire_tool_choice", "wire_tools"]

JPEG_QUALITY: Final = 75
CACHE_KEY: Final = "lk_agents_openai"

Wire = dict[str, Any]


def wire_message(message: ChatMessage) -> Wire:
    """Return one message; its pictures must be encoded, see :func:`encode_pictures`.

    :raises ConfigError: a picture is neither an address nor a video frame.
    """
    wire: Wire = {"role": message.role}
    if message.name:
        wire["name"] = message.name
    if (content := _content(message)) is not None:
        wire["content"] = content
    if message.tool_calls:
        wire["tool_calls"] = [
            {
                "id": call.tool_call_id,
                "type": "function",
                "function": {"name": call.function_info.name, "arguments": call.raw_arguments},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        wire["tool_call_id"] = message.tool_call_id
    return wire


def _content(message: ChatMessage) -> str | list[Wire] | None:
    content: object = message.content
    if message.role == "tool":
        return content_text(content)
    if content is None or isinstance(content, str):
        return content
    if isinstance(content, ChatImage | ChatAudio):
        return [_part(content)]
    if isinstance(content, list) and all(isinstance(part, str | ChatImage | ChatAudio) for part in content):
        return [_part(part) for part in content]
    return content_text(content)


def _part(part: str | ChatImage | ChatAudio) -> Wire:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if isinstance(part, ChatImage):
        return {"type": "image_url", "image_url": {"url": picture_address(part), "detail": part.inference_detail}}
    from lk_agents.utils.audio import combine_frames

    sound = base64.b64encode(combine_frames(part.frame).to_wav_bytes()).decode()
    return {"type": "input_audio", "input_audio": {"data": sound, "format": "wav"}}


# --- pictures ------------------------------------------------------------------------------------------------------


async def encode_pictures(messages: Iterable[ChatMessage]) -> None:
    """Encode the video frames among the contents, each once: a conversation is sent again with every turn.

    :raises ConfigError: a picture is neither an address nor a video frame.
    :raises ImportError: Pillow is missing (the extra ``images``).
    """
    for message in messages:
        parts = message.content if isinstance(message.content, list) else [message.content]
        for part in parts:
            if isinstance(part, ChatImage) and not isinstance(part.image, str) and _cached(part) is None:
                await call_in_thread(partial(_encode, part), name="lk-openai-picture")


def picture_address(image: ChatImage) -> str:
    """Return the address of a picture; a frame's must have been encoded, see :func:`encode_pictures`."""
    if isinstance(image.image, str):
        return image.image
    address = _cached(image)
    assert address is not None, "encode_pictures() comes first"
    return address


def _cached(image: ChatImage) -> str | None:
    address: str | None = image._cache.get(_cache_key(image))  # noqa: SLF001  meant for providers
    return address


def _cache_key(image: ChatImage) -> tuple[object, ...]:
    return CACHE_KEY, image.inference_width, image.inference_height


def _encode(image: ChatImage) -> None:
    from livekit import rtc

    from lk_agents.utils.images import EncodeOptions, ResizeOptions, encode

    frame: object = image.image
    if not isinstance(frame, rtc.VideoFrame):
        raise ConfigError(
            f"the image of a ChatImage is a {type(frame).__name__}; it must be an address (http:, https: or data:) or "
            f"a video frame"
        )
    size = None
    if image.inference_width and image.inference_height:
        size = ResizeOptions(image.inference_width, image.inference_height, "scale_aspect_fit")
    encoded = encode(frame, EncodeOptions(format="JPEG", quality=JPEG_QUALITY, resize_options=size))
    address = f"data:image/jpeg;base64,{base64.b64encode(encoded).decode()}"
    image._cache[_cache_key(image)] = address  # noqa: SLF001  meant for providers


# --- functions -----------------------------------------------------------------------------------------------------


def wire_tools(functions: FunctionContext, capabilities: LLMCapabilities) -> list[Wire]:
    """Return the functions that the model may call.

    :raises ConfigError: an integer is limited to certain values, and the model does not know such; or there is no
        name for the type of an argument.
    """
    infos = list(functions.ai_functions.values())
    if not capabilities.supports_choices_on_int:
        for info in infos:
            for argument in info.arguments.values():
                _refuse_choices_on_int(info.name, argument)
    return [
        {
            "type": "function",
            "function": {"name": info.name, "description": info.description, "parameters": function_schema(info)},
        }
        for info in infos
    ]


def _refuse_choices_on_int(function: str, argument: FunctionArgInfo) -> None:
    _, inner = unwrap_optional(argument.type)
    if argument.choices and inner in {int, list[int]}:
        raise ConfigError(
            f"argument {argument.name!r} of {function!r} is an integer with choices, which this model does not know; "
            f"make it a str"
        )


def wire_tool_choice(choice: ToolChoice | str) -> str | Wire:
    """Return whether the model may, must or must not call, or which function it must call."""
    if isinstance(choice, ToolChoice):
        return {"type": "function", "function": {"name": choice.name}}
    return choice
