"""Each known defect of the older speech and language layer has tests that show it mended; none comes back unseen."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]


class Shown(NamedTuple):
    """Where it is shown that a defect is mended.

    :param file: from the root of the project on.
    :param test: the function.
    :param case: a text of the file without which the function does not show it: a row of its table.
    """

    file: str
    test: str
    case: str = ""


Defect = tuple[str, *tuple[Shown, ...]]

STREAMS: dict[str, Defect] = {
    "S01": (
        "the error that ended a stream had lost what it was raised from",
        Shown(
            "tests/streams/test_base.py",
            "test_the_cause_of_the_last_failure_is_kept_also_for_whoever_asks_again",
        ),
    ),
    "S02": (
        "whoever gave up waiting for an event broke the stream for good",
        Shown("tests/streams/test_base.py", "test_a_cancelled_reader_loses_nothing"),
        Shown("tests/streams/test_base.py", "test_a_second_reader_at_the_same_time_is_refused"),
    ),
    "S03": (
        "what no retry can help was tried again all the same",
        Shown("tests/streams/test_base.py", "test_what_cannot_help_is_not_tried_again"),
        Shown("tests/streams/test_retry.py", "test_the_status_decides_whether_it_is_tried_again"),
    ),
    "S04": (
        "what a failed attempt had taken was lost to the next one",
        Shown("tests/streams/test_base.py", "test_input_that_is_not_settled_comes_again_in_the_next_attempt"),
        Shown("tests/stt/test_limits.py", "test_another_attempt_gets_what_was_not_final_when_it_went_silent"),
        Shown("tests/tts/test_text_stream.py", "test_a_retry_gets_the_text_again"),
    ),
    "S05": (
        "the error told of one attempt less than there were",
        Shown("tests/streams/test_base.py", "test_max_retry_3_makes_4_attempts_with_the_waits_of_the_options"),
    ),
}
STT: dict[str, Defect] = {
    "S06": (
        "sound of several channels was resampled as if it had one",
        Shown("tests/stt/test_stream.py", "test_channels_are_mixed_to_one_also_where_their_number_changes"),
    ),
    "S07": (
        "a recording behind the stream adapter was tried three times three times, and measured twice",
        Shown(
            "tests/stt/test_stream_adapter.py",
            "test_recognising_a_recording_makes_one_loop_of_retries_and_one_measurement",
        ),
    ),
    "S08": (
        "a recogniser that failed behind the stream adapter was told of as a closed detector",
        Shown("tests/stt/test_stream_adapter.py", "test_an_error_of_the_recogniser_ends_the_stream_as_what_it_is"),
    ),
    "S09": (
        "the detector of the stream adapter stayed open when the stream was closed",
        Shown(
            "tests/stt/test_stream_adapter.py",
            "test_the_detectors_stream_opens_with_the_first_attempt_and_is_closed_with_the_stream",
        ),
    ),
    "S10": (
        "a recogniser on trial that raised took the audio away from the healthy one",
        Shown(
            "tests/stt/test_fallback_stream.py",
            "test_a_member_on_trial_that_refuses_its_input_is_tried_anew_and_the_healthy_one_hears_all",
        ),
    ),
    "S11": (
        "recognisers on trial were never told that the input had ended",
        Shown(
            "tests/stt/test_fallback_stream.py",
            "test_the_input_of_a_member_on_trial_ends_with_the_input_of_the_stream",
        ),
    ),
}
TTS: dict[str, Defect] = {
    "S12": (
        "a retry said again what was heard already",
        Shown("tests/tts/test_chunked.py", "test_audio_that_was_heard_is_not_repeated_by_a_retry"),
        Shown("tests/tts/test_text_stream.py", "test_wherever_the_provider_fails_nothing_is_said_twice"),
    ),
    "S13": (
        "a segment that was taken before the one in front of it was measured was not measured at all",
        Shown("tests/tts/test_metrics.py", "test_a_second_segment_that_was_taken_early_is_not_silent"),
    ),
    "S14": (
        "the time to the first audio made no sense where that came before the provider said that it begins",
        Shown(
            "tests/tts/test_metrics.py",
            "test_the_clock_starts_where_the_provider_says_so_before_there_is_audio",
        ),
    ),
    "S15": (
        "the stream adapter kept the caller's options to itself",
        Shown("tests/tts/test_stream_adapter.py", "test_the_callers_options_reach_the_synthesizer"),
    ),
    "S16": (
        "the end of one stream closed the synthesizer behind the stream adapter",
        Shown("tests/tts/test_stream_adapter.py", "test_the_wrapped_synthesizer_stays_open"),
    ),
    "S17": (
        "a segment that was flushed before the end of the one in front of it was waited for without a limit",
        Shown("tests/tts/test_fallback_stream.py", "test_a_second_segment_that_was_flushed_early_has_its_own_timer"),
    ),
    "S18": (
        "a resampled segment had two last pieces",
        Shown(
            "tests/tts/test_fallback_stream.py",
            "test_resampled_segments_are_as_long_as_they_were_and_only_their_last_piece_is_final",
        ),
    ),
    "S19": (
        "streams of the fallback adapter were not measured",
        Shown("tests/tts/test_fallback_stream.py", "test_metrics_are_the_members_one_for_each_sentence"),
    ),
    "S20": (
        "streams shared a resampler, and it kept a piece of what had failed",
        Shown("tests/tts/test_fallback_stream.py", "test_a_resampler_keeps_nothing_of_an_attempt_that_failed"),
        Shown("tests/tts/test_fallback_stream.py", "test_streams_at_the_same_time_do_not_share_a_resampler"),
    ),
}
VAD: dict[str, Defect] = {
    "S21": (
        "an option could not be changed to zero",
        Shown("plugins/silero/tests/test_options.py", "test_zero_is_a_value_like_any_other"),
    ),
    "S22": (
        "a smaller buffer was written beyond its end",
        Shown(
            "plugins/silero/tests/test_audio.py",
            "test_a_smaller_size_cuts_what_is_there_and_a_larger_one_takes_more",
        ),
    ),
    "S23": (
        "the model forgot after each window what it had heard",
        Shown("plugins/silero/tests/test_model.py", "test_verdicts_are_those_of_a_reference_loop"),
        Shown("plugins/silero/tests/test_stream.py", "test_a_flush_begins_anew_and_speech_under_way_gets_no_end"),
    ),
    "S24": (
        "an utterance that was too long was warned about with every window",
        Shown("plugins/silero/tests/test_stream.py", "test_an_utterance_that_is_too_long_is_told_of_once"),
    ),
    "S25": (
        "the end of speech told that it had lasted no time at all",
        Shown(
            "plugins/silero/tests/test_timelines.py",
            "test_the_end_tells_the_length_of_the_speech_without_the_silence_behind_it",
        ),
    ),
}
TEXT: dict[str, Defect] = {
    "S26": (
        "a mail address that came letter by letter was cut at its dot",
        Shown(
            "tests/tokenize/test_sentence_cases.py", "test_a_text_in_pieces_has_the_same_sentences", "bob@example.com. "
        ),
    ),
    "S27": (
        "the dot behind an abbreviation at the end of a sentence was lost, or began the next one",
        Shown("tests/tokenize/test_sentence_cases.py", "test_what_differs_from_before_keeps_the_text", "Acme Inc. She"),
    ),
    "S28": (
        "the mark at the end of a quotation changed places with what closes it",
        Shown("tests/tokenize/test_sentence_cases.py", "test_what_differs_from_before_keeps_the_text", 'friend." Then'),
    ),
    "S29": (
        "marks that belong together were taken apart",
        Shown("tests/tokenize/test_sentence_cases.py", "test_what_differs_from_before_keeps_the_text", "Really?! That"),
    ),
    "S30": (
        "texts that held the tokenizer's own marks came out spoilt",
        Shown("tests/tokenize/test_sentence_cases.py", "test_what_differs_from_before_keeps_the_text", "Hello <prd>"),
    ),
    "S31": (
        "a word could not be replaced by nothing",
        Shown("tests/tokenize/test_replace_words.py", "test_words_of_a_text_are_replaced", '{"world": ""}'),
    ),
    "S32": (
        "one transcript that could not be sent was the last one",
        Shown("tests/transcription/test_stt_forwarder.py", "test_updates_after_a_fault_of_the_room_are_shown"),
        Shown("tests/transcription/test_stt_forwarder.py", "test_updates_after_a_fault_of_the_callback_are_shown"),
    ),
    "S33": (
        "closing never ended where the text had not",
        Shown("tests/transcription/test_tts_forwarder.py", "test_text_that_was_never_ended_does_not_hang_the_close"),
    ),
}
TOOLS: dict[str, Defect] = {
    "S34": (
        "a flush gave the rest of the audio, and kept it",
        Shown("tests/utils/test_audio_byte_stream.py", "test_a_flush_gives_the_rest_as_one_shorter_frame_once"),
        Shown("tests/utils/test_audio_byte_stream.py", "test_a_push_after_a_flush_does_not_repeat_the_rest"),
    ),
    "S35": (
        "bytes of several channels could not be cut into frames",
        Shown("tests/utils/test_audio_byte_stream.py", "test_two_channels_are_counted_right"),
    ),
    "S36": (
        "the last samples of a decoded stream were missing",
        Shown("tests/utils/codecs/test_decoder.py", "test_one_second_gives_one_second_whatever_the_rate"),
    ),
    "S37": (
        "decoded frames of two channels told half their length",
        Shown("tests/utils/codecs/test_decoder.py", "test_two_channels_come_out_as_two_with_all_their_samples"),
    ),
    "S38": (
        "what could not be decoded ended as if there had been no audio",
        Shown("tests/utils/codecs/test_decoder.py", "test_what_is_no_audio_is_an_error_for_the_reader_at_each_read"),
    ),
    "S39": (
        "a way to resize pictures was known by another name than its own only",
        Shown("tests/utils/test_images.py", "test_the_size_is_that_of_the_strategy", '"scale_aspect_cover"'),
        Shown("tests/utils/test_images.py", "test_the_size_is_that_of_the_strategy", '"scale_aspect_fill"'),
    ),
    "S40": (
        "a connection whose user was cancelled could never be used again, nor was it closed",
        Shown(
            "tests/utils/test_connection_pool.py",
            "test_a_cancelled_user_leaves_a_closed_connection_not_a_half_used_one",
        ),
    ),
    "S41": (
        "a connection was still opened ahead for a pool that was closed",
        Shown(
            "tests/utils/test_connection_pool_prewarm.py",
            "test_x24_closing_a_pool_cancels_its_prewarming_and_waits_for_that",
        ),
    ),
    "S42": (
        "an old connection that could not be closed kept the next user from getting one",
        Shown("tests/utils/test_connection_pool.py", "test_a_failing_close_is_logged_and_stops_nobody"),
    ),
}
LLM: dict[str, Defect] = {
    "S43": (
        "a copied message had lost what its function raised",
        Shown("tests/llm/test_chat_context.py", "test_a_copied_message_keeps_what_its_tool_raised"),
    ),
    "S44": (
        "a function that was registered at run time lost its name",
        Shown(
            "tests/llm/test_function_context.py",
            "test_a_function_registered_at_run_time_keeps_its_name_and_goes_last",
        ),
    ),
    "S45": (
        "a function's name that no vendor takes was noticed by the vendor",
        Shown("tests/llm/test_function_context.py", "test_a_name_that_providers_refuse_is_refused_at_registration"),
    ),
    "S46": (
        "a parameter without a type was an error that named neither it nor its function",
        Shown(
            "tests/llm/test_function_context.py",
            "test_a_parameter_without_annotation_is_refused_by_function_and_name",
        ),
    ),
    "S47": (
        "some types of parameters failed with any error, or only when the model was asked",
        Shown(
            "tests/llm/test_function_context.py",
            "test_a_type_that_no_model_can_be_told_is_refused_at_registration_by_function_and_name",
        ),
        Shown("tests/llm/test_schema.py", "test_each_type_has_its_schema", "Room | None"),
        Shown("tests/llm/test_schema.py", "test_each_type_has_its_schema", "Literal[1, 2]"),
        Shown("tests/llm/test_schema.py", "test_each_type_has_its_schema", "list[Room]"),
    ),
    "S48": (
        "a model that wrote null for an argument that may be missing was refused",
        Shown("tests/llm/test_arguments.py", "test_null_is_none_where_the_parameter_is_optional"),
        Shown("tests/llm/test_arguments.py", "test_null_is_as_good_as_left_out_where_there_is_a_default"),
    ),
    "S49": (
        "arguments that were no object passed for none, or failed with any error",
        Shown("tests/llm/test_arguments.py", "test_json_that_is_no_object_is_an_error"),
    ),
    "S50": (
        "what a function returned was not told to the model unless it was a text or a dictionary",
        Shown("tests/llm/test_chat_context.py", "test_whatever_a_tool_returns_becomes_text"),
    ),
    "S51": (
        "a fallback over a model that needs its functions to stay told that it needs nothing",
        Shown("tests/llm/test_fallback.py", "test_it_can_do_what_all_can_and_needs_what_one_needs"),
    ),
    "S52": (
        "a closed fallback went on trying its members",
        Shown("tests/llm/test_fallback.py", "test_closing_ends_the_background_tries_and_leaves_the_members_open"),
    ),
    "S53": (
        "true and false passed for numbers",
        Shown("tests/llm/test_arguments.py", "test_a_boolean_is_no_number"),
    ),
    "S54": (
        "nobody was told that a plain function runs on when its call is cancelled, which cannot be mended",
        Shown(
            "tests/llm/test_function_call.py", "test_cancelling_the_call_of_a_plain_function_leaves_its_thread_running"
        ),
    ),
    "S55": (
        "the two decorators had two defaults for what nobody reads",
        Shown(
            "tests/llm/test_function_context.py",
            "test_auto_retry_differs_between_the_two_decorators_and_is_only_kept",
        ),
    ),
    "S56": (
        "calls of an attempt that failed were executed beside those of the next one",
        Shown("tests/llm/test_stream.py", "test_calls_that_a_failed_attempt_had_noted_are_forgotten"),
        Shown("tests/llm/test_stream.py", "test_calls_that_the_last_attempt_had_noted_and_not_sent_are_forgotten"),
    ),
    "S57": (
        "the schema of a function had choices that were no list, and called whole numbers any numbers",
        Shown("tests/llm/test_schema.py", "test_choices_are_a_list_as_json_has_it"),
        Shown("tests/llm/test_schema.py", "test_each_type_has_its_schema", '(int, {"type": "integer"})'),
    ),
}
DEFECTS: dict[str, Defect] = {**STREAMS, **STT, **TTS, **VAD, **TEXT, **TOOLS, **LLM}
"""Id -> what went wrong there, and what shows that it no longer does."""


@cache
def names_in(file: str) -> frozenset[str]:
    """Return the names of the tests of a file, none if there is no such file; nothing is imported."""
    path = ROOT / file
    tree = ast.parse(path.read_text(encoding="utf-8") if path.exists() else "")
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def is_there(shown: Shown) -> bool:
    return shown.test in names_in(shown.file) and shown.case in (ROOT / shown.file).read_text(encoding="utf-8")


@pytest.mark.parametrize("number", DEFECTS)
def test_a_known_defect_has_its_tests(number: str) -> None:
    what, *places = DEFECTS[number]

    assert places
    assert not [each for each in places if not is_there(each)], f"nothing shows any more that {what!r} is mended"


def test_the_numbers_are_complete_and_each_stands_for_one_defect() -> None:
    assert list(DEFECTS) == [f"S{number:02}" for number in range(1, len(DEFECTS) + 1)]
    assert len({what for what, *_ in DEFECTS.values()}) == len(DEFECTS)


@pytest.mark.parametrize(
    "gone",
    [
        Shown("tests/streams/test_that_is_not_there.py", "test_a_cancelled_reader_loses_nothing"),
        Shown("tests/streams/test_base.py", "test_that_is_not_there"),
        Shown("tests/streams/test_base.py", "test_a_cancelled_reader_loses_nothing", "a row that is not there"),
    ],
)
def test_what_is_gone_is_noticed(gone: Shown) -> None:
    assert not is_there(gone)
