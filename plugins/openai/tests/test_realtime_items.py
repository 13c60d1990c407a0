"""Messages become items and items messages, the least is changed, and what the user has said can be given again."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from lk_agents.llm import ChatAudio, ChatImage, ChatMessage
from lk_agents.testing.providers.speech import tone
from lk_agents_openai.realtime.difference import changes_between
from lk_agents_openai.realtime.items import message_of, wire_id, wire_items
from lk_agents_openai.realtime.message_parts import Item, ItemPart
from lk_agents_openai.realtime.mirror import ROOT, Entry, Mirror
from lk_agents_openai.realtime.voice import Voice


@pytest.mark.parametrize(
    ("role", "dialect", "kind"),
    [
        ("system", "ga", "input_text"),
        ("user", "ga", "input_text"),
        ("assistant", "ga", "output_text"),
        ("assistant", "beta", "text"),
        ("user", "beta", "input_text"),
    ],
)
def test_a_text_is_called_by_who_says_it(role: Any, dialect: Any, kind: str) -> None:
    (item,) = wire_items(ChatMessage(role=role, id="m", content="hi"), dialect=dialect)

    assert item == {"id": "m", "type": "message", "role": role, "content": [{"type": kind, "text": "hi"}]}


@pytest.mark.parametrize(
    "message",
    [
        ChatMessage(role="user", content=None),
        ChatMessage(role="user", content=""),
        ChatMessage(role="assistant", content=[]),
        ChatMessage(role="tool", content="an output of nothing"),
        ChatMessage(role="system", content=[ChatAudio(tone(10, 24_000))]),
        ChatMessage(role="assistant", content=[ChatAudio(tone(10, 24_000))]),
        ChatMessage(role="user", content=[ChatImage("https://example.org/cat.png")]),
    ],
    ids=["none", "empty", "nothing", "no call", "sound of the system", "sound of the model", "address"],
)
def test_what_openai_cannot_keep_is_no_item(message: ChatMessage) -> None:
    assert wire_items(message, dialect="ga") == []


def test_sound_is_given_as_the_server_takes_it() -> None:
    message = ChatMessage(role="user", content=[ChatAudio([tone(1_600, 16_000), tone(1_600, 16_000)])])
    (item,) = wire_items(message, dialect="ga")

    assert len(base64.b64decode(item["content"][0]["audio"])) == pytest.approx(0.2 * 24_000 * 2, abs=200)


def test_an_id_that_is_too_long_gets_another_one_that_stays_the_same() -> None:
    long = "0123456789" * 4

    assert wire_id("item_1") == "item_1"
    assert wire_id(long) == wire_id(long) != long
    assert len(wire_id(long)) <= 32
    assert wire_id("item_1", 1) != wire_id("item_1", 2)


@pytest.mark.parametrize(
    ("item", "role", "content"),
    [
        (Item("i", "message", role="assistant", content=[]), "assistant", None),
        (Item("i", "message", role="user", content=[ItemPart("input_audio", transcript=None)]), "user", None),
        (Item("i", "message", role="user", content=[ItemPart("input_audio", transcript="hi")]), "user", "hi"),
        (Item("i", "message", role="system", content=[ItemPart("input_text", text="Be")]), "system", "Be"),
        (Item("i", "function_call_output", call_id="c", output="42"), "tool", "42"),
    ],
)
def test_an_item_becomes_a_message(item: Item, role: str, content: str | None) -> None:
    message = message_of(item)

    assert message is not None
    assert (message.id, message.role, message.content) == ("i", role, content)


def test_a_call_becomes_one_that_other_models_can_read() -> None:
    message = message_of(Item("i", "function_call", call_id="c", name="fly", arguments='{"to": "Rome"}'))

    assert message is not None
    assert message.tool_calls is not None
    (call,) = message.tool_calls
    assert (call.tool_call_id, call.function_info.name, call.raw_arguments) == ("c", "fly", '{"to": "Rome"}')
    assert wire_items(message, dialect="ga")[0]["arguments"] == '{"to": "Rome"}'


def test_an_item_of_another_kind_is_no_message() -> None:
    assert message_of(Item("i", "mcp_list_tools")) is None


@pytest.mark.parametrize(
    ("old", "new", "deleted", "inserted"),
    [
        ("abc", "abcd", "", [("c", "d")]),
        ("abcd", "bcde", "a", [("d", "e")]),
        ("abcd", "eabc", "abcd", [(None, "e"), ("e", "a"), ("a", "b"), ("b", "c")]),
        ("abcd", "bacd", "a", [("b", "a")]),
        ("xybc", "bdc", "xy", [("b", "d")]),
        ("abcd", "abdec", "d", [("b", "d"), ("d", "e")]),
        ("abcd", "adcb", "cd", [("a", "d"), ("d", "c")]),
        ("abcd", "", "abcd", []),
        ("", "ab", "", [(None, "a"), ("a", "b")]),
        ("abc", "abc", "", []),
        ("abcd", "ab", "cd", []),
    ],
)
def test_the_least_is_changed(old: str, new: str, deleted: str, inserted: list[Any]) -> None:
    assert changes_between(list(old), list(new)) == (list(deleted), inserted)


def test_items_stand_where_the_server_has_them() -> None:
    mirror = Mirror()
    for item_id, behind in [("b", None), ("c", "b"), ("a", ROOT), ("bb", "b"), ("z", "unknown"), ("b", None)]:
        mirror.insert(Entry(item_id, ChatMessage(role="user", id=item_id, content=item_id)), behind=behind)

    assert [entry.item_id for entry in mirror] == ["a", "b", "bb", "c", "z"]
    assert (mirror.before("a"), mirror.before("bb")) == (ROOT, "b")


# --- what the user has said ----------------------------------------------------------------------------------------


def pieces(voice: Voice, seconds: float, value: int = 0) -> None:
    for _ in range(round(seconds * 10)):
        voice.push(bytes([value, 0]) * 2_400)


def test_what_was_said_in_an_item_can_be_had() -> None:
    voice = Voice(finds_turns=True)
    pieces(voice, 1.0, 1)
    voice.started("i", 0.8)
    pieces(voice, 1.0, 2)
    voice.stopped("i", 1.5)
    said = voice.of("i")

    assert len(said) == round(0.7 * 24_000) * 2
    assert (said[0], said[-2]) == (1, 2)


def test_little_is_kept_while_nobody_speaks_and_not_everything_while_somebody_does() -> None:
    voice = Voice(finds_turns=True)
    pieces(voice, 60.0)
    assert voice._held == 2 * 48_000
    voice.started("i", 59.0)
    pieces(voice, 60.0)

    assert voice._held == 30 * 48_000
    assert len(voice.of("i")) == 30 * 48_000


def test_a_turn_that_the_program_ends_reaches_from_the_one_before_to_where_it_ends() -> None:
    voice = Voice(finds_turns=False)
    pieces(voice, 1.0, 1)
    voice.commit()
    pieces(voice, 0.5, 2)
    voice.commit()
    pieces(voice, 0.2, 3)

    assert voice.uncommitted_seconds == pytest.approx(0.2)
    assert voice.of("one") == bytes([1, 0]) * 24_000
    assert voice.of("two") == bytes([2, 0]) * 12_000
    voice.commit()
    voice.commit_refused()
    pieces(voice, 0.3, 4)
    voice.commit()
    assert voice.of("three") == bytes([4, 0]) * 7_200
    voice.clear()
    assert voice.uncommitted_seconds == 0.0
