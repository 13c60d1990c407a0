"""When a recogniser of recordings is asked about what the user says. Pure: no clock, nothing waits.

It is asked as soon as the user pauses, long before the detector is sure that the speech is over: most often it is, and
then the text is there already. If it is not, what was asked is dropped, and asked again with all that follows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

__all__ = ["CloseRecognition", "DropRecognition", "OpenRecognition", "Recognise", "Speculation", "SpeculationCommand"]

BEFORE_SECONDS: Final = 0.3
"""How much of what comes before the first sound is recognised with it."""
LONG_SECONDS: Final = 30.0
"""From this length on, an utterance ends with the next pause."""
LONGEST_SECONDS: Final = 60.0
"""At this length it is cut, pause or not."""
ROUNDING_SECONDS: Final = 1e-6


@dataclass(frozen=True, slots=True)
class OpenRecognition:
    """Something was said and will be recognised, if not now then soon."""

    key: int


@dataclass(frozen=True, slots=True)
class Recognise:
    """Recognise the audio from ``since`` on, up to the present; answer with :meth:`Speculation.recognised`."""

    key: int
    since: float


@dataclass(frozen=True, slots=True)
class DropRecognition:
    """The recognition is of no use any more; no answer is expected."""

    key: int


@dataclass(frozen=True, slots=True)
class CloseRecognition:
    """What was opened is over."""

    key: int


SpeculationCommand: TypeAlias = OpenRecognition | Recognise | DropRecognition | CloseRecognition


@dataclass(slots=True)
class _Utterance:
    """What belongs together.

    :param since: the position at which its audio begins.
    :param unheard: there is speech in it that no recognition, done or under way, was given.
    :param opened: it was told that it will be recognised.
    :param under_way: it is being recognised.
    :param asked_until: how far the last recognition reaches.
    :param told_until: how far the last one reaches that has succeeded.
    """

    key: int
    since: float
    unheard: bool = True
    opened: bool = False
    under_way: bool = False
    asked_until: float = 0.0
    told_until: float | None = None


class Speculation:
    """Decides what is recognised when. Every method returns what is to be done, in order.

    Positions are seconds of the audio, moments are seconds of the clock. An utterance begins with a run of voice and
    goes on over pauses until the detector says END or the turn was decided. All recognitions of it have the same key.

    :param new_key: gives the next key.
    :param speculative: whether it is recognised at pauses, too.
    :param silence_seconds: how long such a pause is.
    """

    def __init__(self, new_key: Callable[[], int], *, speculative: bool = True, silence_seconds: float = 0.2) -> None:
        self.next_deadline: float | None = None
        """When :meth:`tick` is wanted; None for never."""
        self._new_key = new_key
        self._speculative = speculative
        self._silence_seconds = silence_seconds
        self._utterance: _Utterance | None = None
        self._leaving: dict[int, _Utterance] = {}
        self._run_open = False
        self._end_told = False
        self._spoken_until = 0.0  # what comes next has no audio from before that

    @property
    def needs_audio_since(self) -> float | None:
        """From which position on audio may be asked for; None for nothing but what is to come."""
        return None if self._utterance is None else self._utterance.since

    # --- what is heard -----------------------------------------------------------------------------------------------

    def run_began(self, onset: float) -> list[SpeculationCommand]:
        """A run of voice has begun at that position."""
        self._run_open, self._end_told, self.next_deadline = True, False, None
        utterance = self._utterance
        if utterance is not None and onset - utterance.since > LONG_SECONDS and not utterance.unheard:
            self._leave(utterance)
            utterance = None
        if utterance is None:
            self._begin(max(onset - BEFORE_SECONDS, self._spoken_until))
            return []
        commands: list[SpeculationCommand] = [DropRecognition(utterance.key)] if utterance.under_way else []
        utterance.under_way = False
        utterance.unheard = True
        return commands + self._close(utterance)

    def run_went_on(self, position: float) -> list[SpeculationCommand]:
        """The run goes on, and there is audio up to that position."""
        utterance = self._utterance
        if utterance is None or position - utterance.since < LONGEST_SECONDS:
            return []
        commands = self._recognise(utterance, position)
        self._leave(utterance)
        self._begin(position)
        return commands

    def run_ended(
        self, *, last_speech: float, last_speech_at: float, is_speech: bool, position: float, now: float
    ) -> list[SpeculationCommand]:
        """The run is over.

        :param last_speech: the position of its last sound.
        :param last_speech_at: the moment of its last sound.
        :param is_speech: whether the detector holds that somebody speaks; a run alone is a click.
        :param position: how far there is audio.
        """
        self._run_open = False
        utterance = self._utterance
        if utterance is None:
            return []
        if not (is_speech or self._end_told):
            self._utterance = None
            return []
        self._spoken_until = last_speech
        if self._end_told:
            return self.ended(position)
        commands = self._open(utterance)
        if self._speculative:
            self.next_deadline = last_speech_at + self._silence_seconds
            commands += self.tick(position, now)
        return commands

    def ended(self, position: float) -> list[SpeculationCommand]:
        """The detector says END, or no more audio comes."""
        utterance = self._utterance
        if utterance is None:
            return []
        if self._run_open:  # the detector is content with one silent window
            self._end_told = True
            return []
        self._end_told, self.next_deadline = False, None
        commands = self._recognise(utterance, position) if utterance.unheard else []
        self._leave(utterance)
        return commands

    def taken(self, position: float) -> list[SpeculationCommand]:
        """The turn was decided: what comes now is another utterance."""
        utterance = self._utterance
        if utterance is None:
            return []
        if not self._run_open:
            return self.ended(position)
        if utterance.told_until is not None:  # the user goes on: what was told is left behind, the rest is new
            self._begin(utterance.told_until)
        return []

    def tick(self, position: float, now: float) -> list[SpeculationCommand]:
        """The moment :attr:`next_deadline` may have come."""
        utterance, due = self._utterance, self.next_deadline
        if utterance is None or due is None or now < due - ROUNDING_SECONDS:
            return []
        self.next_deadline = None
        commands = self._recognise(utterance, position)
        if position - utterance.since > LONG_SECONDS:
            self._leave(utterance)
        return commands

    def recognised(self, key: int, *, success: bool) -> list[SpeculationCommand]:
        """A recognition has come to its end."""
        utterance = self._leaving.pop(key, None) or self._utterance
        if utterance is None or utterance.key != key or not utterance.under_way:
            return []
        utterance.under_way = False
        if success:
            utterance.told_until = utterance.asked_until
        else:
            utterance.unheard = True
        return self._close(utterance)

    # --- utterances --------------------------------------------------------------------------------------------------

    def _begin(self, since: float) -> None:
        self._utterance = _Utterance(self._new_key(), since)

    def _leave(self, utterance: _Utterance) -> None:
        """Let nothing more belong to it."""
        self._utterance = None
        if utterance.under_way:
            self._leaving[utterance.key] = utterance

    def _recognise(self, utterance: _Utterance, position: float) -> list[SpeculationCommand]:
        utterance.unheard = False
        utterance.under_way = True
        utterance.asked_until = position
        return [*self._open(utterance), Recognise(utterance.key, utterance.since)]

    @staticmethod
    def _open(utterance: _Utterance) -> list[SpeculationCommand]:
        if utterance.opened:
            return []
        utterance.opened = True
        return [OpenRecognition(utterance.key)]

    @staticmethod
    def _close(utterance: _Utterance) -> list[SpeculationCommand]:
        if not utterance.opened:
            return []
        utterance.opened = False
        return [CloseRecognition(utterance.key)]
