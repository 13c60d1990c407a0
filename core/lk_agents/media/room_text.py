"""Text of a room: transcripts out, typed messages in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation.log import logger
from lk_agents.media.protocols import TextMessage
from lk_agents.media.room_people import is_human
from lk_agents.utils.aio.channel import Chan
from lk_agents.utils.aio.tasks import cancel_and_wait

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.media.protocols import TextSegment

__all__ = ["RoomTextIO", "make_transcription", "publish_transcription"]

CHAT_TOPIC: Final = "lk.chat"
"""The topic of the text streams that are messages."""
OLDER_CHAT_TOPIC: Final = "lk-chat-topic"
"""The topic of the data packets that were messages before there were text streams."""
WAITING_MESSAGES: Final = 1_000
MESSAGE_CHARACTERS: Final = 65_536
MESSAGE_SECONDS: Final = 10.0
"""How long a message may take to arrive once its first part has."""
ARRIVING_MESSAGES: Final = 100
PUBLISH_SECONDS: Final = 5.0


def make_transcription(segment: TextSegment) -> rtc.Transcription:
    """Return a piece of transcript as rooms have it; it has no times, since it is shown when it is said."""
    from livekit import rtc

    return rtc.Transcription(
        participant_identity=segment.participant,
        track_sid=segment.track,
        segments=[
            rtc.TranscriptionSegment(
                id=segment.id,
                text=segment.text,
                start_time=0,
                end_time=0,
                language=segment.language,
                final=segment.final,
            )
        ],
    )


async def publish_transcription(room: rtc.Room, transcription: rtc.Transcription) -> None:
    """Show a transcript in a room; one that is not connected drops it, and so it does with one without segments.

    :raises Exception: the room does not take it.
    """
    if transcription.segments and room.isconnected():
        await room.local_participant.publish_transcription(transcription)


class RoomTextIO:
    """The text of a room; a :class:`~lk_agents.media.TextIO`. Build it in a running event loop.

    Messages come by text streams of the topic ``lk.chat``, and by the older data packets of the topic
    ``lk-chat-topic``. A topic that the program reads itself is left to it.

    :param room: connected.
    :param accepts: tells whether messages of somebody are wanted; by default those of humans are.
    """

    def __init__(self, room: rtc.Room, *, accepts: Callable[[rtc.RemoteParticipant], bool] = is_human) -> None:
        self._room = room
        self._accepts = accepts
        self._messages: Chan[TextMessage] = Chan(WAITING_MESSAGES)
        self._arriving: set[asyncio.Task[None]] = set()
        self._last: dict[str, asyncio.Task[None]] = {}  # by the sender, whose messages stay in their order
        self._has_topic = self._take_topic()
        room.on("data_received", self._on_data)

    async def publish(self, segment: TextSegment) -> None:
        """Show a piece of transcript.

        :raises Exception: the room does not take it, or not within 5 s.
        """
        async with asyncio.timeout(PUBLISH_SECONDS):
            await publish_transcription(self._room, make_transcription(segment))

    def __aiter__(self) -> RoomTextIO:
        return self

    async def __anext__(self) -> TextMessage:
        """Wait for the next message."""
        return await self._messages.__anext__()

    async def aclose(self) -> None:
        """Take nothing more from the room; what has arrived can still be read. Any number of times."""
        self._messages.close()
        self._room.off("data_received", self._on_data)
        if self._has_topic:
            self._has_topic = False
            self._room.unregister_text_stream_handler(CHAT_TOPIC)
        await cancel_and_wait(*self._arriving)

    def _take_topic(self) -> bool:
        try:
            self._room.register_text_stream_handler(CHAT_TOPIC, self._on_stream)
        except ValueError:  # the program has a handler of its own
            logger.info("typed messages are left to the program", extra={"topic": CHAT_TOPIC})
            return False
        return True

    def _on_stream(self, reader: rtc.TextStreamReader, identity: str) -> None:
        if not self._is_accepted(identity) or len(self._arriving) >= ARRIVING_MESSAGES:
            self._spawn(_refuse(reader))
            return
        self._last[identity] = self._spawn(self._receive(reader, identity, before=self._last.get(identity)))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name="lk-typed-message")
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)
        return task

    async def _receive(self, reader: rtc.TextStreamReader, identity: str, *, before: asyncio.Task[None] | None) -> None:
        text = await _read(reader, identity)
        if before is not None:  # the library tells of streams in their order, and of their parts in any order
            await asyncio.wait([before])
        if text is not None:
            self._take(identity, text)
        if self._last.get(identity) is asyncio.current_task():
            del self._last[identity]

    def _on_data(self, packet: rtc.DataPacket) -> None:
        if packet.topic != OLDER_CHAT_TOPIC or packet.participant is None:
            return
        identity = packet.participant.identity
        text = read_older_message(packet.data)
        if text is not None and self._is_accepted(identity):
            self._take(identity, text)

    def _is_accepted(self, identity: str) -> bool:
        participant = self._room.remote_participants.get(identity)
        return participant is not None and self._accepts(participant)

    def _take(self, identity: str, text: str) -> None:
        if not text or self._messages.closed:
            return
        if self._messages.full():
            logger.warning("a typed message is left out: nobody reads them", extra={"participant": identity})
            return
        self._messages.send_nowait(TextMessage(participant=identity, text=text))


def read_older_message(data: bytes) -> str | None:
    """Return the text of a message in the older form, or None: it is none, or a text stream brings it as well."""
    try:
        message = json.loads(data)
    except ValueError:
        return None
    if not isinstance(message, dict) or message.get("ignoreLegacy") or message.get("deleted"):
        return None
    text = message.get("message")
    return text if isinstance(text, str) and len(text) <= MESSAGE_CHARACTERS else None


async def _read(reader: rtc.TextStreamReader, identity: str) -> str | None:
    """Return what arrives on a text stream, or None: it broke off, took too long, or is too long."""
    text = ""
    try:
        async with asyncio.timeout(MESSAGE_SECONDS):
            async for part in reader:
                text += part
                if len(text) > MESSAGE_CHARACTERS:
                    logger.warning("a typed message is too long", extra={"participant": identity})
                    return None
    except Exception as error:  # noqa: BLE001  of the sender, the network, or the library: the next one may arrive
        logger.warning("a typed message did not arrive", extra={"participant": identity}, exc_info=error)
        return None
    finally:
        await reader.aclose()  # one that is not read to its end stays in the library until it is closed
    return text


async def _refuse(reader: rtc.TextStreamReader) -> None:
    await reader.aclose()
