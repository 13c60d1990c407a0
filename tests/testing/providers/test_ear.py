"""An ear hears what is in the audio, wherever that begins; and speech is known by its sound."""

from __future__ import annotations

import pytest
from livekit import rtc

from lk_agents.foundation.errors import ConfigError
from lk_agents.testing.providers import Ear, Heard, Told, voice
from lk_agents.testing.providers.speech import pitches_in, place_of
from lk_agents.utils.audio import combine_frames

RATE = 16_000
SCRIPT = [Heard("good morning", 0.5, 1.3), Heard("how are you", 2.0, 3.2)]


def listen(ear: Ear, seconds: float = 4.0, *, since: float = 0.0, rate: int = RATE) -> list[Told]:
    told = []
    for frame in voice(SCRIPT, seconds, sample_rate=rate)[round(since / 0.02) :]:
        told += ear.take(frame.data.cast("B"))
    return told


def finals(told: list[Told]) -> list[str]:
    return [each.text for each in told if each.kind == "final"]


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
def test_it_hears_every_utterance_at_every_rate(rate: int) -> None:
    told = listen(Ear(SCRIPT, sample_rate=rate), rate=rate)

    assert [each.kind for each in told] == [
        *("start", "interim", "final", "end"),
        *("start", "interim", "interim", "final", "end"),
    ]
    assert finals(told) == ["good morning", "how are you"]


def test_times_are_those_of_the_audio_that_it_was_given() -> None:
    told = listen(Ear(SCRIPT, sample_rate=RATE), since=1.6)

    final = next(each for each in told if each.kind == "final")
    assert final.text == "how are you"
    assert final.words[0].start_time == pytest.approx(0.4, abs=0.01)
    assert final.words[-1].end_time == pytest.approx(1.6, abs=0.01)


def test_audio_that_begins_within_an_utterance_has_the_words_that_begin_there() -> None:
    are = SCRIPT[1].words[1].start_time

    told = listen(Ear(SCRIPT, sample_rate=RATE), since=are)

    assert finals(told) == ["are you"]


def test_a_flush_brings_the_words_that_are_over() -> None:
    ear = Ear(SCRIPT, sample_rate=RATE)

    listen(ear, SCRIPT[1].words[1].end_time)

    assert finals(ear.flush()) == ["how are"]


def test_at_the_end_a_word_that_was_begun_counts() -> None:
    ear = Ear(SCRIPT, sample_rate=RATE)

    listen(ear, SCRIPT[1].words[1].start_time + 0.1)

    assert finals(ear.end()) == ["how are"]


def test_silence_says_nothing() -> None:
    ear = Ear(SCRIPT, sample_rate=RATE)

    assert ear.take(bytes(4 * RATE)) == []
    assert ear.flush() == []
    assert ear.end() == []


def test_an_ear_that_goes_by_time_hears_in_silence_too() -> None:
    assert finals(Ear(SCRIPT, sample_rate=RATE, begin=0.0).take(bytes(8 * RATE))) == ["good morning", "how are you"]


def test_utterances_that_only_recordings_have_are_not_heard() -> None:
    script = [Heard("good morning", 0.5, 1.3, in_streams=False)]

    assert Ear(script, sample_rate=RATE, begin=0.0).take(bytes(4 * RATE)) == []


def test_a_recording_is_known_by_its_tones() -> None:
    assert pitches_in(combine_frames(voice(SCRIPT, 4.0))) == [0, 1]
    assert pitches_in(combine_frames(voice(SCRIPT, 4.0)[round(1.6 / 0.02) :])) == [1]


@pytest.mark.parametrize("index", [0, 1, 20, 60])
@pytest.mark.parametrize("progress", [0.1, 0.5, 0.9])
def test_a_place_within_an_utterance_is_known_by_its_sound(index: int, progress: float) -> None:
    script = [Heard("quiet", 9.0, 9.1)] * index + [Heard("something is said", 0.0, 1.0)]
    frame = combine_frames(voice(script, 1.0))
    first = round((progress - 0.02) * RATE)

    place = place_of(frame.data.cast("B").cast("h")[first : first + 640].tolist(), RATE)

    assert place is not None
    assert place[0] == index
    assert place[1] == pytest.approx(progress, abs=0.05)


def test_noise_is_no_place() -> None:
    assert place_of([0, 1] * 320, RATE) is None


def test_audio_is_as_long_as_it_should_be() -> None:
    frames = voice(SCRIPT, 4.005, frame_seconds=0.01)

    assert {(frame.sample_rate, frame.num_channels, frame.samples_per_channel) for frame in frames} == {(RATE, 1, 160)}
    assert sum(frame.duration for frame in frames) == pytest.approx(4.01)
    assert all(isinstance(frame, rtc.AudioFrame) for frame in frames)


def test_a_script_of_more_utterances_than_can_be_told_apart_is_refused() -> None:
    with pytest.raises(ConfigError, match="100 utterances"):
        voice([Heard("hello", 0.0, 1.0)] * 100, 1.0)


@pytest.mark.parametrize(("text", "start", "end"), [("", 0, 1), ("  ", 0, 1), ("hello", 1, 1), ("hello", -1, 1)])
def test_an_utterance_that_cannot_be_is_refused(text: str, start: float, end: float) -> None:
    with pytest.raises(ConfigError):
        Heard(text, start, end)


def test_words_share_the_time_of_their_utterance_by_their_length() -> None:
    words = Heard("a bbb", 1.0, 2.0).words

    assert [(word.text, word.start_time, word.end_time) for word in words] == [("a", 1.0, 1.25), ("bbb", 1.25, 2.0)]
