"""For providers: flags the last frame of a segment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lk_agents.tts.audio import SynthesizedAudio

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.streams.words import TimedWord
    from lk_agents.utils.aio.channel import Chan

__all__ = ["SynthesizedAudioEmitter"]


class SynthesizedAudioEmitter:
    """Sends the frames of one segment, one behind what it is given, so that it can flag the last. Use one per segment.

    :param event_ch: the channel of the stream.
    :param request_id: goes with every frame.
    :param segment_id: goes with every frame; by default the stream gives one.
    """

    def __init__(self, *, event_ch: Chan[SynthesizedAudio], request_id: str, segment_id: str = "") -> None:
        self._event_ch = event_ch
        self._request_id = request_id
        self._segment_id = segment_id
        self._held: SynthesizedAudio | None = None

    def push(self, frame: rtc.AudioFrame | None, *, delta_text: str = "", words: list[TimedWord] | None = None) -> None:
        """Send what is held, which was not the last, and hold this frame; an empty frame is ignored.

        :param frame: None to hold nothing.
        :param delta_text: the text that begins in it, where known.
        :param words: the words that begin in it, where known.
        """
        if frame is not None and not frame.samples_per_channel:
            return
        self._send(is_final=False)
        if frame is not None:
            self._held = SynthesizedAudio(
                frame, self._request_id, segment_id=self._segment_id, delta_text=delta_text, words=words
            )

    def flush(self) -> None:
        """Send what is held as the last of the segment; nothing if nothing is held."""
        self._send(is_final=True)

    def _send(self, *, is_final: bool) -> None:
        held, self._held = self._held, None
        if held is not None:
            held.is_final = is_final
            self._event_ch.send_nowait(held)
