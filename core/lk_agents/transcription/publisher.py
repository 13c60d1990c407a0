"""Bringing segments of a transcript to where they are shown: into a room, or to any other place for text."""

from __future__ import annotations

import asyncio
import inspect
import logging
import warnings
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.log import logger
from lk_agents.media.protocols import TextSegment
from lk_agents.media.room_text import make_transcription, publish_transcription

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.media.protocols import TextIO

__all__ = ["BeforeForward", "Destination", "Publisher", "Target", "find_destination", "find_target", "only_callback"]

PUBLISH_SECONDS: Final = 5.0
"""How long a callback and the room may take for one segment."""

BeforeForward: TypeAlias = Callable[[Any, "rtc.Transcription"], "rtc.Transcription | Awaitable[Any] | None"]
"""Called with the forwarder and what it is about to publish."""


class Target:
    """Whose words are transcribed.

    :param identity: the participant's.
    :param track: the id of the track, or what has it as ``sid``: asked each time, since a reconnect may change it.
    """

    def __init__(self, identity: str, track: Any) -> None:
        self.identity = identity
        self._track = track

    @property
    def track_sid(self) -> str:
        """The id of the track."""
        return self._track if isinstance(self._track, str) else str(self._track.sid)


class Destination(Protocol):
    """Where transcripts are shown."""

    async def show(self, transcription: rtc.Transcription) -> None:
        """Show a transcript; where nobody is connected it is dropped.

        :raises Exception: it was not taken.
        """


class _RoomDestination:
    def __init__(self, room: rtc.Room) -> None:
        self._room = room

    async def show(self, transcription: rtc.Transcription) -> None:
        await publish_transcription(self._room, transcription)


class _TextDestination:
    def __init__(self, text_io: TextIO) -> None:
        self._text_io = text_io

    async def show(self, transcription: rtc.Transcription) -> None:
        for segment in transcription.segments:
            await self._text_io.publish(
                TextSegment(
                    participant=transcription.participant_identity,
                    track=transcription.track_sid,
                    id=segment.id,
                    text=segment.text,
                    final=segment.final,
                    language=segment.language,
                )
            )


def find_destination(room: rtc.Room | None, text_io: TextIO | None) -> Destination:
    """Return where transcripts are shown: in the room, or where ``text_io`` shows them if that is given.

    :raises ConfigError: neither is given.
    """
    if text_io is not None:
        return _TextDestination(text_io)
    if room is None:
        raise ConfigError("room and text_io are both None: give the room, or where else the transcripts are shown")
    return _RoomDestination(room)


def find_target(room: rtc.Room | None, participant: Any, track: Any) -> Target:
    """Return whose words are transcribed.

    :param room: where they are; None where there is no room.
    :param participant: a participant, or an identity.
    :param track: a track, a publication or an id; None for the first microphone that the participant publishes, and
        for none where there is no room.
    :raises ConfigError: nobody of that identity is in the room, or they publish no microphone.
    """
    identity = participant if isinstance(participant, str) else participant.identity
    if track is not None:
        return Target(identity, track)
    if room is None:
        return Target(identity, "")
    from livekit import rtc

    if identity == room.local_participant.identity:
        publications: Any = room.local_participant.track_publications
    elif (remote := room.remote_participants.get(identity)) is not None:
        publications = remote.track_publications
    else:
        raise ConfigError(f"nobody in the room is called {identity!r}: wait for the participant, or give track=")
    for publication in publications.values():
        if publication.source == rtc.TrackSource.SOURCE_MICROPHONE:
            return Target(identity, publication)
    raise ConfigError(f"{identity!r} publishes no microphone: wait until it is published, or give track=")


def only_callback(before: BeforeForward | None, older: BeforeForward | None) -> BeforeForward | None:
    """Return the callback that was given, under its present name or its older one."""
    if older is None:
        return before
    warnings.warn("will_forward_transcription is now called before_forward_cb", DeprecationWarning, stacklevel=3)
    return older if before is None else before


class Publisher:
    """Publishes segments, each in a message of its own.

    :param forwarder: handed to the callback.
    """

    def __init__(
        self, destination: Destination, target: Target, *, forwarder: object, callback: BeforeForward | None
    ) -> None:
        self._destination = destination
        self._target = target
        self._forwarder = forwarder
        self._callback = callback
        self._failed = False

    async def publish(self, segment_id: str, text: str, *, final: bool, language: str = "") -> None:
        """Publish one segment; returns when it was taken, or was not.

        A fault is logged and nothing more: the next segment may fare better. Where the callback fails, what it might
        have changed is not published. Cancelled, it may have been published or not.
        """
        segment = TextSegment(
            participant=self._target.identity,
            track=self._target.track_sid,
            id=segment_id,
            text=text,
            final=final,
            language=language,
        )
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                await self._destination.show(await self._consult(make_transcription(segment)))
        except Exception as error:  # noqa: BLE001  whatever it is, a transcript must not end a conversation
            self._note_fault(error)
        else:
            self._failed = False

    async def _consult(self, transcription: rtc.Transcription) -> rtc.Transcription:
        if self._callback is None:
            return transcription
        answer = self._callback(self._forwarder, transcription)
        if inspect.isawaitable(answer):
            answer = await answer
        return answer if isinstance(answer, type(transcription)) else transcription

    def _note_fault(self, error: Exception) -> None:
        level = logging.DEBUG if self._failed else logging.WARNING  # one of a row is enough to know
        self._failed = True
        logger.log(
            level,
            "a segment of a transcript was not published",
            extra={"participant": self._target.identity, "error": type(error).__name__},
            exc_info=error,
        )
