"""Shows what a participant says, as it is understood."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from lk_agents.foundation.ids import short_id
from lk_agents.foundation.log import logger
from lk_agents.stt.events import SpeechEventType
from lk_agents.transcription.publisher import BeforeForward, Publisher, find_destination, find_target, only_callback
from lk_agents.utils.aio.tasks import cancel_and_wait

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.media.protocols import TextIO
    from lk_agents.stt.events import SpeechEvent

__all__ = ["STTSegmentsForwarder"]

WAITING_BOUND: Final = 100
"""How many segments wait for a slow room; beyond that the oldest are left out, final ones last."""
CLOSE_SECONDS: Final = 5.0


class _Segment(NamedTuple):
    id: str
    text: str
    final: bool


class STTSegmentsForwarder:
    """Publishes the transcripts of one participant: interim ones replace each other until the final one.

    Needs a running event loop. A fault of the room or of the callback is logged, and what comes next goes on.

    :param room: connected; while it is not, transcripts are left out.
    :param participant: who speaks: a participant, or an identity.
    :param track: on which track: a track, a publication or an id; by default the participant's first microphone,
        and none where there is no room.
    :param before_forward_cb: called with this forwarder and an ``rtc.Transcription`` before it is published, plain or
        async; the transcription that it returns is published, without segments nothing is. Returning anything else
        leaves it as it is.
    :param will_forward_transcription: the older name of ``before_forward_cb``.
    :param text_io: where it is shown instead of in the room, which may then be None.
    :raises ConfigError: nobody of that identity is in the room, or they publish no microphone; there is neither a room
        nor a ``text_io``.
    """

    def __init__(
        self,
        *,
        room: rtc.Room | None = None,
        participant: rtc.Participant | str,
        track: rtc.Track | rtc.TrackPublication | str | None = None,
        before_forward_cb: BeforeForward | None = None,
        will_forward_transcription: BeforeForward | None = None,
        text_io: TextIO | None = None,
    ) -> None:
        callback = only_callback(before_forward_cb, will_forward_transcription)
        destination = find_destination(room, text_io)
        target = find_target(room, participant, track)
        self._publisher = Publisher(destination, target, forwarder=self, callback=callback)
        self._id = self._final_id = short_id("SG_")
        self._final_key: int | None = None
        self._waiting: deque[_Segment] = deque()
        self._news = asyncio.Event()
        self._closed = False
        self._task = asyncio.get_running_loop().create_task(self._run(), name="lk-stt-transcripts")

    def update(self, ev: SpeechEvent, *, key: int | None = None) -> None:
        """Take in an event; only interim and final transcripts are shown, of each the first alternative.

        After :meth:`aclose` nothing happens.

        :param key: a final transcript replaces what was shown before it under the same key; by default, each is new.
        """
        shown = {SpeechEventType.INTERIM_TRANSCRIPT: False, SpeechEventType.FINAL_TRANSCRIPT: True}
        if self._closed or ev.type not in shown or not ev.alternatives:
            return
        final = shown[ev.type]
        if key is not None and key == self._final_key:
            self._id = self._final_id
        self._waiting.append(_Segment(self._id, ev.alternatives[0].text, final))
        if final:
            self._final_key, self._final_id = key, self._id
            self._id = short_id("SG_")
        if len(self._waiting) > WAITING_BOUND:
            self._drop_one()
        self._news.set()

    async def aclose(self, *, wait: bool = True) -> None:
        """Take nothing more. Any number of times. Cancelled itself, nothing more is published.

        :param wait: publish what waits first, for 5 s at most; False drops it.
        """
        self._closed = True
        self._news.set()
        try:
            if wait:
                await asyncio.wait([self._task], timeout=CLOSE_SECONDS)
                if not self._task.done():
                    logger.warning("transcripts are left out: the room does not take them in time")
        finally:
            self._task.cancel()
        await cancel_and_wait(self._task)

    async def _run(self) -> None:
        while True:
            self._news.clear()
            while self._waiting:
                segment = self._waiting.popleft()
                await self._publisher.publish(segment.id, segment.text, final=segment.final)
            if self._closed:
                return
            await self._news.wait()

    def _drop_one(self) -> None:
        oldest = next((segment for segment in self._waiting if not segment.final), None)
        if oldest is None:
            oldest = self._waiting[0]
            logger.warning("a transcript is left out: the room does not take them in time")
        self._waiting.remove(oldest)
