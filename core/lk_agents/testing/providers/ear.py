"""An ear for scripted recognisers and vendors: it hears what is said in the audio of ``voice()``."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from lk_agents.streams.words import TimedWord
from lk_agents.testing.providers.speech import BLOCK_SECONDS, LOUD, Heard, place_of

__all__ = ["Ear", "Told"]

ROUNDING_SECONDS: Final = 0.005
UNSURE_SECONDS: Final = 0.06
"""How exactly a place within an utterance is known by its sound."""


@dataclass(frozen=True)
class Told:
    """Something that an ear has heard.

    :param kind: ``start`` or ``end`` of speech, an ``interim`` or a ``final`` transcript.
    :param words: of a transcript, with times in seconds of the audio that the ear was given.
    :param language: of a transcript.
    """

    kind: Literal["start", "interim", "final", "end"]
    words: Sequence[TimedWord] = ()
    language: str = ""

    @property
    def text(self) -> str:
        """The words as a text."""
        return " ".join(word.text for word in self.words)


class Ear:
    """Hears the utterances of a script in mono audio that comes piece by piece.

    It goes by the sound: like a real recogniser it hears what is in the audio that it is given, wherever that begins.
    So it is what a vendor's server in a test listens with, one for each connection.

    :param script: what may be said.
    :param sample_rate: of the audio, in Hz.
    :param begin: where in the script the audio begins, in seconds, for an ear that goes by time instead and does not
        listen; None to go by the sound.
    :param interim: whether it tells interim transcripts.
    """

    def __init__(
        self, script: Sequence[Heard], *, sample_rate: int, begin: float | None = None, interim: bool = True
    ) -> None:
        self._script = tuple(script)
        self._rate = sample_rate
        self._listens = begin is None
        self._begin = begin
        self._interim = interim
        self._seconds = 0.0
        self._sound = array("h")
        self._sound_at = 0.0  # where that begins, in seconds of the audio
        self._is_loud = False
        self._waiting: list[_Utterance] = []
        self._speaking = False
        self.heard: set[int] = set()
        """Which utterances it has heard to their end, by their index."""
        if begin is not None:
            self._expect(begin, ROUNDING_SECONDS)

    @property
    def position(self) -> float:
        """How far it has heard: in seconds of the script as soon as it knows where that is, else of the audio."""
        return (self._begin or 0.0) + self._seconds

    def take(self, audio: bytes | memoryview) -> list[Told]:
        """Hear 16 bit samples, and return what is to be told of them."""
        samples = array("h", bytes(audio))
        if self._listens:
            self._listen(samples)
        self._seconds += len(samples) / self._rate
        return [told for utterance in list(self._waiting) for told in self._tell(utterance)]

    def flush(self) -> list[Told]:
        """Return for certain what is understood so far."""
        told: list[Told] = []
        for utterance in list(self._waiting):
            if words := utterance.ended(self.position):
                told += self._final(utterance, words)
        return told

    def end(self) -> list[Told]:
        """Return what is left: a word that was begun counts."""
        told: list[Told] = []
        for utterance in list(self._waiting):
            if words := [word for word in utterance.words if word.start_time < self.position - ROUNDING_SECONDS]:
                utterance.words = words
                told += [*self._start(), *self._final(utterance, words)]
        return told

    # --- where it is ------------------------------------------------------------------------------------------------

    def _listen(self, samples: array[int]) -> None:
        if not self._sound:
            self._sound_at = self._seconds
        self._sound += samples
        size = round(BLOCK_SECONDS * self._rate)
        while len(self._sound) >= size:
            block = self._sound[:size]
            loud = max(map(abs, block)) >= LOUD
            if loud and not self._is_loud:
                quiet = next(index for index, sample in enumerate(block) if abs(sample) >= LOUD)
                if quiet and len(self._sound) < size + quiet:
                    return  # more of the sound is needed
                self._recognise(self._sound[quiet : quiet + size], self._sound_at + quiet / self._rate, quiet > 0)
            self._is_loud = loud
            del self._sound[:size]
            self._sound_at += BLOCK_SECONDS

    def _recognise(self, block: array[int], at: float, from_silence: bool) -> None:
        """Find the place in the script where a sound lies that begins ``at`` that second of the audio."""
        place = place_of(block, self._rate)
        if place is None or place[0] >= len(self._script):
            return
        index, progress = place
        heard = self._script[index]
        into = progress * (heard.end - heard.start) - BLOCK_SECONDS / 2
        if from_silence and into < UNSURE_SECONDS:
            into = 0.0
        begin = heard.start + max(into, 0.0) - at
        if self._begin is None:
            self._expect(begin, UNSURE_SECONDS)
        self._begin = begin

    def _expect(self, begin: float, rounding: float) -> None:
        """Wait for what is said from there on."""
        self._begin = begin
        self._waiting = [
            utterance
            for index, heard in enumerate(self._script)
            if heard.in_streams and (utterance := _Utterance(index, heard, begin - rounding)).words
        ]

    # --- what it tells ----------------------------------------------------------------------------------------------

    def _tell(self, utterance: _Utterance) -> Iterator[Told]:
        position = self.position + ROUNDING_SECONDS
        if utterance.words[0].start_time > position:
            return
        yield from self._start()
        ended = utterance.ended(self.position)
        if self._interim and len(ended) > utterance.shown and ended != utterance.words:
            utterance.shown = len(ended)
            yield self._transcript("interim", ended, utterance)
        if utterance.heard.end + utterance.heard.final_seconds <= position:
            yield from self._final(utterance, utterance.words)

    def _start(self) -> Iterator[Told]:
        if not self._speaking:
            self._speaking = True
            yield Told("start")

    def _final(self, utterance: _Utterance, words: list[TimedWord]) -> Iterator[Told]:
        yield self._transcript("final", words, utterance)
        utterance.words = utterance.words[len(words) :]
        utterance.shown = 0
        if utterance.words:
            return
        self._waiting.remove(utterance)
        self.heard.add(utterance.index)
        if utterance.heard.ends_speech and self._speaking:
            self._speaking = False
            yield Told("end")

    def _transcript(self, kind: Literal["interim", "final"], words: list[TimedWord], utterance: _Utterance) -> Told:
        begin = self._begin or 0.0
        return Told(kind, [word.shifted(-begin) for word in words], utterance.heard.language)


class _Utterance:
    """An utterance as one ear hears it: only the words whose audio it is given."""

    def __init__(self, index: int, heard: Heard, since: float) -> None:
        self.index = index
        self.heard = heard
        self.words = [word for word in heard.words if word.start_time >= since]
        self.shown = 0

    def ended(self, position: float) -> list[TimedWord]:
        """Return the words that are over."""
        return [word for word in self.words if word.end_time <= position + ROUNDING_SECONDS]
