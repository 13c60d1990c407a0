"""Shows what the agent says, as it is heard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from lk_agents.foundation.errors import ConfigError, StreamInputError
from lk_agents.foundation.log import logger
from lk_agents.tokenize import basic
from lk_agents.transcription.aligner import SYLLABLES_PER_SECOND, Aligner, Alignment
from lk_agents.transcription.publisher import BeforeForward, Publisher, find_destination, find_target, only_callback
from lk_agents.transcription.segment import Pace, Segment
from lk_agents.transcription.show import SegmentShow
from lk_agents.utils.aio.tasks import cancel_and_wait

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.media.protocols import TextIO
    from lk_agents.streams.words import TimedWord
    from lk_agents.tokenize import SentenceTokenizer, WordTokenizer

__all__ = ["TTSSegmentsForwarder"]

CLOSE_SECONDS: Final = 5.0


class TTSSegmentsForwarder:
    """Publishes the agent's words at the moment at which they are heard, and knows which were.

    A segment is a piece of text and the audio that speaks it: the first text belongs to the first audio, and so on. It
    is shown from the moment at which it is played, sentence by sentence, each word by word and then as it was written.
    Where the synthesizer tells the times of its words (:meth:`push_words`), a word is shown in its middle; else the
    speed of speech is estimated: from the number of syllables, and the length of the audio once it is complete.

    :param room: connected; while it is not, nothing is published, and what was heard is known all the same.
    :param participant: who speaks: a participant, or an identity.
    :param track: on which track: a track, a publication or an id; by default the participant's first microphone,
        and none where there is no room.
    :param language: of what is said, for those who show it.
    :param speed: how much faster than usual the voice speaks, as long as the length of the audio is unknown.
    :param new_sentence_delay: seconds of pause behind each sentence whose words have no times.
    :param word_tokenizer: cuts sentences into what is shown step by step.
    :param sentence_tokenizer: cuts text into what is replaced as a whole.
    :param hyphenate_word: gives the syllables of a word.
    :param before_forward_cb: called with this forwarder and an ``rtc.Transcription`` before it is published, plain or
        async; the transcription that it returns is published, without segments nothing is. Returning anything else
        leaves it as it is.
    :param loop: where it runs; by default the running loop.
    :param will_forward_transcription: the older name of ``before_forward_cb``.
    :param text_io: where it is shown instead of in the room, which may then be None.
    :raises ConfigError: nobody of that identity is in the room, or they publish no microphone; there is neither a room
        nor a ``text_io``; ``speed`` is not positive, or the delay is negative.
    """

    def __init__(
        self,
        *,
        room: rtc.Room | None = None,
        participant: rtc.Participant | str,
        track: rtc.Track | rtc.TrackPublication | str | None = None,
        language: str = "",
        speed: float = 1.0,
        new_sentence_delay: float = 0.4,
        word_tokenizer: WordTokenizer | None = None,
        sentence_tokenizer: SentenceTokenizer | None = None,
        hyphenate_word: Callable[[str], Sequence[str]] = basic.hyphenate_word,
        before_forward_cb: BeforeForward | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
        will_forward_transcription: BeforeForward | None = None,
        text_io: TextIO | None = None,
    ) -> None:
        if not speed > 0 or new_sentence_delay < 0:
            raise ConfigError(
                f"speed is {speed!r}, which must be above 0, and new_sentence_delay {new_sentence_delay!r}, which must "
                f"be 0 or more"
            )
        callback = only_callback(before_forward_cb, will_forward_transcription)
        destination = find_destination(room, text_io)
        target = find_target(room, participant, track)
        self._show = SegmentShow(
            Publisher(destination, target, forwarder=self, callback=callback),
            words=word_tokenizer or basic.WordTokenizer(),
            hyphenate=hyphenate_word,
            language=language,
        )
        self._speed = speed
        self._pause_seconds = new_sentence_delay
        self._sentences = sentence_tokenizer or basic.SentenceTokenizer()
        self._hyphenate = hyphenate_word
        self._loop = loop
        self._segments: list[Segment] = []
        self._texts = self._audios = 0  # those that were closed
        self._playing = self._finished = -1
        self._forwarding: Segment | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    @property
    def played_text(self) -> str:
        """The text that was heard, sentences and segments with a space between; fixed once it is closed."""
        return " ".join(text for segment in self._segments if (text := segment.heard_text))

    @property
    def alignment(self) -> Alignment:
        """How :attr:`played_text` is known: by the times of the words, or by an estimate, if only for a part of it."""
        known = {segment.alignment for segment in self._segments if segment.heard_text}
        return "words" if known == {"words"} else "estimate"

    # --- what is said ------------------------------------------------------------------------------------------------

    def push_text(self, text: str) -> None:
        """Add text to the open text segment; opens one if none is.

        :raises StreamInputError: it was closed, or more text waits than the sentence tokenizer holds.
        """
        self._open_text().push_text(text)
        self._show.ring()

    def mark_text_segment_end(self) -> None:
        """End the open text segment; an empty one if none is open.

        :raises StreamInputError: it was closed.
        """
        self._open_text().end_text()
        self._texts += 1
        self._show.ring()

    def push_audio(self, frame: rtc.AudioFrame) -> None:
        """Add the length of a frame to the open audio segment; opens one if none is.

        :raises StreamInputError: it was closed.
        """
        self._open_audio().aligner.push_audio(frame.duration)

    def push_words(self, words: Iterable[TimedWord]) -> None:
        """Add the times of words of the open audio segment, in seconds from its first sample; opens one if none is.

        Best told before the audio in which they are spoken.

        :raises StreamInputError: it was closed.
        """
        self._open_audio().aligner.push_words(words)
        self._show.ring()

    def mark_audio_segment_end(self) -> None:
        """End the open audio segment; one of no length if none is open.

        :raises StreamInputError: it was closed.
        """
        self._open_audio().aligner.end_audio()
        self._audios += 1
        self._show.ring()

    # --- how it is played --------------------------------------------------------------------------------------------

    def segment_playout_started(self, position: Callable[[], float] | None = None) -> None:
        """Say that the next segment begins to be heard.

        :param position: tells how many seconds of the segment were heard; without it, it is the time that passes.
        :raises StreamInputError: it was closed.
        """
        self._check_open()
        self._playing += 1
        self._segment(self._playing).clock.start(position)
        if self._task is None:
            loop = self._loop or asyncio.get_running_loop()
            self._task = loop.create_task(self._run(), name="lk-tts-transcripts")
        self._show.ring()

    def segment_playout_paused(self) -> None:
        """Say that the playing segment has fallen silent, to go on later where it was.

        :raises StreamInputError: it was closed, or nothing was started.
        """
        self._at_play().pause()
        self._show.ring()

    def segment_playout_resumed(self) -> None:
        """Say that the playing segment is heard again.

        :raises StreamInputError: it was closed, or nothing was started.
        """
        self._at_play().resume()
        self._show.ring()

    def segment_playout_finished(self) -> None:
        """Say that the next segment was heard to its end: what is left of it is shown without waiting.

        :raises StreamInputError: it was closed.
        """
        self._check_open()
        self._finished += 1
        self._segment(self._finished).finish()
        self._show.ring()

    async def aclose(self) -> None:
        """Show what is left of segments that were heard to their end, for 5 s at most, and nothing more of the others.

        A sentence that was not heard to its end gets no final version. Any number of times. Cancelled itself, nothing
        more is shown.
        """
        if not self._closed:
            self._closed = self._show.closed = True
            for segment in self._segments:
                if segment.finished:
                    segment.end_text()
                else:
                    segment.clock.stop()
                    await segment.sentences.aclose()
            self._show.ring()
        if self._task is None:
            return
        try:
            if self._forwarding is None or self._forwarding.finished:
                await asyncio.wait([self._task], timeout=CLOSE_SECONDS)
                if not self._task.done():
                    logger.warning("what was said is not shown: the room does not take it in time")
        finally:
            self._task.cancel()
        await cancel_and_wait(self._task)

    async def _run(self) -> None:
        number = 0
        while await self._is_due(number):
            self._forwarding = segment = self._segments[number]
            await self._show.show(segment)
            self._forwarding = None
            number += 1

    async def _is_due(self, number: int) -> bool:
        """Wait until a segment is played, has text and has audio; False if it never will."""
        while True:
            if number < len(self._segments):
                segment = self._segments[number]
                if segment.has_text and segment.has_audio and number <= self._playing:
                    return not self._closed or segment.finished
            if self._closed:
                return False
            await self._show.wait_for_news(None)

    # --- keeping count -----------------------------------------------------------------------------------------------

    def _open_text(self) -> Segment:
        self._check_open()
        segment = self._segment(self._texts)
        if not segment.has_text:
            segment.has_text = True
            self._show.ring()
        return segment

    def _open_audio(self) -> Segment:
        self._check_open()
        segment = self._segment(self._audios)
        if not segment.has_audio:
            segment.has_audio = True
            self._show.ring()
        return segment

    def _segment(self, number: int) -> Segment:
        while number >= len(self._segments):
            aligner = Aligner(hyphenate_word=self._hyphenate, speed=self._speed)
            pace = Pace(self._speed * SYLLABLES_PER_SECOND, self._pause_seconds)
            self._segments.append(Segment(self._sentences.stream(), aligner, pace))
        return self._segments[number]

    def _at_play(self) -> Segment:
        self._check_open()
        if self._playing < 0:
            raise StreamInputError("nothing is being played: call segment_playout_started() first")
        return self._segments[self._playing]

    def _check_open(self) -> None:
        if self._closed:
            raise StreamInputError("this forwarder is closed: build another one for what is said next")
