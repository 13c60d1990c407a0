"""The text of one speech: shown in step with what is heard, and cut at what was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from lk_agents.foundation.log import logger
from lk_agents.voice.utterance_heard import SpokenText

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.streams.words import TimedWord
    from lk_agents.transcription import Alignment, TTSSegmentsForwarder
    from lk_agents.voice.utterance_voice import AgentVoice

__all__ = ["Transcript"]


class Transcript:
    """The text of one speech.

    :param voice: whose it is.
    """

    def __init__(self, voice: AgentVoice) -> None:
        options = voice.transcription
        self._spoken = SpokenText(hyphenate_word=_safe(options.hyphenate_word), speed=options.agent_transcription_speed)
        self._forwarder = _forwarder(voice)
        self._is_playing = False
        self._has_failed = False
        self._fixed: tuple[str, Alignment] | None = None

    @property
    def full_text(self) -> str:
        """All text so far, whether it was heard or not."""
        return self._spoken.text

    @property
    def alignment(self) -> Alignment:
        """How it is known what was heard."""
        return self._spoken.alignment if self._fixed is None else self._fixed[1]

    def heard(self, seconds: float) -> str:
        """Return the text that was heard when so much of the audio was; always the same once it is fixed."""
        return self._spoken.heard(seconds).text if self._fixed is None else self._fixed[0]

    # --- what there is -----------------------------------------------------------------------------------------------

    def push_text(self, text: str) -> None:
        """Add text."""
        self._spoken.push_text(text)
        self._show(lambda forwarder: forwarder.push_text(text))

    def end_text(self) -> None:
        """Say that no more text comes."""
        self._spoken.end_text()
        self._show(lambda forwarder: forwarder.mark_text_segment_end())

    def push_words(self, words: Iterable[TimedWord]) -> None:
        """Add the times of words; before the audio in which they are spoken."""
        timed = list(words)
        self._spoken.push_words(timed)
        self._show(lambda forwarder: forwarder.push_words(timed))

    def push_part(self, text: str) -> None:
        """Say that a piece of the text begins to be spoken behind the audio so far."""
        self._spoken.push_part(text)

    def push_audio(self, frame: rtc.AudioFrame) -> None:
        """Add audio; only its length counts."""
        self._spoken.push_audio(frame.duration)
        self._show(lambda forwarder: forwarder.push_audio(frame))

    def end_audio(self, *, whole: bool) -> None:
        """Say that no more audio comes.

        :param whole: whether all of the text is spoken in it, as far as anybody says.
        """
        if whole:
            self._spoken.end_audio()
        if self._spoken.is_cut:
            logger.warning("the audio of a speech ends before its text does")
        self._show(lambda forwarder: forwarder.mark_audio_segment_end())

    # --- how it is heard ---------------------------------------------------------------------------------------------

    def started(self, position: Callable[[], float]) -> None:
        """Say that it begins to be heard.

        :param position: tells how many seconds of it were heard.
        """
        self._is_playing = True
        self._show(lambda forwarder: forwarder.segment_playout_started(position))

    def paused(self) -> None:
        """Say that it has fallen silent."""
        if self._is_playing:
            self._show(lambda forwarder: forwarder.segment_playout_paused())

    def resumed(self) -> None:
        """Say that it is heard again."""
        if self._is_playing:
            self._show(lambda forwarder: forwarder.segment_playout_resumed())

    def fix(self, seconds: float, *, whole: bool) -> None:
        """Say that nothing more of it is heard.

        :param seconds: how much of the audio was heard.
        :param whole: whether all of the text was.
        """
        whole = whole and not self._spoken.is_cut
        heard = self._spoken.text.strip() if whole else self._spoken.heard(seconds).text if seconds > 0 else ""
        self._fixed = (heard, self._spoken.alignment)
        if whole and self._is_playing:
            self._show(lambda forwarder: forwarder.segment_playout_finished())

    async def aclose(self) -> None:
        """Show what is left of a text that was heard to its end, for 5 s at most. Any number of times."""
        if self._forwarder is not None:
            await self._forwarder.aclose()

    def _show(self, tell: Callable[[TTSSegmentsForwarder], None]) -> None:
        """Tell those who show it. Whatever is wrong there, the speech goes on, and what was heard is known."""
        if self._forwarder is None or self._has_failed:
            return
        try:
            tell(self._forwarder)
        except Exception:  # noqa: BLE001  tokenizers are the user's
            self._has_failed = True
            logger.exception("a speech is not shown any further")


def _safe(hyphenate: Callable[[str], Sequence[str]]) -> Callable[[str], Sequence[str]]:
    """Return a function of the user's that takes a word for one syllable where it fails."""

    def syllables(word: str) -> Sequence[str]:
        try:
            return hyphenate(word)
        except Exception:  # noqa: BLE001  what was heard must be known all the same
            return [word]

    return syllables


def _forwarder(voice: AgentVoice) -> TTSSegmentsForwarder | None:
    options = voice.transcription
    if voice.text_io is None or not options.agent_transcription:
        return None
    from lk_agents.transcription import TTSSegmentsForwarder

    return TTSSegmentsForwarder(
        text_io=voice.text_io,
        participant=voice.participant,
        track=voice.track,
        speed=options.agent_transcription_speed,
        sentence_tokenizer=options.sentence_tokenizer,
        word_tokenizer=options.word_tokenizer,
        hyphenate_word=options.hyphenate_word,
    )
