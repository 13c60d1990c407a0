"""What of a conversation becomes part of its context, and when."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lk_agents.llm import ChatContext, ChatMessage, FunctionCallInfo, FunctionInfo
from lk_agents.voice.history import (
    MIN_TIME_PLAYED_FOR_COMMIT,
    answer_context,
    call_messages,
    commit_question,
    commit_speech,
    commit_tools,
    insert_calls,
    may_commit_question,
    reply_context,
)
from lk_agents.voice.speech_handle import AnsweredCalls
from lk_agents.voice.tools import ToolResult

LOOK = FunctionInfo("look", "", auto_retry=False, callable=print, arguments={})


@dataclass
class Speech:
    """What the rules need to know of a speech."""

    user_question: str = ""
    add_to_chat_ctx: bool = True
    allow_interruptions: bool = True
    answers: AnsweredCalls = field(default_factory=lambda: AnsweredCalls(depth=0, messages=[]))
    user_committed: bool = False
    speech_committed: bool = False
    tools_committed: bool = False

    @property
    def extra_tools_messages(self) -> list[ChatMessage]:
        return self.answers.messages

    @property
    def fnc_text_message_id(self) -> str | None:
        return self.answers.text_message_id


def call(number: int) -> FunctionCallInfo:
    return FunctionCallInfo(f"call_{number}", LOOK, "{}", {})


def pair(*numbers: int, text: str = "") -> list[ChatMessage]:
    return call_messages([ToolResult(call(number)) for number in numbers], text=text)


def answer(messages: list[ChatMessage], text_message: ChatMessage | None = None) -> Speech:
    text_message_id = None if text_message is None else text_message.id
    return Speech(answers=AnsweredCalls(depth=1, messages=messages, text_message_id=text_message_id))


def shown(chat_ctx: ChatContext) -> list[str]:
    """Return the conversation in short."""
    lines = []
    for message in chat_ctx.messages:
        calls = "".join(f" +{each.tool_call_id}" for each in message.tool_calls or ())
        origin = f" of {message.tool_call_id}" if message.tool_call_id else ""
        lines.append(f"{message.role}{origin}: {message.content}{calls}")
    return lines


# --- the user's question ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("situation", "expected"),
    [
        ({}, False),
        ({"played_seconds": MIN_TIME_PLAYED_FOR_COMMIT}, True),
        ({"played_seconds": MIN_TIME_PLAYED_FOR_COMMIT - 0.01}, False),
        ({"finished": True}, True),
        ({"has_function_calls": True}, True),
        ({"has_function_calls": True, "interrupted": True}, False),
        ({"interrupted": True}, False),
        ({"interrupted": True, "played_seconds": 1.6}, True),
    ],
)
def test_a_question_is_part_of_the_conversation_once_it_was_answered_audibly(
    situation: dict[str, Any], expected: bool
) -> None:
    facts = {"played_seconds": 0.3, "finished": False, "interrupted": False, "has_function_calls": False, **situation}

    assert may_commit_question(Speech("Why?"), **facts) is expected
    assert may_commit_question(Speech("Why?", user_committed=True), **facts) is False
    assert may_commit_question(Speech(""), **facts) is False


def test_the_question_of_a_reply_that_cannot_be_interrupted_counts_from_its_first_sample() -> None:
    facts: dict[str, Any] = {"played_seconds": 0.0, "finished": False, "has_function_calls": False}
    certain = Speech("Why?", allow_interruptions=False)

    assert may_commit_question(certain, interrupted=False, **facts)
    assert not may_commit_question(certain, interrupted=True, **facts)


def test_a_question_is_appended_once() -> None:
    chat_ctx = ChatContext()
    speech = Speech("Why?")
    message = commit_question(chat_ctx, speech)

    assert (shown(chat_ctx), chat_ctx.messages, speech.user_committed) == (["user: Why?"], [message], True)


# --- what the agent has said -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("interrupted", "line"), [(False, "assistant: Because"), (True, "assistant: Because...")])
def test_what_was_heard_is_appended_and_marked_where_it_was_cut(interrupted: bool, line: str) -> None:
    chat_ctx = ChatContext()
    speech = Speech("Why?")
    commit_question(chat_ctx, speech)
    message = commit_speech(chat_ctx, speech, "Because", interrupted=interrupted)

    assert shown(chat_ctx) == ["user: Why?", line]
    assert message is chat_ctx.messages[-1]
    assert speech.speech_committed
    assert commit_speech(chat_ctx, speech, "Because", interrupted=interrupted) is None


@pytest.mark.parametrize(
    ("speech", "text"),
    [
        (Speech("Why?"), "Because"),  # interrupted before the question counted
        (Speech(add_to_chat_ctx=False), "Because"),
        (Speech(), ""),
    ],
)
def test_what_does_not_belong_to_the_conversation_leaves_no_trace(speech: Speech, text: str) -> None:
    chat_ctx = ChatContext()

    assert commit_speech(chat_ctx, speech, text, interrupted=True) is None
    assert (chat_ctx.messages, speech.speech_committed) == ([], False)


def test_a_reply_that_failed_before_it_said_anything_leaves_the_question() -> None:
    chat_ctx = ChatContext()
    speech = Speech("Why?")
    commit_question(chat_ctx, speech)
    commit_speech(chat_ctx, speech, "", interrupted=False)

    assert shown(chat_ctx) == ["user: Why?"]


# --- calls and outputs -----------------------------------------------------------------------------------------------


def test_the_message_with_the_calls_replaces_the_text_that_came_with_them() -> None:
    chat_ctx = ChatContext()
    text = commit_speech(chat_ctx, Speech(), "let me check.", interrupted=False)
    reply = answer(pair(1, 2, text="let me check."), text)
    commit_speech(chat_ctx, reply, "It is fine.", interrupted=False)

    assert shown(chat_ctx) == [
        "assistant: let me check. +call_1 +call_2",
        "tool of call_1: cancelled",
        "tool of call_2: cancelled",
        "assistant: It is fine.",
    ]
    assert reply.tools_committed


def test_the_text_of_a_speech_that_was_cut_stays_marked_with_the_calls_that_were_not_made() -> None:
    chat_ctx = ChatContext()
    text = commit_speech(chat_ctx, Speech(), "let me", interrupted=True)
    insert_calls(chat_ctx, pair(1, text="let me"), text_message_id=text.id if text else None)

    assert shown(chat_ctx) == ["assistant: let me... +call_1", "tool of call_1: cancelled"]


def test_it_comes_without_that_text_where_something_was_said_since() -> None:
    chat_ctx = ChatContext()
    text = commit_speech(chat_ctx, Speech(), "let me check.", interrupted=False)
    commit_speech(chat_ctx, Speech(), "One moment.", interrupted=False)
    messages = pair(1, text="let me check.")
    commit_speech(chat_ctx, answer(messages, text), "It is fine.", interrupted=False)

    assert shown(chat_ctx) == [
        "assistant: let me check.",
        "assistant: One moment.",
        "assistant:  +call_1",
        "tool of call_1: cancelled",
        "assistant: It is fine.",
    ]
    assert messages[0].content == "let me check."  # the model's own context keeps it


def test_the_text_is_not_lost_where_the_program_has_removed_its_message() -> None:
    chat_ctx = ChatContext()
    text = commit_speech(chat_ctx, Speech(), "let me check.", interrupted=False)
    chat_ctx.messages.clear()
    insert_calls(chat_ctx, pair(1, text="let me check."), text_message_id=text.id if text else None)

    assert shown(chat_ctx) == ["assistant: let me check. +call_1", "tool of call_1: cancelled"]


def test_calls_without_text_come_after_everything() -> None:
    chat_ctx = ChatContext().append(text="Look", role="user")
    insert_calls(chat_ctx, pair(1))
    insert_calls(chat_ctx, [])

    assert shown(chat_ctx) == ["user: Look", "assistant:  +call_1", "tool of call_1: cancelled"]


@pytest.mark.parametrize("spoken", ["", "It is"])
def test_outputs_stay_when_the_answer_about_them_is_dropped_or_cut(spoken: str) -> None:
    chat_ctx = ChatContext()
    dropped = answer(pair(1))
    if spoken:
        commit_speech(chat_ctx, dropped, spoken, interrupted=True)
    else:
        commit_tools(chat_ctx, dropped)
    commit_tools(chat_ctx, dropped)

    assert shown(chat_ctx)[:2] == ["assistant:  +call_1", "tool of call_1: cancelled"]
    assert shown(chat_ctx)[2:] == (["assistant: It is..."] if spoken else [])


def test_an_answer_that_shall_not_be_remembered_takes_its_calls_with_it() -> None:
    chat_ctx = ChatContext()
    silent = Speech(add_to_chat_ctx=False, answers=AnsweredCalls(depth=1, messages=pair(1)))
    commit_speech(chat_ctx, silent, "It is fine.", interrupted=False)

    assert (chat_ctx.messages, silent.tools_committed) == ([], False)


def test_without_calls_there_are_no_messages() -> None:
    assert call_messages([]) == []


# --- what models are asked -------------------------------------------------------------------------------------------


def test_a_model_is_asked_about_the_outputs_in_the_conversation_it_had() -> None:
    chat_ctx = ChatContext().append(text="Look", role="user")
    asked = answer_context(chat_ctx, pair(1), [ChatMessage.create(text="One moment.", role="assistant")])

    assert shown(asked) == [
        "user: Look",
        "assistant:  +call_1",
        "tool of call_1: cancelled",
        "assistant: One moment.",
    ]
    assert shown(chat_ctx) == ["user: Look"]


@pytest.mark.parametrize(("question", "asked"), [("And?", "And?"), ("", "<continue>"), (" \n", "<continue>")])
def test_a_reply_is_asked_for_with_the_question_last(question: str, asked: str) -> None:
    chat_ctx = ChatContext().append(text="Be kind.", role="system")

    assert shown(reply_context(chat_ctx, question)) == ["system: Be kind.", f"user: {asked}"]
    assert shown(chat_ctx) == ["system: Be kind."]


def test_what_is_being_said_is_in_it_as_far_as_it_was_heard() -> None:
    chat_ctx = ChatContext()
    text = commit_speech(chat_ctx, Speech(), "let me check.", interrupted=False)
    playing = answer(pair(1, text="let me check."), text)
    asked = reply_context(chat_ctx, "Stop", playing=playing, played_text="It is")

    assert shown(asked) == [
        "assistant: let me check. +call_1",
        "tool of call_1: cancelled",
        "assistant: It is",
        "user: Stop",
    ]
    assert shown(chat_ctx) == ["assistant: let me check."]


@pytest.mark.parametrize(
    "playing",
    [
        Speech("Why?"),
        Speech("Why?", user_committed=True, speech_committed=True),
        Speech(add_to_chat_ctx=False),
    ],
)
def test_what_is_or_shall_not_be_part_of_it_is_not_added(playing: Speech) -> None:
    assert shown(reply_context(ChatContext(), "And?", playing=playing, played_text="Bec")) == ["user: And?"]


def test_a_speech_of_which_nothing_was_heard_yet_adds_no_empty_message() -> None:
    assert shown(reply_context(ChatContext(), "And?", playing=Speech(), played_text="")) == ["user: And?"]


def test_outputs_that_are_part_of_it_already_are_not_added_again() -> None:
    chat_ctx = ChatContext()
    playing = answer(pair(1))
    commit_tools(chat_ctx, playing)

    assert shown(reply_context(chat_ctx, "And?", playing=playing, played_text="It")).count("assistant:  +call_1") == 1


# --- any conversation ------------------------------------------------------------------------------------------------


def assert_pairs(chat_ctx: ChatContext) -> list[str]:
    """Check that every call has exactly one output, right behind its message; returns the ids of all calls."""
    waiting: list[str] = []
    seen: list[str] = []
    for message in chat_ctx.messages:
        if message.role == "tool":
            assert waiting, "an output without a call"
            assert message.tool_call_id == waiting.pop(0)
            continue
        assert not waiting, "something between a call and its output"
        waiting = [each.tool_call_id for each in message.tool_calls or ()]
        seen += waiting
    assert not waiting, "a call without an output"
    assert len(seen) == len(set(seen)), "a call twice"
    assert len({message.id for message in chat_ctx.messages}) == len(chat_ctx.messages)
    return seen


class Story:
    """Plays speeches in the order that it is told, as a session does."""

    def __init__(self) -> None:
        self.chat_ctx = ChatContext()
        self.answers: list[Speech] = []  # to functions that have ended; none was heard yet
        self.running: list[tuple[list[FunctionCallInfo], str, str | None]] = []
        self.made: list[str] = []

    def speak(self, question: str, words: int, calls: int, cut: bool) -> None:
        self._hear(Speech(question), words, calls, cut)

    def answer(self, words: int, calls: int, cut: bool) -> None:
        if self.answers:
            self._hear(self.answers.pop(0), words, calls, cut)

    def drop_answer(self) -> None:
        if self.answers:
            commit_tools(self.chat_ctx, self.answers.pop(0))

    def end_functions(self, fails: bool) -> None:
        if self.running:
            calls, text, text_id = self.running.pop(0)
            results = [ToolResult(each) for each in calls]
            if fails:
                insert_calls(self.chat_ctx, call_messages(results, text=text), text_message_id=text_id)
            else:
                messages = call_messages(results, text=text)
                self.answers.append(Speech(answers=AnsweredCalls(depth=1, messages=messages, text_message_id=text_id)))

    def asks(self) -> None:
        for playing in [None, *self.answers]:
            assert_pairs(reply_context(self.chat_ctx, "Well?", playing=playing, played_text="Hm"))
        for answer in self.answers:
            assert_pairs(answer_context(self.chat_ctx, [] if answer.tools_committed else answer.extra_tools_messages))

    def _hear(self, speech: Speech, words: int, calls: int, cut: bool) -> None:
        facts = {"played_seconds": words * 0.3, "finished": not cut, "interrupted": cut}
        if may_commit_question(speech, has_function_calls=calls > 0, **facts):  # type: ignore[arg-type]
            commit_question(self.chat_ctx, speech)
        text = " ".join(["word"] * words)
        message = commit_speech(self.chat_ctx, speech, text, interrupted=cut)
        if calls and (not speech.user_question or speech.user_committed):
            asked = [call(len(self.made) + number) for number in range(calls)]
            self.made += [each.tool_call_id for each in asked]
            self.running.append((asked, text, None if message is None else message.id))
            if cut:
                self.end_functions_of_last()

    def end_functions_of_last(self) -> None:
        """Calls of a speech that was cut are not made."""
        calls, text, text_id = self.running.pop()
        insert_calls(
            self.chat_ctx, call_messages([ToolResult(each) for each in calls], text=text), text_message_id=text_id
        )


words, calls = st.integers(0, 8), st.integers(0, 3)
STEPS = st.one_of(
    st.tuples(st.just("speak"), st.sampled_from(["", "Why?"]), words, calls, st.booleans()),
    st.tuples(st.just("answer"), words, calls, st.booleans()),
    st.tuples(st.just("drop_answer")),
    st.tuples(st.just("end_functions"), st.booleans()),
    st.tuples(st.just("asks")),
)


@settings(deadline=None)
@given(st.lists(STEPS, max_size=30))
def test_in_any_conversation_every_call_has_its_output_right_behind_it_and_none_is_lost(
    steps: list[tuple[Any, ...]],
) -> None:
    story = Story()
    for name, *arguments in steps:
        getattr(story, name)(*arguments)
        assert_pairs(story.chat_ctx)
    while story.running or story.answers:
        story.end_functions(fails=False)
        story.drop_answer()

    assert sorted(assert_pairs(story.chat_ctx)) == sorted(story.made)
