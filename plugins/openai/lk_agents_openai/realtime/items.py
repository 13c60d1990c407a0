"""A conversation as the items that OpenAI keeps of it, and those items as a conversation."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, cast

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.log import logger
from lk_agents.llm.chat_context import ChatAudio, ChatImage, ChatMessage, content_text
from lk_agents.llm.function_call import FunctionCallInfo, FunctionInfo
from lk_agents_openai.chat_format import picture_address
from lk_agents_openai.realtime.api_proto import SAMPLE_RATE

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.llm.chat_context import ChatRole
    from lk_agents_openai.realtime.api_proto import Dialect
    from lk_agents_openai.realtime.message_parts import Item

__all__ = ["call_of", "has_sound", "message_of", "silence_item", "sound_item", "text_of", "wire_id", "wire_items"]

LONGEST_ID: Final = 32
"""OpenAI refuses longer ids of items."""
BYTES_PER_SAMPLE: Final = 2

Wire = dict[str, Any]


def wire_id(message_id: str, number: int = 0) -> str:
    """Return the id of an item of a message: the message's own, if it can be had; else one that follows from it.

    :param number: which of the message's items it is.
    """
    if not number and len(message_id) <= LONGEST_ID:
        return message_id
    digest = hashlib.blake2b(f"{message_id}/{number}".encode(), digest_size=12).hexdigest()
    return f"item_{digest}"


# --- to the server -------------------------------------------------------------------------------------------------


def wire_items(message: ChatMessage, *, dialect: Dialect) -> list[Wire]:
    """Return the items of a message, in their order: one, or more where it says something and calls functions.

    Video frames in it must have been encoded, see :func:`~lk_agents_openai.chat_format.encode_pictures`.

    :returns: nothing, if it says nothing that OpenAI can keep.
    """
    bare = list(_bare_items(message, dialect))
    return [{"id": wire_id(message.id, number), **item} for number, item in enumerate(bare)]


def _bare_items(message: ChatMessage, dialect: Dialect) -> Iterator[Wire]:
    if message.role == "tool":
        if message.tool_call_id:
            output = content_text(message.content)
            yield {"type": "function_call_output", "call_id": message.tool_call_id, "output": output}
        return
    parts = message.content if isinstance(message.content, list) else [message.content]
    wired = [part for each in parts if (part := _part(each, message.role, dialect)) is not None]
    if wired:
        yield {"type": "message", "role": message.role, "content": wired}
    for call in message.tool_calls or ():
        yield {
            "type": "function_call",
            "call_id": call.tool_call_id,
            "name": call.function_info.name,
            "arguments": call.raw_arguments or "{}",
        }


def _part(part: object, role: str, dialect: Dialect) -> Wire | None:
    if isinstance(part, str):
        kind = "input_text" if role != "assistant" else "output_text" if dialect == "ga" else "text"
        return {"type": kind, "text": part} if part else None
    if role == "user" and isinstance(part, ChatAudio):
        return {"type": "input_audio", "audio": base64.b64encode(_samples_of(part)).decode()}
    if role == "user" and isinstance(part, ChatImage) and dialect == "ga":
        return _picture(part)
    if part is not None:
        logger.warning(
            "a part of a message cannot be brought into the conversation and is left out",
            extra={"role": role, "kind": type(part).__name__},
        )
    return None


def _picture(image: ChatImage) -> Wire | None:
    address = picture_address(image)
    if not address.startswith("data:"):
        logger.warning("a picture is left out: a speech-to-speech model takes data, not addresses", extra={})
        return None
    return {"type": "input_image", "image_url": address, "detail": image.inference_detail}


def _samples_of(audio: ChatAudio) -> bytes:
    from lk_agents.utils.audio import Resampler

    frames: list[rtc.AudioFrame] = audio.frame if isinstance(audio.frame, list) else [audio.frame]
    resampler = Resampler(SAMPLE_RATE, mono=True)
    converted = [piece for frame in frames for piece in resampler.push(frame)] + resampler.flush()
    return b"".join(bytes(piece.data.cast("B")[: piece.samples_per_channel * BYTES_PER_SAMPLE]) for piece in converted)


def sound_item(item_id: str, samples: bytes) -> Wire:
    """Return an item with what the user has said, as sound: 24 kHz, mono, 16 bit."""
    content = [{"type": "input_audio", "audio": base64.b64encode(samples).decode()}]
    return {"id": item_id, "type": "message", "role": "user", "content": content}


def has_sound(items: Iterable[Wire]) -> bool:
    """Tell whether the user says something in an item that is sound."""
    parts = (part for item in items for part in item.get("content", ()))
    return any(part["type"] == "input_audio" for part in parts)


def silence_item(item_id: str, *, seconds: float = 1.0) -> Wire:
    """Return an item in which the user says nothing: it keeps a model speaking that has got nothing but text."""
    return sound_item(item_id, bytes(round(seconds * SAMPLE_RATE) * BYTES_PER_SAMPLE))


# --- from the server -----------------------------------------------------------------------------------------------


def message_of(item: Item) -> ChatMessage | None:
    """Return the message that an item is; None for items that are none.

    What the model says, and what the user has said and was not understood yet, has None as its content. A call stands
    in ``tool_calls``.
    """
    if item.type == "message":
        role: ChatRole = "user" if item.role not in {"system", "assistant"} else cast("ChatRole", item.role)
        return ChatMessage(role=role, id=item.id, content=text_of(item))
    if item.type == "function_call":
        return ChatMessage(role="assistant", id=item.id, content="", tool_calls=[call_of(item)])
    if item.type == "function_call_output":
        return ChatMessage(role="tool", id=item.id, content=item.output or "", tool_call_id=item.call_id)
    return None


def text_of(item: Item) -> str | None:
    """Return what a message says, as far as it is known as text."""
    said = [text for part in item.content or () if (text := part.text or part.transcript)]
    return "".join(said) or None


def call_of(item: Item) -> FunctionCallInfo:
    """Return a call as the conversation holds it, whether it can be made or not."""
    name = item.name or ""

    def refuse(**_: Any) -> None:
        raise ConfigError(f"{name!r} is called in a conversation; the session makes the call, not the message")

    info = FunctionInfo(name=name, description="", auto_retry=False, callable=refuse, arguments={})
    return FunctionCallInfo(item.call_id or item.id, info, item.arguments or "", {})
