"""One participant's microphone, whichever track that is at the moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from lk_agents.foundation.log import logger
from lk_agents.media.inputs import AudioInputs

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.media.room_media import RoomMedia

__all__ = ["MicrophoneWatch"]

SOURCE_MICROPHONE: Final = 2
"""``rtc.TrackSource.SOURCE_MICROPHONE``"""


class MicrophoneWatch:
    """Turns the microphones that a participant publishes into inputs; the one that came last is heard.

    Whoever gets the room's events tells it of those of the participant; it needs a running event loop.

    :param media: receives the tracks.
    """

    def __init__(self, media: RoomMedia) -> None:
        self._media = media
        self.inputs = AudioInputs()
        """What is heard, one input for each track."""
        self.sid = ""
        """The id of the track that is heard; empty for none."""

    def look(self, participant: rtc.RemoteParticipant) -> None:
        """See what the participant publishes: hear what can be heard, and ask for what cannot be yet."""
        if self.sid not in participant.track_publications:
            self.forget()
            self._hear_newest(participant)
        if not self.sid:
            for publication in participant.track_publications.values():
                self.ask(publication)

    def ask(self, publication: rtc.RemoteTrackPublication) -> None:
        """Have a track sent here that the participant publishes, if it is a microphone."""
        if publication.source == SOURCE_MICROPHONE and not publication.subscribed:
            publication.set_subscribed(True)

    def hear(
        self, track: rtc.Track, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        """Hear a track that is being sent here, in place of the one that was heard, if it is a microphone."""
        if publication.source != SOURCE_MICROPHONE:
            return
        try:
            audio_in = self._media.receive(cast("rtc.RemoteAudioTrack", track), participant=participant.identity)
        except Exception:  # noqa: BLE001  the one who speaks there may publish another
            logger.exception("a microphone cannot be heard", extra={"participant": participant.identity})
            return
        self.sid = publication.sid
        self.inputs.switch(audio_in)

    def lose(self, sid: str, participant: rtc.RemoteParticipant) -> None:
        """Hear a track no more, and another one of the participant in its place if one is being sent here.

        :param sid: the track's id.
        """
        if sid == self.sid:
            self.forget()
            self._hear_newest(participant)

    def forget(self) -> None:
        """Hear nobody for the time being."""
        if self.sid:
            self.sid = ""
            self.inputs.switch(None)

    def _hear_newest(self, participant: rtc.RemoteParticipant) -> None:
        for publication in reversed(list(participant.track_publications.values())):
            if publication.track is not None and not self.sid:
                self.hear(publication.track, publication, participant)
