"""Bringing segments of a transcript into a room."""

from __future__ import annotations

import asyncio
import inspect
import logging
import warnings
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.log import logger

if TYPE_CHECKING:
    from livekit import rtc

__all__ = ["BeforeForward", "Publisher", "Target", "find_target", "only_callback"]

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


def find_target(room: rtc.Room, participant: Any, track: Any) -> Target:
    """Return whose words are transcribed.

    :param participant: a participant, or an identity.
    :param track: a track, a publication or an id; None for the first microphone that the participant publishes.
    :raises ConfigError: nobody of that identity is in the room, or they publish no microphone.
    """
    identity = participant if isinstance(participant, str) else participant.identity
    if track is not None:
        return Target(identity, track)
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

    def __init__(self, room: rtc.Room, target: Target, *, forwarder: object, callback: BeforeForward | None) -> None:
        self._room = room
        self._target = target
        self._forwarder = forwarder
        self._callback = callback
        self._failed = False

    async def publish(self, segment_id: str, text: str, *, final: bool, language: str = "") -> None:
        """Publish one segment; returns when the room has taken it, or has not.

        A fault is logged and nothing more: the next segment may fare better. Where the callback fails, what it might
        have changed is not published. Cancelled, it may have been published or not.
        """
        from livekit import rtc

        transcription = rtc.Transcription(
            participant_identity=self._target.identity,
            track_sid=self._target.track_sid,
            segments=[
                rtc.TranscriptionSegment(
                    id=segment_id, text=text, start_time=0, end_time=0, language=language, final=final
                )
            ],
        )
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                transcription = await self._consult(transcription)
                if transcription.segments and self._room.isconnected():
                    await self._room.local_participant.publish_transcription(transcription)
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
