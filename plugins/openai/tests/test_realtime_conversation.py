"""The conversation of a session: its copy is true, changes reach the server, and what was not heard is cut."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from openai_bench import Weather
from realtime_bench import CALLER, VAD, Vendor, held
from realtime_fake import World

from lk_agents.foundation.errors import APIConnectionError, APIError, APITimeoutError, ConfigError
from lk_agents.llm import ChatAudio, ChatContext, ChatImage, ChatMessage, FunctionCallInfo
from lk_agents.testing.providers.realtime import RealtimeAnswer
from lk_agents.testing.providers.speech import tone
from lk_agents_openai.realtime import RealtimeError

pytestmark = pytest.mark.usefixtures("lk_no_leaks", "lk_clock")

LONG = RealtimeAnswer(text="One two three four five six seven.", pace=1.0)
WRITTEN = RealtimeAnswer(text="I write this.", as_text=True)


def context(*texts: str) -> ChatContext:
    roles = ("system", "user", "assistant")
    messages = [ChatMessage(role=roles[number % 3], id=f"m{number}", content=text) for number, text in enumerate(texts)]  # type: ignore[arg-type]
    return ChatContext(messages=messages)


# --- changing it -----------------------------------------------------------------------------------------------------


async def test_the_server_has_the_conversation_before_anything_else() -> None:
    async with held(chat_ctx=context("Be kind.", "hello", "Good day.")) as desk:
        assert desk.world.line.texts() == [("system", "Be kind."), ("user", "hello"), ("assistant", "Good day.")]


async def test_only_what_has_changed_is_told_to_the_server() -> None:
    async with held(chat_ctx=context("Be kind.", "hello", "Good day.")) as desk:
        changed = desk.session.chat_ctx_copy()
        del changed.messages[1]
        changed.append(text="and?", role="user")
        await desk.session.set_chat_ctx(changed)

        assert [each["item_id"] for each in desk.vendor.sent("conversation.item.delete")] == ["m1"]
        assert len(desk.vendor.sent("conversation.item.create")) == 4
        assert desk.world.line.texts() == [("system", "Be kind."), ("assistant", "Good day."), ("user", "and?")]


async def test_a_change_is_made_behind_what_it_stands_behind() -> None:
    async with held(chat_ctx=context("Be kind.", "hello", "Good day.")) as desk:
        changed = desk.session.chat_ctx_copy()
        changed.messages.insert(1, ChatMessage(role="system", id="x", content="Be brief."))
        await desk.session.set_chat_ctx(changed)

        assert desk.vendor.sent("conversation.item.create")[-1]["previous_item_id"] == "m0"
        assert desk.conversation()[:2] == [("system", "Be kind."), ("system", "Be brief.")]


async def test_a_message_that_the_server_refuses_is_an_error() -> None:
    output = ChatMessage(role="tool", tool_call_id="nobody-asked", content="42")
    async with held() as desk:
        with pytest.raises(RealtimeError) as caught:
            await desk.session.set_chat_ctx(ChatContext(messages=[output]))

        assert caught.value.code == "item_create_invalid_call_id"
        assert desk.conversation() == []


async def test_a_conversation_that_the_server_refuses_at_the_beginning_ends_the_session() -> None:
    output = ChatMessage(role="tool", tool_call_id="nobody-asked", content="42")
    async with held(chat_ctx=ChatContext(messages=[output]), connected=False) as desk:
        with pytest.raises(RealtimeError, match="that cannot be"):
            await desk.session._init_sync_task

        assert [each.code for each in desk.watch.told("closed")] == ["item_create_invalid_call_id"]


async def test_a_change_that_is_not_confirmed_is_given_up() -> None:
    async with held() as desk:
        desk.vendor.tasks[0].cancel()  # the server says nothing any more
        with pytest.raises(APITimeoutError, match="has not confirmed"):
            await desk.session.set_chat_ctx(context("Be kind."))


async def test_an_item_that_is_there_already_is_as_good_as_created() -> None:
    async with held(chat_ctx=context("Be kind.")) as desk:
        again = desk.session.conversation.item.create(ChatMessage(role="system", id="m0", content="Be kind."))

        assert await again
        assert len(desk.conversation()) == 1


async def test_deleting_what_is_not_there_is_no_error() -> None:
    async with held() as desk:
        assert await desk.session.conversation.item.delete(item_id="nothing")
        assert not desk.watch.told("error")


async def test_a_message_without_content_is_not_created() -> None:
    async with held() as desk:
        assert not await desk.session.conversation.item.create(ChatMessage(role="user", content=None))
        await desk.session.set_chat_ctx(ChatContext(messages=[ChatMessage(role="user")]))

        assert not desk.vendor.sent("conversation.item.create")


async def test_two_messages_of_one_id_are_refused() -> None:
    async with held() as desk:
        twice = ChatContext(messages=[ChatMessage(role="user", id="m", content=text) for text in "ab"])
        with pytest.raises(ConfigError, match="'m'"):
            await desk.session.set_chat_ctx(twice)


async def test_two_changes_at_once_are_made_one_after_the_other() -> None:
    async with held() as desk:
        one, two = context("Be kind."), context("Be kind.", "hello")
        await asyncio.gather(desk.session.set_chat_ctx(one), desk.session.set_chat_ctx(two))

        assert desk.conversation() == [("system", "Be kind."), ("user", "hello")]


async def test_whoever_stops_waiting_for_a_change_does_not_take_it_back() -> None:
    async with held() as desk:
        waiting = asyncio.ensure_future(desk.session.set_chat_ctx(context("Be kind.")))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.sleep(0.1)

        assert desk.conversation() == [("system", "Be kind.")]


async def test_a_change_before_the_connection_is_made_as_soon_as_there_is_one() -> None:
    async with held(vendor=Vendor(connect_seconds=2.0), connected=False) as desk:
        made = desk.session.conversation.item.create(ChatMessage(role="user", id="m", content="hello"))
        await desk.session.set_chat_ctx(context("Be kind."))

        assert await made
        assert ("system", "Be kind.") in desk.world.line.texts()


async def test_ids_that_are_too_long_for_the_server_are_those_of_the_messages_all_the_same() -> None:
    message = ChatMessage(role="user", id="0f" * 30, content="hello")
    async with held(chat_ctx=ChatContext(messages=[message])) as desk:
        copy = desk.session.chat_ctx_copy()
        assert copy.messages[0].id == message.id
        await desk.session.set_chat_ctx(copy.append(text="and?", role="user"))
        await desk.session.set_chat_ctx(ChatContext())

        assert desk.world.line.items == []


async def test_pictures_and_sound_of_the_user_are_brought_along() -> None:
    picture = ChatImage("data:image/png;base64,AAAA")
    parts: list[Any] = ["look", picture, ChatAudio(tone(4_800, 16_000))]
    async with held(chat_ctx=ChatContext(messages=[ChatMessage(role="user", content=parts)])) as desk:
        (sent,) = desk.vendor.sent("conversation.item.create")

    kinds = [part["type"] for part in sent["item"]["content"]]
    assert kinds == ["input_text", "input_image", "input_audio"]


# --- calls in it -----------------------------------------------------------------------------------------------------


async def test_calls_made_elsewhere_come_with_their_names_before_their_outputs() -> None:
    info = Weather().ai_functions["get_weather"]
    calls = [
        FunctionCallInfo(f"call_{each}", info, f'{{"city": "{each}"}}', {"city": each}) for each in ("Rome", "Oslo")
    ]
    chat_ctx = ChatContext(messages=[ChatMessage.create_tool_calls(calls, text="Let me look.")])
    found: Any = {"sun": True}
    for call in calls:
        output = ChatMessage(role="tool", name="get_weather", tool_call_id=call.tool_call_id, content=found)
        chat_ctx.messages.append(output)
    async with held(chat_ctx=chat_ctx) as desk:
        items = [each["item"] for each in desk.vendor.sent("conversation.item.create")]
        assert [item["type"] for item in items] == ["message", *["function_call"] * 2, *["function_call_output"] * 2]
        assert [item.get("call_id") for item in items] == [None, "call_Rome", "call_Oslo", "call_Rome", "call_Oslo"]
        assert [item["output"] for item in items[3:]] == ['{"sun": true}'] * 2
        assert [each.id for each in desk.session.chat_ctx_copy().messages] == [each.id for each in chat_ctx.messages]

        await desk.session.set_chat_ctx(ChatContext())
        assert desk.world.line.items == []


# --- what was heard --------------------------------------------------------------------------------------------------


async def test_what_was_not_heard_is_cut_at_the_server_and_rewritten_here() -> None:
    async with held(World([LONG])) as desk:
        desk.session.create_response()
        content = await desk.watch.until("response_content_added")
        await asyncio.sleep(1.0)
        desk.session.cancel_response()
        desk.session._truncate_conversation_item(item_id=content.item_id, content_index=0, audio_end_ms=740)
        desk.session._update_conversation_item_content(item_id=content.item_id, content="One two...")
        await asyncio.sleep(0.5)

        assert desk.world.truncated == [(content.item_id, 740)]
        assert desk.conversation() == [("assistant", "One two...")]
        assert not desk.watch.told("error")


async def test_what_cannot_be_cut_is_written_instead() -> None:
    async with held() as desk:
        desk.session.create_response()
        await desk.answered()
        item_id = desk.watch.parts[0].content.item_id
        desk.session._truncate_conversation_item(item_id=item_id, content_index=0, audio_end_ms=99_000)
        desk.session._update_conversation_item_content(item_id=item_id, content="Good...")
        await asyncio.sleep(0.5)

        assert desk.world.line.texts() == [("assistant", "Good...")]
        assert desk.conversation() == [("assistant", "Good...")]
        assert not desk.watch.told("error")


async def test_what_the_server_has_as_text_is_written_anew_where_it_was_not_heard() -> None:
    async with held(chat_ctx=context("Be kind.", "hello", "Good day to you.", "x")) as desk:
        desk.session._truncate_conversation_item(item_id="m2", content_index=0, audio_end_ms=500)
        desk.session._update_conversation_item_content(item_id="m2", content="Good...")
        await asyncio.sleep(0.5)

        assert not desk.vendor.sent("conversation.item.truncate")
        assert desk.world.line.texts()[2] == ("assistant", "Good...")
        assert [each.id for each in desk.session.chat_ctx_copy().messages] == ["m0", "m1", "m2", "m3"]


async def test_cutting_what_is_not_there_is_harmless() -> None:
    async with held() as desk:
        assert not await desk.session.conversation.item.truncate(item_id="x", content_index=0, audio_end_ms=1)
        desk.session._update_conversation_item_content(item_id="x", content="y")

        assert not desk.vendor.sent("conversation.item.truncate")


async def test_what_the_user_has_said_has_no_text_until_it_is_understood() -> None:
    async with held(World(caller=CALLER), VAD) as desk:
        heard: list[Any] = []
        desk.session.on("input_speech_transcription_completed", lambda _: heard.append(desk.conversation()))
        desk.session.on("input_speech_committed", lambda: heard.append(desk.session._user.voice.seconds))
        await desk.say()
        await desk.answered()

        assert desk.conversation()[0] == ("user", "hello there")
        await desk.session.set_chat_ctx(desk.session.chat_ctx_copy().append(text="and?", role="user"))
        assert not desk.vendor.sent("conversation.item.delete")


async def test_a_text_answer_is_taken_back_and_a_spoken_one_asked_for() -> None:
    async with held(World([WRITTEN, RealtimeAnswer(text="I say this.")])) as desk:
        desk.session.create_response()
        content = await desk.watch.until("response_content_done")
        desk.session._recover_from_text_response(content.item_id)
        await desk.answered(2)
        kinds = [part["type"] for item in desk.world.line.items for part in item["content"]]

        assert content.content_type == "text"
        assert kinds == ["input_audio", "output_audio"]
        assert desk.conversation() == [("assistant", "I say this.")]


@pytest.mark.parametrize("beta", [True, False])
async def test_older_servers_get_silence_behind_texts_so_that_the_model_speaks(beta: bool) -> None:
    async with held(World(beta=beta), chat_ctx=context("Be kind.")) as desk:
        await desk.session.set_chat_ctx(context("Be kind.", "hello"))
        silent = [item for item in desk.world.line.items if item["content"][0]["type"] == "input_audio"]

        assert len(silent) == beta
        assert desk.conversation() == [("system", "Be kind."), ("user", "hello")]


async def test_a_video_frame_is_no_item_of_the_moment() -> None:
    from livekit import rtc

    frame = rtc.VideoFrame(2, 2, rtc.VideoBufferType.RGBA, bytes(16))
    async with held() as desk:
        with pytest.raises(ConfigError, match="set_chat_ctx"):
            desk.session.conversation.item.create(ChatMessage(role="user", content=[ChatImage(frame)]))


async def test_a_closed_session_takes_no_changes() -> None:
    async with held() as desk:
        await desk.session.aclose()
        made = desk.session.conversation.item.create(ChatMessage(role="user", content="x"))

        with pytest.raises(APIConnectionError, match="closed"):
            await made
        with pytest.raises(APIError, match="closed"):
            await desk.session.set_chat_ctx(context("x"))
