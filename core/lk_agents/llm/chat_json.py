"""A conversation as JSON and back."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, get_args

from lk_agents.foundation.errors import ConfigError, LkAgentsError
from lk_agents.llm.arguments import FunctionCallError, _create_ai_function_info, parse_object
from lk_agents.llm.chat_context import ChatAudio, ChatImage, ChatMessage, ChatRole, content_text
from lk_agents.llm.function_call import FunctionCallInfo, FunctionInfo

if TYPE_CHECKING:
    from lk_agents.llm.chat_context import ChatContext
    from lk_agents.llm.function_context import FunctionContext

__all__ = ["RestoredToolError", "context_to_dict", "messages_from_dict"]

_DETAILS: Final = ("auto", "high", "low")


class RestoredToolError(LkAgentsError):
    """What a function raised in a conversation that has been stored; of the error itself only the text is left."""


def context_to_dict(context: ChatContext) -> dict[str, Any]:
    """See :meth:`ChatContext.to_dict`."""
    return {"messages": [_message_to_dict(message) for message in context.messages]}


def messages_from_dict(data: Mapping[str, Any], fnc_ctx: FunctionContext | None) -> list[ChatMessage]:
    """See :meth:`ChatContext.from_dict`."""
    messages = _field(data, "messages", list, "a stored conversation")
    return [_message_from_dict(each, fnc_ctx, f"message {number}") for number, each in enumerate(messages)]


# --- to a dictionary ---------------------------------------------------------------------------------------------


def _message_to_dict(message: ChatMessage) -> dict[str, Any]:
    stored: dict[str, Any] = {
        "id": message.id,
        "role": message.role,
        "content": _content_to_json(message.content, message.id),
    }
    if message.name is not None:
        stored["name"] = message.name
    if message.tool_calls is not None:
        stored["tool_calls"] = [
            {"id": call.tool_call_id, "name": call.function_info.name, "arguments": call.raw_arguments}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        stored["tool_call_id"] = message.tool_call_id
    if (error := message.tool_exception) is not None:
        text = str(error) if isinstance(error, RestoredToolError) else f"{type(error).__name__}: {error}"
        stored["tool_exception"] = text
    return stored


def _content_to_json(content: object, message_id: str) -> object:
    if content is None or isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    if not any(isinstance(part, ChatImage | ChatAudio) for part in parts) and not _are_texts(content):
        return {"value": _plain_json(content)}
    stored = [_part_to_json(part, message_id) for part in parts]
    return stored if isinstance(content, list) else stored[0]


def _are_texts(content: object) -> bool:
    return isinstance(content, list) and all(isinstance(part, str) for part in content)


def _part_to_json(part: object, message_id: str) -> object:
    if isinstance(part, str):
        return part
    if isinstance(part, ChatImage):
        return {
            "image": part.image if isinstance(part.image, str) else _data_url(part),
            "inference_width": part.inference_width,
            "inference_height": part.inference_height,
            "inference_detail": part.inference_detail,
        }
    what = "sound, which is not stored" if isinstance(part, ChatAudio) else f"a {type(part).__name__} beside a picture"
    raise ConfigError(f"message {message_id!r} holds {what}; replace it by its text before you store the conversation")


def _data_url(image: ChatImage) -> str:
    from lk_agents.utils.images import EncodeOptions, ResizeOptions, encode

    size = None
    if image.inference_width and image.inference_height:
        size = ResizeOptions(image.inference_width, image.inference_height, "scale_aspect_fit")
    assert not isinstance(image.image, str)  # those are URLs already
    encoded = encode(image.image, EncodeOptions(format="JPEG", resize_options=size))
    return f"data:image/jpeg;base64,{base64.b64encode(encoded).decode()}"


def _plain_json(value: object) -> object:
    """Return ``value`` as JSON gives it back: tuples are lists, what it cannot hold is text."""
    text = content_text(value)
    try:
        plain: object = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return plain


# --- from a dictionary -------------------------------------------------------------------------------------------


def _message_from_dict(stored: Any, fnc_ctx: FunctionContext | None, where: str) -> ChatMessage:
    role = _field(stored, "role", str, where)
    if role not in get_args(ChatRole):
        raise ConfigError(f"{where} has the role {role!r}; it must be one of {', '.join(get_args(ChatRole))}")
    calls = _optional(stored, "tool_calls", list, where)
    error = _optional(stored, "tool_exception", str, where)
    return ChatMessage(
        role=role,
        id=_field(stored, "id", str, where),
        name=_optional(stored, "name", str, where),
        content=_content_from_json(stored.get("content"), where),
        tool_calls=None if calls is None else [_call_from_json(call, fnc_ctx, where) for call in calls],
        tool_call_id=_optional(stored, "tool_call_id", str, where),
        tool_exception=None if error is None else RestoredToolError(error),
    )


def _content_from_json(content: Any, where: str) -> Any:
    if content is None:
        return None
    if isinstance(content, list):
        return [_part_from_json(part, where) for part in content]
    if isinstance(content, Mapping) and "value" in content:
        return content["value"]
    return _part_from_json(content, where)


def _part_from_json(part: Any, where: str) -> str | ChatImage:
    if isinstance(part, str):
        return part
    where = f"a picture of {where}"
    detail: Any = _optional(part, "inference_detail", str, where) or "auto"
    if detail not in _DETAILS:
        raise ConfigError(f"{where} has inference_detail {detail!r}; it must be one of {', '.join(_DETAILS)}")
    return ChatImage(
        image=_field(part, "image", str, where),
        inference_width=_optional(part, "inference_width", int, where),
        inference_height=_optional(part, "inference_height", int, where),
        inference_detail=detail,
    )


def _call_from_json(stored: Any, fnc_ctx: FunctionContext | None, where: str) -> FunctionCallInfo:
    where = f"a call of {where}"
    name = _field(stored, "name", str, where)
    raw = _field(stored, "arguments", str, where)
    try:
        arguments = parse_object(raw)
    except FunctionCallError as error:
        raise ConfigError(f"the arguments of {where} {error}") from error
    call_id = _field(stored, "id", str, where)
    if fnc_ctx is not None:
        with suppress(FunctionCallError):  # the function has gone, or takes other arguments by now
            return _create_ai_function_info(fnc_ctx, call_id, name, raw)
    return FunctionCallInfo(call_id, _unknown_function(name), raw, arguments)


def _unknown_function(name: str) -> FunctionInfo:
    def refuse(**_: Any) -> None:
        raise ConfigError(
            f"{name!r} was called in a stored conversation and cannot be executed: give ChatContext.from_dict() a "
            f"fnc_ctx that has it"
        )

    return FunctionInfo(name=name, description="", auto_retry=False, callable=refuse, arguments={})


_FieldType = type[Any]


def _field(stored: Any, name: str, kind: _FieldType, where: str) -> Any:
    value = _optional(stored, name, kind, where)
    if value is None:
        raise ConfigError(f"{where} has no {name!r}")
    return value


def _optional(stored: Any, name: str, kind: _FieldType, where: str) -> Any:
    if not isinstance(stored, Mapping):
        raise ConfigError(f"{where} is a {type(stored).__name__}; it must be an object with names")
    value = stored.get(name)
    if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
        raise ConfigError(f"{where} has {name!r} of type {type(value).__name__}; it must be {kind.__name__}")
    return value
