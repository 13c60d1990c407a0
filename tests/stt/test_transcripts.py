"""What becomes of a provider's event, depending on what there was before."""

from __future__ import annotations

import pytest
from tests.stt.hearing import END, FINAL, INTERIM, START

from lk_agents.stt import SpeechData, SpeechEvent, SpeechEventType, TimedWord
from lk_agents.stt.transcripts import TranscriptLog


def words(*timed: tuple[str, float, float]) -> list[TimedWord]:
    return [TimedWord(*each) for each in timed]


def said(type: SpeechEventType, *alternatives: SpeechData) -> SpeechEvent:
    return SpeechEvent(type, request_id="r1", alternatives=list(alternatives))


def later(seconds: float) -> float:
    """Map the time of a provider that was given its first audio at 10 s of the stream."""
    return seconds + 10.0


def same(seconds: float) -> float:
    return seconds


def after_final(end: float) -> TranscriptLog:
    """Return the log of a stream whose provider broke after a final that ended there."""
    log = TranscriptLog()
    log.next(said(FINAL, SpeechData("en", "before", 0.1, end)), same)
    log.begin_session()
    return log


def test_times_of_all_alternatives_and_words_become_those_of_the_stream() -> None:
    event = said(
        INTERIM,
        SpeechData("en", "one", 1.0, 2.0, words=words(("one", 1.0, 2.0)), speaker_id="A"),
        SpeechData("en", "won", 1.0, 2.0),
    )

    placed = TranscriptLog().next(event, later)

    assert placed is not None
    assert placed.request_id == "r1"
    assert placed.alternatives == [
        SpeechData("en", "one", 11.0, 12.0, words=words(("one", 11.0, 12.0)), speaker_id="A"),
        SpeechData("en", "won", 11.0, 12.0),
    ]
    assert event.alternatives[0].start_time == 1.0  # the provider's own record is left alone


def test_a_transcript_without_times_gets_none() -> None:
    placed = TranscriptLog().next(said(FINAL, SpeechData("en", "one")), later)

    assert placed == said(FINAL, SpeechData("en", "one"))


def test_a_transcript_whose_words_alone_have_times_lies_where_they_do() -> None:
    event = said(FINAL, SpeechData("en", "one two", words=words(("one", 0.0, 0.4), ("two", 0.5, 0.9))))

    placed = TranscriptLog().next(event, later)

    assert placed is not None
    assert (placed.alternatives[0].start_time, placed.alternatives[0].end_time) == (10.0, 10.9)


def test_an_end_that_is_unknown_stays_unknown() -> None:
    placed = TranscriptLog().next(said(INTERIM, SpeechData("en", "one", start_time=0.5)), later)

    assert placed is not None
    assert (placed.alternatives[0].start_time, placed.alternatives[0].end_time) == (10.5, 0.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Never mind. Hello, world!", "Hello, world!"),
        ("NEVER MIND HELLO WORLD", "HELLO WORLD"),
        ("mind never hello world", "hello world"),  # the words are not in the order of the text
        ("19 euros", "hello world"),  # nor written as they were spoken
    ],
)
def test_what_is_left_of_a_text_is_left_as_it_was_written(text: str, expected: str) -> None:
    timed = words(("never", 1.0, 1.3), ("mind", 1.3, 1.9), ("hello", 2.0, 2.4), ("world", 2.4, 3.0))

    placed = after_final(2.0).next(said(FINAL, SpeechData("en", text, 1.0, 3.0, words=timed)), same)

    assert placed is not None
    assert placed.alternatives[0].text == expected
    assert [word.text for word in placed.alternatives[0].words] == ["hello", "world"]
    assert placed.alternatives[0].start_time == 2.0


def test_only_an_alternative_with_something_new_is_left() -> None:
    old = SpeechData("en", "before", 0.1, 1.9)
    new = SpeechData("en", "before after", 0.1, 2.9, words=words(("before", 0.1, 1.9), ("after", 2.1, 2.9)))

    placed = after_final(2.0).next(said(INTERIM, old, new), same)

    assert placed is not None
    assert [each.text for each in placed.alternatives] == ["after"]


def test_a_transcript_that_begins_too_early_is_moved_behind_the_last_final() -> None:
    placed = after_final(2.0).next(said(FINAL, SpeechData("en", "after", 1.5, 2.5)), same)

    assert placed is not None
    assert (placed.alternatives[0].start_time, placed.alternatives[0].end_time) == (2.0, 2.5)


def test_within_a_session_speakers_may_overlap() -> None:
    log = TranscriptLog()
    log.next(said(FINAL, SpeechData("en", "long story", 0.0, 4.0, speaker_id="A")), same)
    event = said(FINAL, SpeechData("en", "yes", 2.0, 2.4, words=words(("yes", 2.0, 2.4)), speaker_id="B"))

    assert log.next(event, same) == event
    assert log.final_end == 4.0


def test_something_understood_is_unsettled_until_the_next_final_also_an_empty_one() -> None:
    log = TranscriptLog()
    seen = []
    for event in (
        said(INTERIM, SpeechData("en", " ")),
        said(INTERIM, SpeechData("en", "one")),
        said(FINAL),
        said(SpeechEventType.PREFLIGHT_TRANSCRIPT, SpeechData("en", "two")),
        said(FINAL, SpeechData("en", "two")),
    ):
        log.next(event, same)
        seen.append(log.unsettled)

    assert seen == [False, True, False, True, False]
    assert log.finals == 2


def test_only_the_end_that_was_told_in_a_providers_place_is_dropped() -> None:
    log = TranscriptLog()
    log.next(SpeechEvent(START), same)
    log.next(SpeechEvent(END), same)
    log.ended_in_its_place()

    late = log.next(SpeechEvent(END), same)
    passed = [log.next(SpeechEvent(each), same) is not None for each in (START, END, END)]

    assert late is None
    assert passed == [True, True, True]


def test_starts_and_ends_take_turns() -> None:
    log = TranscriptLog()

    passed = [log.next(SpeechEvent(each), same) is not None for each in (END, START, START, END, START, END)]

    assert passed == [True, True, False, True, True, True]
