"""Checks of the conversation that a speech-to-speech model keeps, and of what the user says in it."""

from __future__ import annotations

import pytest

from lk_agents.llm import ChatContext, ChatMessage, FunctionCallInfo
from lk_agents.testing.conformance.frame import skip_unless
from lk_agents.testing.conformance.realtime_cases import (
    ANSWER,
    CALLER,
    RealtimeKit,
    Tools,
    conversation_of,
    texts_of,
)

__all__ = ["RealtimeConversationChecks"]

CHANGES = [
    ("abc", "abcd"),
    ("abcd", "bcde"),
    ("abcd", "eabc"),
    ("abcd", "bacd"),
    ("xybc", "bdc"),
    ("abcd", "abdec"),
    ("abcd", "adcb"),
    ("abcd", ""),
    ("", "ab"),
]
_TURN = ("input_speech_started", "input_speech_stopped", "input_speech_committed")


class RealtimeConversationChecks(RealtimeKit):
    """What every session must do with its conversation."""

    def test_the_conversation_begins_as_it_is_given(self) -> None:
        """With the same roles, texts and ids; what is given stays as it is."""

        async def story() -> None:
            given = ChatContext().append(text="Be kind.", role="system").append(text="hello", role="user")
            given.append(text="Good day.", role="assistant")
            before = [each.copy() for each in given.messages]
            async with self._given() as (model, _), self._session(model, chat_ctx=given) as watch:
                found = conversation_of(watch.session)
            wanted = [(each.role, each.id, each.content) for each in before]
            assert found == wanted, f"the conversation begins as {found}, not as {wanted}"
            assert given.messages == before, "the context that was given was changed"

        self._run(story)

    @pytest.mark.parametrize("change", CHANGES, ids=lambda change: f"{change[0]}-{change[1]}")
    def test_the_conversation_becomes_what_it_is_set_to(self, change: tuple[str, str]) -> None:
        """Message by message, in order; those that stay keep their ids."""

        async def story() -> None:
            before, after = (_letters(each) for each in change)
            async with self._given() as (model, _), self._session(model, chat_ctx=before) as watch:
                await watch.session.set_chat_ctx(after)
                found = [each for each in conversation_of(watch.session) if isinstance(each[2], str)]
            assert found == [(each.role, each.id, each.content) for each in after.messages], f"it is {found}"

        self._run(story)

    def test_a_conversation_with_calls_is_taken(self) -> None:
        """Every call with its output, as text."""
        skip_unless(self.calls_functions, "it does not call functions")

        async def story() -> None:
            async with self._given() as (model, _), self._session(model, functions=Tools()) as watch:
                await watch.session.set_chat_ctx(_with_calls())
                messages = watch.session.chat_ctx_copy().messages
                watch.session.create_response()
                await watch.until("response_done")
            outputs = [(each.tool_call_id, each.content) for each in messages if each.role == "tool"]
            assert outputs == [("call_1", "sunny in Rome"), ("call_2", "rain in Oslo")], f"the outputs are {outputs}"
            assert not watch.told("error"), f"an error was told: {watch.told('error')}"

        self._run(story)

    def test_what_the_model_says_becomes_part_of_the_conversation(self) -> None:
        """Under the id that its part has."""

        async def story() -> None:
            async with self._given() as (model, _), self._session(model) as watch:
                watch.session.create_response()
                content = await watch.until("response_content_done")
                await watch.until("response_done")
                found = {each.id: each.role for each in watch.session.chat_ctx_copy().messages}
            assert found.get(content.item_id) == "assistant", f"{content.item_id!r} is not among {found}"

        self._run(story)

    def test_a_text_can_be_rewritten(self) -> None:
        """In the local copy, where its id is; an unknown id is no error."""

        async def story() -> None:
            async with self._given() as (model, _), self._session(model) as watch:
                session = watch.session
                watch.session.create_response()
                content = await watch.until("response_content_done")
                await watch.until("response_done")
                session._update_conversation_item_content(item_id=content.item_id, content="Good...")  # noqa: SLF001
                session._update_conversation_item_content(item_id="unknown", content="x")  # noqa: SLF001
                found = {each.id: each.content for each in session.chat_ctx_copy().messages}
            assert found.get(content.item_id) == "Good...", f"the text is {found.get(content.item_id)!r}"

        self._run(story)

    def test_a_cut_reaches_the_server(self) -> None:
        """With the item and the millisecond."""

        async def story() -> None:
            async with self._given() as (model, case), self._session(model) as watch:
                skip_unless(model.capabilities.supports_truncate, "its server keeps no items")
                watch.session.create_response()
                content = await watch.until("response_content_done")
                await watch.until("response_done")
                watch.session._truncate_conversation_item(  # noqa: SLF001  the protocol's
                    item_id=content.item_id, content_index=content.content_index, audio_end_ms=120
                )
                await watch.afterwards()
                cut = list(case.truncated())
            assert cut == [(content.item_id, 120)], f"the server was told of {cut}"

        self._run(story)

    def test_a_copy_of_the_conversation_is_a_copy(self) -> None:
        """Whoever changes it changes nothing else."""

        async def story() -> None:
            given = ChatContext().append(text="hello", role="user")
            async with self._given() as (model, _), self._session(model, chat_ctx=given) as watch:
                copy = watch.session.chat_ctx_copy()
                copy.messages[0].content = "changed"
                copy.append(text="more", role="user")
                found = texts_of(watch.session)
            assert found == ["hello"], f"the conversation is {found}"

        self._run(story)

    def test_a_turn_that_the_server_hears_is_told_in_order_and_answered(self) -> None:
        """Speech started, stopped, committed, then a response."""

        async def story() -> None:
            async with self._given(server_vad=True) as (model, _), self._session(model) as watch:
                skip_unless(watch.session.server_vad_enabled, "its server does not hear when a turn has ended")
                await self._speak(watch, model)
                await watch.until("input_speech_committed")
                if watch.session.creates_responses:
                    await watch.until("response_done")
            told = watch.names(*_TURN, "response_created")
            assert told[:3] == list(_TURN), f"a turn was told as {told}"
            assert told.count("input_speech_committed") == 1, f"a turn was told as {told}"

        self._run(story)

    def test_where_speech_has_ended_is_told_in_seconds_of_what_was_given(self) -> None:
        """Of the last sample, not of the decision; a server that does not know it leaves it out."""

        async def story() -> None:
            async with self._given(server_vad=True) as (model, _), self._session(model) as watch:
                skip_unless(watch.session.server_vad_enabled, "its server does not hear when a turn has ended")
                await self._speak(watch, model)
                position = await watch.until("input_speech_stopped")
            skip_unless(position is not None, "its server does not tell where speech has ended")
            assert abs(position - CALLER[-1].end) < 0.15, f"speech has ended at {position}, not at {CALLER[-1].end}"

        self._run(story)

    def test_a_turn_that_the_program_ends_is_committed_and_answered(self) -> None:
        """And not before."""

        async def story() -> None:
            async with self._given() as (model, _), self._session(model) as watch:
                skip_unless(not watch.session.server_vad_enabled, "its server decides when a turn has ended")
                await self._speak(watch, model)
                await watch.afterwards()
                early = watch.names("input_speech_committed", "response_created")
                watch.session.commit_audio_buffer()
                watch.session.create_response()
                await watch.until("response_done")
            assert not early, f"before the turn was over there came {early}"
            told = watch.names("input_speech_committed", "response_created")
            assert told == ["input_speech_committed", "response_created"], f"the turn was told as {told}"

        self._run(story)

    def test_what_the_user_has_said_is_told(self) -> None:
        """For an item that is part of the conversation, once."""
        skip_unless(self.transcribes, "it does not tell what the user says")

        async def story() -> None:
            async with self._given(server_vad=True) as (model, _), self._session(model) as watch:
                skip_unless(watch.session.server_vad_enabled, "its server does not hear when a turn has ended")
                await self._speak(watch, model)
                said = await watch.until("input_speech_transcription_completed")
                ids = {each.id: each.role for each in watch.session.chat_ctx_copy().messages}
                await watch.until("response_done")
            assert said.transcript.strip().lower() == CALLER[0].text, f"it is {said.transcript!r}"
            assert ids.get(said.item_id) == "user", f"{said.item_id!r} is not among {ids}"
            assert len(watch.told("input_speech_transcription_completed")) == 1

        self._run(story)

    def test_a_response_to_a_conversation_without_speech_is_given(self) -> None:
        """As a greeting, or to what was typed."""

        async def story() -> None:
            async with self._given() as (model, _), self._session(model) as watch:
                context = watch.session.chat_ctx_copy().append(text="hello", role="user")
                await watch.session.set_chat_ctx(context)
                watch.session.create_response()
                await watch.until("response_content_done")
                await watch.until_true(lambda: watch.parts[0].ended)
                texts = texts_of(watch.session, "user")
            assert watch.parts[0].text == ANSWER.text
            assert "hello" in texts, f"the user has said {texts}"

        self._run(story)


def _letters(letters: str) -> ChatContext:
    messages = [
        ChatMessage(role="user" if index % 2 else "assistant", id=f"item_{letter}", content=f"say {letter}")
        for index, letter in ((ord(letter), letter) for letter in letters)
    ]
    return ChatContext(messages=messages)


def _with_calls() -> ChatContext:
    functions = Tools()
    info = functions.ai_functions["get_weather"]
    calls = [
        FunctionCallInfo(f"call_{number}", info, f'{{"city": "{city}"}}', {"city": city})
        for number, city in ((1, "Rome"), (2, "Oslo"))
    ]
    context = ChatContext().append(text="hello", role="user")
    context.messages.append(ChatMessage.create_tool_calls(calls))
    for call, output in zip(calls, ("sunny in Rome", "rain in Oslo"), strict=True):
        context.messages.append(
            ChatMessage(role="tool", name="get_weather", tool_call_id=call.tool_call_id, content=output)
        )
    return context
