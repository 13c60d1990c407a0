"""What the events of an answer amount to, in all the forms that servers give them."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any

import pytest
from openai_bench import Weather, calls_of, text_of
from openai_fake import answer_chunks, call_piece, chunk, usage_chunk

from lk_agents.foundation.errors import APIConnectionError, APIError
from lk_agents.llm import ChatChunk, CompletionUsage, FunctionCallError, FunctionContext
from lk_agents_openai.chat_answer import AnswerReader

PARIS, ROME = '{"city": "Paris"}', '{"city": "Rome"}'


def tools(*pieces: dict[str, Any]) -> dict[str, Any]:
    return chunk({"tool_calls": list(pieces)})


def read(
    events: Sequence[Any],
    *,
    functions: FunctionContext | None = None,
    done: bool = True,
    heard: list[int] | None = None,
) -> list[ChatChunk]:
    """Return the chunks of a whole answer."""
    reader = AnswerReader(
        functions, request_id="req_1", on_progress=(lambda: heard.append(1)) if heard is not None else (lambda: None)
    )
    said = [event if isinstance(event, str) else json.dumps(event) for event in events]
    chunks = [each for event in [*said, *(["[DONE]"] if done else [])] for each in reader.read(event)]
    return [*chunks, *reader.finish()]


def test_text_comes_as_it_is_cut_and_the_usage_last() -> None:
    chunks = read(answer_chunks("It is sunny."))

    assert [text_of([each]) for each in chunks] == ["It", " is", " sunny.", ""]
    assert {each.request_id for each in chunks} == {"chatcmpl-a1"}
    assert {choice.delta.role for each in chunks for choice in each.choices} == {"assistant"}
    assert chunks[-1].usage == CompletionUsage(completion_tokens=3, prompt_tokens=12, total_tokens=15)


def test_tokens_from_the_cache_are_told() -> None:
    (last,) = [each for each in read([chunk({}, finish="stop"), usage_chunk(20, 5, cached=8)]) if each.usage]

    assert last.usage == CompletionUsage(5, 20, 25, cache_read_input_tokens=8)


def test_usage_that_comes_with_every_chunk_is_told_once() -> None:
    first, last = chunk({"content": "hi"}), chunk({}, finish="stop")
    first["usage"] = {"prompt_tokens": 5, "completion_tokens": 1}
    last["usage"] = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": None}

    assert [each.usage for each in read([first, last]) if each.usage] == [CompletionUsage(2, 5, 7)]


def test_calls_in_pieces_are_told_whole_and_in_their_order() -> None:
    chunks = read(answer_chunks("", [("get_weather", {"city": "Paris"}), ("get_weather", {"city": "Rome", "day": 2})]),
                  functions=Weather())  # fmt: skip

    assert calls_of(chunks) == [
        ("call_0a1", "get_weather", {"city": "Paris"}),
        ("call_1a1", "get_weather", {"city": "Rome", "day": 2}),
    ]


def test_two_whole_calls_in_one_delta_are_both_told() -> None:
    both = tools(
        call_piece(PARIS, index=0, id="a", name="get_weather"), call_piece(ROME, index=1, id="b", name="get_weather")
    )

    assert [(call, said["city"]) for call, _, said in calls_of(read([both], functions=Weather()))] == [
        ("a", "Paris"),
        ("b", "Rome"),
    ]


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(
            [
                call_piece('{"city": ', index=0, id="a", name="get_weather"),
                call_piece('"Paris"}', index=0, id="a", name="get_weather"),
                call_piece(ROME, index=1, id="b", name="get_weather"),
            ],
            id="id-and-name-with-every-piece",
        ),
        pytest.param(
            [
                call_piece("", index=0, id="a", name="get_weather"),
                call_piece(PARIS, index=0, id="", name=""),
                call_piece(ROME, index=1, id="b", name="get_weather"),
            ],
            id="empty-name-with-later-pieces",
        ),
        pytest.param(
            [
                call_piece('{"city": ', index=None, id="a", name="get_weather"),
                call_piece('"Paris"}', index=None),
                call_piece(ROME, index=None, id="b", name="get_weather"),
            ],
            id="no-index",
        ),
        pytest.param(
            [
                call_piece(PARIS, index=0, id="a", name="get_weather"),
                call_piece(ROME, index=0, id="b", name="get_weather"),
            ],
            id="one-index-for-all",
        ),
    ],
)
def test_the_ways_of_other_servers_to_tell_calls_do_not_confuse(pieces: list[dict[str, Any]]) -> None:
    chunks = read([*(tools(piece) for piece in pieces), chunk({}, finish="tool_calls")], functions=Weather())

    assert [(call, said["city"]) for call, _, said in calls_of(chunks)] == [("a", "Paris"), ("b", "Rome")]


def test_calls_without_ids_get_some() -> None:
    chunks = read(
        [tools(call_piece(PARIS, index=0, name="get_weather"), call_piece(ROME, index=1, name="get_weather"))],
        functions=Weather(),
    )

    ids = [call for call, _, _ in calls_of(chunks)]
    assert len(set(ids)) == 2
    assert all(each.startswith("call_") for each in ids)


@pytest.mark.parametrize("finish", ["tool_calls", "stop", None])
def test_the_last_call_is_told_whatever_is_said_at_the_end(finish: str | None) -> None:
    events = [tools(call_piece(PARIS, index=0, id="a", name="get_weather"))]
    events += [] if finish is None else [chunk({}, finish=finish)]

    assert len(calls_of(read(events, functions=Weather()))) == 1


def test_calls_are_passed_over_with_a_warning_where_there_are_no_functions(caplog: pytest.LogCaptureFixture) -> None:
    chunks = read([tools(call_piece(PARIS, id="a", name="get_weather")), chunk({}, finish="tool_calls")])

    assert calls_of(chunks) == []
    assert "Paris" not in caplog.text
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("get_wether", PARIS, "'get_wether'"),
        ("get_weather", '{"city": "Pa', "'get_weather' are no JSON"),
        ("get_weather", "{}", "'city' of 'get_weather' is missing"),
        ("get_weather", '{"city": 3}', "'city' of 'get_weather' should be a string"),
    ],
)
def test_a_call_that_cannot_be_made_is_an_error_that_names_it_and_helps_no_retry(
    name: str, arguments: str, words: str
) -> None:
    with pytest.raises(APIError, match=words) as caught:
        read([tools(call_piece(arguments, id="a", name=name))], functions=Weather())

    assert not caught.value.retryable
    assert isinstance(caught.value.__cause__, FunctionCallError)
    assert "Paris" not in str(caught.value)


def test_a_call_that_was_cut_at_the_greatest_length_says_so() -> None:
    with pytest.raises(APIError, match="greatest length"):
        read([tools(call_piece('{"city": "Pa', id="a", name="get_weather")), chunk({}, finish="length")],
             functions=Weather())  # fmt: skip


def test_a_piece_of_no_call_is_an_error() -> None:
    with pytest.raises(APIError, match="belongs to no call"):
        read([tools(call_piece(PARIS, index=0))], functions=Weather())


def test_pieces_of_calls_and_thoughts_are_progress_and_no_output() -> None:
    heard: list[int] = []
    chunks = read(
        [chunk({"reasoning_content": "hm"}), chunk({"reasoning": "hm"}), tools(call_piece("{", id="a", name="f"))],
        heard=heard,
    )

    assert (len(heard), chunks) == (3, [])


def test_empty_choices_null_deltas_and_unknown_fields_are_passed_over() -> None:
    first = {"choices": [], "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}], "id": ""}
    odd = chunk({"content": "hi", "annotations": [1], "audio": {"id": 3}})
    odd["choices"][0]["content_filter_results"] = {"hate": {"filtered": False}}

    chunks = read([first, chunk(None), odd, {"object": "something.new", "choices": None}, chunk(None, finish="stop")])

    assert [(text_of([each]), each.request_id) for each in chunks] == [("hi", "chatcmpl-a1")]


def test_a_refusal_is_text() -> None:
    assert text_of(read([chunk({"refusal": "I can not."}), chunk({}, finish="stop")])) == "I can not."


def test_answers_keep_their_numbers() -> None:
    chunks = read([chunk({"content": "a"}), chunk({"content": "b"}, index=1), chunk({}, finish="stop")])

    assert [(choice.index, choice.delta.content) for each in chunks for choice in each.choices] == [(0, "a"), (1, "b")]


def test_chunks_without_an_id_get_that_of_the_request() -> None:
    said = chunk({"content": "hi"})
    del said["id"]

    assert [each.request_id for each in read([said])] == ["req_1"]


def test_an_answer_may_end_without_done_if_it_says_why() -> None:
    assert text_of(read([chunk({"content": "hi"}), chunk({}, finish="stop")], done=False)) == "hi"


def test_an_answer_that_stops_in_its_middle_is_a_broken_connection() -> None:
    with pytest.raises(APIConnectionError, match="before it was complete"):
        read([chunk({"content": "hi"})], done=False)


def test_an_answer_that_was_filtered_out_is_an_error() -> None:
    with pytest.raises(APIError) as caught:
        read([chunk({}, finish="content_filter")])

    assert (caught.value.code, caught.value.retryable) == ("content_filter", False)


def test_an_answer_that_was_cut_by_the_filter_says_so_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    assert text_of(read([chunk({"content": "hi"}), chunk({}, finish="content_filter")])) == "hi"
    assert "content filter" in caplog.text


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        ({"error": {"message": "overloaded", "type": "server_error", "code": None}}, "server_error", "overloaded"),
        ({"error": {"message": "no", "code": "insufficient_quota"}}, "insufficient_quota", "no"),
        ({"error": "it broke"}, None, "it broke"),
        ({"error": {}}, None, "does not say"),
    ],
)
def test_an_error_in_the_middle_of_an_answer_is_told(said: dict[str, Any], code: str | None, words: str) -> None:
    with pytest.raises(APIError, match=words) as caught:
        read([chunk({"content": "hi"}), said])

    assert (caught.value.code, caught.value.body) == (code, said["error"])


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("<html>", "JSON is malformed"),
        ("[1]", "Expected `object`"),
        (chunk({"content": ["secret"]}), r"choices\[...\]\.delta\.content|choices\[0\]\.delta\.content"),
        ({"choices": "secret"}, "choices"),
        (tools({"index": "secret"}), "index"),
        ('{"id": "secret', "truncated"),
    ],
)
def test_an_event_of_another_form_is_an_error_that_names_the_field_and_not_what_was_said(said: Any, words: str) -> None:
    with pytest.raises(APIError, match=words) as caught:
        read([said])

    assert caught.value.phase == "decode"
    assert "secret" not in str(caught.value)
