"""When a recogniser of recordings is asked."""

from __future__ import annotations

from dataclasses import replace
from itertools import count, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_agents.voice.speculation import (
    CloseRecognition,
    DropRecognition,
    OpenRecognition,
    Recognise,
    Speculation,
    SpeculationCommand,
)

Commands = list[SpeculationCommand]


class Script:
    """Somebody speaks, in a world in which positions are moments."""

    def __init__(self, **options: Any) -> None:
        self.speculation = Speculation(count(1).__next__, **options)
        self.now = 0.0

    def speak(self, begin: float, end: float) -> Commands:
        """Speak; the run is closed 0.1 s later. Returns what was asked at its beginning and its end."""
        commands = self.begin(begin)
        commands += self.speculation.run_went_on(end)
        return commands + self.stop(end)

    def begin(self, onset: float) -> Commands:
        return self.speculation.run_began(onset)

    def stop(self, end: float, *, is_speech: bool = True) -> Commands:
        self.now = end + 0.1
        return _rounded(
            self.speculation.run_ended(
                last_speech=end, last_speech_at=end, is_speech=is_speech, position=self.now, now=self.now
            )
        )

    def wait(self) -> Commands:
        """Let the deadline come that there is."""
        assert self.speculation.next_deadline is not None
        self.now = self.speculation.next_deadline
        return _rounded(self.speculation.tick(self.now, self.now))

    def end(self, at: float) -> Commands:
        return _rounded(self.speculation.ended(at))

    def take(self, at: float) -> Commands:
        return _rounded(self.speculation.taken(at))

    def answer(self, key: int, *, success: bool = True) -> Commands:
        return self.speculation.recognised(key, success=success)


def _rounded(commands: Commands) -> Commands:
    return [replace(each, since=round(each.since, 6)) if isinstance(each, Recognise) else each for each in commands]


def test_a_run_that_has_ended_is_announced_at_once_and_recognised_after_the_pause() -> None:
    script = Script()

    assert script.speak(1.0, 2.0) == [OpenRecognition(1)]
    assert script.speculation.next_deadline == pytest.approx(2.2)
    assert script.wait() == [Recognise(1, 0.7)]
    assert script.answer(1) == [CloseRecognition(1)]
    assert script.speculation.next_deadline is None


def test_a_pause_that_is_over_when_the_run_ends_is_not_waited_for() -> None:
    script = Script(silence_seconds=0.05)

    assert script.speak(1.0, 2.0) == [OpenRecognition(1), Recognise(1, 0.7)]


def test_a_new_run_drops_the_recognition_and_the_next_one_hears_all_of_it_under_the_same_key() -> None:
    script = Script()
    script.speak(1.0, 2.0)
    script.wait()

    assert script.speak(2.3, 3.0) == [DropRecognition(1), CloseRecognition(1), OpenRecognition(1)]
    assert script.wait() == [Recognise(1, 0.7)]


def test_a_new_run_within_the_pause_takes_the_announcement_back() -> None:
    script = Script()
    script.speak(1.0, 2.0)

    assert script.begin(2.15) == [CloseRecognition(1)]
    assert script.speculation.next_deadline is None


def test_a_new_run_after_the_text_has_come_is_recognised_together_with_what_was_before() -> None:
    script = Script()
    script.speak(1.0, 2.0)
    script.wait()
    script.answer(1)

    assert script.speak(2.4, 3.0) == [OpenRecognition(1)]
    assert script.wait() == [Recognise(1, 0.7)]


def test_the_end_asks_nothing_more_if_no_speech_followed() -> None:
    script = Script()
    script.speak(1.0, 2.0)
    script.wait()

    assert script.end(2.65) == []
    assert script.answer(1) == [CloseRecognition(1)]


def test_the_end_asks_at_once_if_the_pause_was_not_over() -> None:
    script = Script(silence_seconds=1.0)
    script.speak(1.0, 2.0)

    assert script.end(2.65) == [Recognise(1, 0.7)]


def test_the_end_asks_again_if_the_recognition_has_failed() -> None:
    script = Script()
    script.speak(1.0, 2.0)
    script.wait()
    assert script.answer(1, success=False) == [CloseRecognition(1)]

    assert script.end(2.65) == [OpenRecognition(1), Recognise(1, 0.7)]


def test_after_the_end_the_next_run_is_another_utterance_without_the_speech_before() -> None:
    script = Script()
    script.speak(1.0, 2.0)
    script.wait()
    script.end(2.15)

    assert script.speak(2.2, 3.0) == [OpenRecognition(2)]
    assert script.wait() == [Recognise(2, 2.0)]


def test_after_the_decision_the_next_run_is_another_utterance() -> None:
    script = Script()
    script.speak(1.0, 2.0)
    script.wait()
    script.answer(1)

    assert script.take(2.5) == []
    assert script.end(2.65) == []
    assert script.speak(2.8, 3.0) == [OpenRecognition(2)]


def test_a_decision_before_the_pause_is_over_lets_what_was_said_be_recognised_all_the_same() -> None:
    script = Script()
    script.speak(1.0, 2.0)

    assert script.take(2.15) == [Recognise(1, 0.7)]


def test_a_recognition_that_outlasts_the_decision_keeps_its_key_and_is_not_dropped_by_the_next_run() -> None:
    script = Script()
    script.speak(1.0, 2.0)
    script.wait()
    script.take(4.0)

    assert script.speak(5.0, 6.0) == [OpenRecognition(2)]
    assert script.answer(1) == [CloseRecognition(1)]


def test_a_decision_in_mid_run_leaves_the_rest_to_another_utterance() -> None:
    script = Script()
    script.speak(1.0, 2.0)
    script.wait()
    script.answer(1)
    script.begin(2.5)

    assert script.take(2.6) == []
    assert script.stop(3.0) == [OpenRecognition(2)]
    assert script.wait() == [Recognise(2, 2.2)]


def test_without_speculation_it_is_announced_at_the_pause_and_recognised_at_the_end() -> None:
    script = Script(speculative=False)

    assert script.speak(1.0, 2.0) == [OpenRecognition(1)]
    assert script.speculation.next_deadline is None
    assert script.end(2.65) == [Recognise(1, 0.7)]


def test_a_run_that_the_detector_does_not_take_for_speech_is_not_recognised() -> None:
    script = Script()
    script.begin(1.0)

    assert script.stop(1.03, is_speech=False) == []
    assert script.speculation.next_deadline is None
    assert script.speculation.needs_audio_since is None


def test_an_end_with_the_first_silent_window_waits_for_the_run_to_close() -> None:
    script = Script()
    script.begin(1.0)

    assert script.end(2.03) == []
    assert script.stop(2.0, is_speech=False) == [OpenRecognition(1), Recognise(1, 0.7)]
    assert script.speak(2.5, 3.0) == [OpenRecognition(2)]


def test_a_long_utterance_ends_with_the_next_pause() -> None:
    script = Script()
    script.speak(1.0, 35.0)
    script.wait()

    assert script.speak(35.3, 36.0) == [OpenRecognition(2)]
    assert script.wait() == [Recognise(2, 35.0)]
    assert script.answer(1) == [CloseRecognition(1)]


def test_an_utterance_without_a_pause_is_cut_after_a_minute() -> None:
    script = Script()
    script.begin(1.0)

    assert script.speculation.run_went_on(60.0) == []
    assert _rounded(script.speculation.run_went_on(60.8)) == [OpenRecognition(1), Recognise(1, 0.7)]
    assert script.stop(70.0) == [OpenRecognition(2)]
    assert script.wait() == [Recognise(2, 60.8)]


def test_audio_is_needed_from_the_beginning_of_the_utterance_to_its_end() -> None:
    script = Script()
    script.begin(1.0)
    assert script.speculation.needs_audio_since == pytest.approx(0.7)
    script.stop(2.0)
    script.end(2.65)

    assert script.speculation.needs_audio_since is None


class World:
    """Lives through a script, and carries the commands out by the rules that whoever does so relies on."""

    def __init__(self, *, speculative: bool) -> None:
        self.speculation = Speculation(count(1).__next__, speculative=speculative)
        self.open: set[int] = set()
        self.under_way: dict[int, tuple[float, float]] = {}
        self.recognised: dict[int, tuple[float, float]] = {}
        self.spoken: list[tuple[float, float]] = []
        self.now = 0.0

    def carry_out(self, commands: Commands) -> None:
        for command in commands:
            match command:
                case OpenRecognition(key):
                    assert key not in self.open
                    self.open.add(key)
                case Recognise(key, since):
                    assert key in self.open
                    assert key not in self.under_way
                    assert self.now - since <= 65.0
                    self.under_way[key] = (since, self.now)
                case DropRecognition(key):
                    del self.under_way[key]
                case CloseRecognition(key):
                    assert key not in self.under_way
                    self.open.remove(key)

    def speak(self, seconds: float) -> None:
        begin = self.now
        self.carry_out(self.speculation.run_began(begin))
        while self.now < begin + seconds:
            self.now += 1.0
            self.carry_out(self.speculation.run_went_on(self.now))
        end = self.now
        self.spoken.append((begin, end))
        self.now += 0.1
        self.carry_out(
            self.speculation.run_ended(
                last_speech=end, last_speech_at=end, is_speech=True, position=self.now, now=self.now
            )
        )

    def pause(self, seconds: float) -> None:
        until = self.now + min(seconds, 3.0)
        due = self.speculation.next_deadline
        if due is not None and due <= until:
            self.now = max(due, self.now)
            self.carry_out(self.speculation.tick(self.now, self.now))
        self.now = until

    def end(self, _: float = 0.0) -> None:
        self.carry_out(self.speculation.ended(self.now))

    def taken(self, _: float) -> None:
        self.carry_out(self.speculation.taken(self.now))

    def answer(self, _: float = 0.0) -> None:
        if self.under_way:
            key = min(self.under_way)
            self.recognised[key] = self.under_way.pop(key)
            self.carry_out(self.speculation.recognised(key, success=True))


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["speak", "pause", "end", "taken", "answer"]), st.floats(0.05, 45.0)), max_size=40
)


@given(ACTIONS, st.booleans())
def test_all_that_was_said_is_recognised_and_whatever_is_opened_is_closed(
    actions: list[tuple[str, float]], speculative: bool
) -> None:
    world = World(speculative=speculative)
    for action, seconds in actions:
        getattr(world, action)(seconds)
    world.end()
    while world.under_way:
        world.answer()

    assert not world.open
    assert world.speculation.needs_audio_since is None
    for begin, end in world.spoken:
        covered = sorted(span for span in world.recognised.values() if span[1] > begin and span[0] < end)
        assert covered[0][0] <= begin
        assert covered[-1][1] >= end
        assert all(before[1] >= after[0] for before, after in pairwise(covered))
