"""What callers say and hear, as samples: where it is loud, in which tone, and when."""

import numpy as np
import pytest
from benchmarks.talk import script
from benchmarks.talk.clock import due_times, moment
from benchmarks.talk.heard import GAP_SECONDS, LOUD, Stretch, stretches
from benchmarks.talk.sound import PIECE, PIECE_SECONDS, RATE, Samples, beep, hush, loud_ends, phrases, upsampled

TONE = script.TONES[3]


def tone(seconds: float, hertz: float = TONE) -> Samples:
    time = np.arange(round(seconds * RATE)) / RATE
    return (np.cos(2 * np.pi * hertz * time) * 16_000).astype(np.int16)


def listened(*parts: Samples) -> list[Stretch]:
    sound = np.concatenate(parts)
    sound = np.pad(sound, (0, -len(sound) % PIECE))
    return stretches(sound, due_times([10 + (index + 1) * PIECE_SECONDS for index in range(len(sound) // PIECE)]))


def test_the_first_and_the_last_loud_sample_are_found_however_loud_the_phrase_is() -> None:
    samples = np.array([0, 3, -90, 100, 5000, -200, 95, 0], np.int16)

    assert loud_ends(samples) == (2, 6)
    assert loud_ends(samples * 3) == (2, 6)
    assert loud_ends(np.array([1, 0, -32768, 0, 1000], np.int16)) == (2, 4)


def test_silence_has_no_loud_sample() -> None:
    with pytest.raises(ValueError, match="no loud sample"):
        loud_ends(np.zeros(10, np.int16))


def test_a_sound_at_a_higher_rate_is_the_same_sound() -> None:
    time = np.arange(1600) / 16_000
    low = (np.sin(2 * np.pi * 500 * time) * 10_000).astype(np.int16)
    high = upsampled(low, 3)

    assert len(high) == 4800
    assert np.abs(high[::3].astype(int) - low).max() <= 1
    assert np.abs(np.fft.rfft(high)).argmax() == 50  # 500 Hz in a tenth of a second


def test_phrases_are_speech_without_a_pause_in_which_a_turn_could_end() -> None:
    for phrase in phrases():
        size = np.abs(phrase.samples.astype(int))
        loud = np.flatnonzero(size >= size.max() * 10 ** (-35 / 20))

        assert (loud[0], loud[-1]) == (phrase.first, phrase.last)
        assert np.diff(loud).max() / RATE < script.ENDPOINTING_SECONDS / 2
        assert script.INTERRUPT_SECONDS * 2 < (phrase.last - phrase.first) / RATE < 6
        assert len(phrase.samples) % PIECE == 0


def test_a_room_is_never_silent_and_never_loud() -> None:
    noise = np.abs(hush(1).astype(int))

    assert 0 < noise.mean() < 10
    assert noise.max() < LOUD / 50


def test_a_beep_begins_and_ends_at_once() -> None:
    sound = beep()

    assert sound.first == 0
    assert sound.last == pytest.approx(0.1 * RATE, abs=20)


@pytest.mark.parametrize("number", [0, 5, 37])
def test_an_answer_is_one_tone_without_a_break_however_it_is_cut_into_sentences(number: int) -> None:
    text = script.answer(number)
    middle = text.index(". ", 5) + 1
    whole, parts = script.spoken(text), script.spoken(text[:middle]) + script.spoken(text[middle:])
    samples = np.frombuffer(whole, np.int16)

    assert whole == parts
    assert len(samples) == round(script.REPLY_SECONDS * script.RATE)
    assert np.abs(np.diff(np.sign(samples))).sum() / 4 == pytest.approx(
        script.tone_of(number) * script.REPLY_SECONDS, rel=0.01
    )


def test_answers_that_follow_each_other_have_different_tones() -> None:
    assert len({script.tone_of(number) for number in range(len(script.TONES))}) == len(script.TONES)


def test_a_text_that_is_no_answer_is_not_spoken() -> None:
    with pytest.raises(ValueError, match="part of no answer"):
        script.spoken("Good morning.")


def test_pieces_that_come_late_were_due_when_the_others_say() -> None:
    times = [5 + index * PIECE_SECONDS for index in range(60)]
    late = list(times)
    late[10] += 0.03
    for index in range(30, 34):  # four pieces that came together
        late[index] = times[33] + 0.002

    assert due_times(late) == pytest.approx(times, abs=0.0001)


def test_a_clock_that_drifts_or_stops_is_followed() -> None:
    drifting = [index * PIECE_SECONDS * 1.0002 for index in range(1200)]
    stopped = [index * PIECE_SECONDS + (0.3 if index >= 100 else 0) for index in range(200)]

    assert due_times(drifting) == pytest.approx(drifting, abs=0.0003)
    assert due_times(stopped)[[50, 150]] == pytest.approx([stopped[50], stopped[150]])


def test_a_piece_is_due_when_its_last_sample_has_been_heard() -> None:
    due = np.array([7.0, 7.05])

    assert moment(0, due) == pytest.approx(6.95)
    assert moment(PIECE, due) == pytest.approx(7.0)
    assert moment(PIECE + 480, due) == pytest.approx(7.01)


def test_a_tone_is_found_where_it_is_to_the_sample() -> None:
    [found] = listened(hush(0.333), tone(0.7), hush(1))

    assert found.tone == TONE
    assert found.begin == pytest.approx(10.333, abs=0.0001)
    assert found.end == pytest.approx(11.033, abs=0.001)
    assert found.first == pytest.approx(0.333, abs=0.0001)
    assert found.seconds == pytest.approx(0.7, abs=0.001)


@pytest.mark.parametrize(("pause", "count"), [(GAP_SECONDS - 0.005, 1), (GAP_SECONDS + 0.005, 2), (0.5, 2)])
def test_only_a_pause_of_more_than_40_ms_is_a_gap(pause: float, count: int) -> None:
    assert len(listened(tone(0.3), hush(pause), tone(0.3))) == count


@pytest.mark.parametrize("seconds", [0.02, 0.1, 2.0])
def test_each_tone_of_an_answer_is_told_from_its_neighbours(seconds: float) -> None:
    for hertz in script.TONES:
        assert [each.tone for each in listened(hush(0.1), tone(seconds, hertz), hush(0.1))] == [hertz]


def test_another_sound_is_no_answer() -> None:
    assert [each.tone for each in listened(hush(0.1), tone(0.3, 250))] == [0]
    assert listened(hush(1)) == []
