"""A room as the surroundings of a conversation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation.errors import ConfigError, PlayoutError
from lk_agents.foundation.log import logger
from lk_agents.media.room_media import NativeRoomMedia
from lk_agents.media.room_microphone import MicrophoneWatch
from lk_agents.media.room_people import Ending, has_humans, is_human
from lk_agents.media.room_states import StateAttribute
from lk_agents.media.room_text import RoomTextIO
from lk_agents.media.session_io import EndPolicy
from lk_agents.media.surroundings import GRACE_SECONDS

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.foundation.types import AgentState
    from lk_agents.media.protocols import AudioIn, AudioOut, TextIO
    from lk_agents.media.room_media import RoomMedia, RoomVoice

__all__ = ["RoomSessionIO"]

PUBLISH_SECONDS: Final = 10.0
CLOSE_SECONDS: Final = 5.0


class RoomSessionIO:
    """Surrounds one conversation with a room; a :class:`~lk_agents.media.SessionIO`.

    The agent is heard on a microphone track named ``assistant_voice``. One participant is listened to: the one that is
    asked for, whenever they come, or the first human who is there or comes. Nobody takes their place; when they leave
    and come back, they are listened to again. What they publish as a microphone is heard in mono; a track that is muted
    stays, one that is replaced or published anew makes a new input.

    :param room: connected when this is started; it stays so when this is closed.
    :param participant: whom to listen to, or the identity; None for the first human. Whoever is given themselves counts
        as having been there: if they have left before this is started, they are missing from the beginning. Of an
        identity that is not known; it is waited for.
    :param end_policy: when the conversation is over because people have left.
    :param grace_seconds: how long the participant may be away, by the policy ``GRACE``.
    :param noise_cancellation: for the user's voice, as the ``AudioStream`` of the media library takes it; a frame
        processor is closed by whoever made it.
    :param frame_ms: the length of the frames that are heard.
    :param input_sample_rate: Hz of the frames that are heard.
    :param media: makes the ends of the audio; by default the media library does.
    :raises ConfigError: ``grace_seconds`` is negative.
    """

    def __init__(
        self,
        room: rtc.Room,
        *,
        participant: rtc.RemoteParticipant | str | None = None,
        end_policy: EndPolicy = EndPolicy.MANUAL,
        grace_seconds: float = GRACE_SECONDS,
        noise_cancellation: Any = None,
        frame_ms: int = 32,
        input_sample_rate: int = 16_000,
        media: RoomMedia | None = None,
    ) -> None:
        if grace_seconds < 0:
            raise ConfigError(f"grace_seconds is {grace_seconds!r}; it must be 0 or more")
        self._room = room
        self._given = None if isinstance(participant, str) else participant
        self._wanted = participant if isinstance(participant, str) or participant is None else participant.identity
        self._policy = EndPolicy(end_policy)
        self._media = media or NativeRoomMedia(
            input_sample_rate=input_sample_rate, frame_ms=frame_ms, noise_cancellation=noise_cancellation
        )
        self._user: str | None = None
        self._seen_human = False
        self._microphone = MicrophoneWatch(self._media)
        self._ending = Ending(
            self._find_absence, patience_seconds=grace_seconds if self._policy is EndPolicy.GRACE else 0.0
        )
        self._states = StateAttribute(room)
        self._voice: RoomVoice | None = None
        self._text: RoomTextIO | None = None
        self._handlers: list[tuple[Any, Callable[..., None]]] = []
        self._closing: asyncio.Task[None] | None = None

    # --- what an agent uses -----------------------------------------------------------------------------------------

    async def start(self, *, sample_rate: int, num_channels: int) -> None:
        """Publish the agent's track, and listen to the participant as soon as they are there.

        Cancelled, it is closed.

        :raises PlayoutError: the room is not connected, or does not take the track within 10 s.
        :raises RuntimeError: it was started, or closed, already.
        """
        if self._voice is not None or self._closing is not None:
            raise RuntimeError("this RoomSessionIO has been used: make another one for each conversation")
        if not self._room.isconnected():
            raise PlayoutError("the agent cannot speak: the room is not connected; await ctx.connect() first")
        try:
            self._voice = self._media.make_voice(self._room, sample_rate=sample_rate, num_channels=num_channels)
            self._text = RoomTextIO(self._room, accepts=self._may_write)
            self._watch_room()
            async with asyncio.timeout(PUBLISH_SECONDS):
                await self._voice.publish()
        except TimeoutError as error:
            await self.aclose()
            raise PlayoutError(
                f"the agent cannot speak: its track was not published in {PUBLISH_SECONDS:g} s"
            ) from error
        except Exception as error:
            await self.aclose()
            raise PlayoutError(f"the agent cannot speak: the room does not take its track: {error}") from error
        except asyncio.CancelledError:
            await self.aclose()
            raise

    @property
    def audio_out(self) -> AudioOut:
        """Where the agent is heard.

        :raises RuntimeError: it was not started.
        """
        if self._voice is None:
            raise RuntimeError("this RoomSessionIO was not started: the agent has no track yet")
        return self._voice.audio_out

    @property
    def text(self) -> TextIO:
        """Transcripts out, typed messages in.

        :raises RuntimeError: it was not started.
        """
        if self._text is None:
            raise RuntimeError("this RoomSessionIO was not started: there is no text yet")
        return self._text

    @property
    def agent(self) -> str:
        """The identity under which the agent is in the room."""
        return self._room.local_participant.identity

    @property
    def agent_track(self) -> str:
        """The id of the agent's track, which a reconnect may change; empty while it is not published."""
        return self._voice.sid if self._voice is not None else ""

    @property
    def user(self) -> str | None:
        """The identity of the participant who is listened to; None until they have come. It stays when they leave."""
        return self._user

    @property
    def user_track(self) -> str:
        """The id of the track that is listened to; empty while there is none."""
        return self._microphone.sid

    def audio_inputs(self) -> AsyncIterator[AudioIn]:
        """Give the participant's microphone, each time a track of it can be heard."""
        return self._microphone.inputs

    async def wait_for_listener(self) -> None:
        """Return when somebody in the room hears the agent's track.

        :raises RuntimeError: it was not started.
        """
        if self._voice is None:
            raise RuntimeError("this RoomSessionIO was not started: the agent has no track yet")
        await self._voice.wait_for_subscription()

    async def show_state(self, state: AgentState) -> None:
        """Show what the agent is doing as the attribute ``lk.agent.state``; returns at once.

        Where the room is slower than the agent, only the latest state is shown.
        """
        self._states.show(state)

    async def wait_for_end(self) -> str:
        """Return, with the reason in words, when the conversation is over."""
        return await self._ending.wait()

    async def aclose(self) -> None:
        """Take the agent's track and all handlers out of the room."""
        if self._closing is None:
            for event, handler in self._handlers:
                self._room.off(event, handler)
            self._ending.finish("the conversation was closed")
            self._closing = asyncio.get_running_loop().create_task(self._close(), name="lk-close-room-io")
        await asyncio.wait([self._closing], timeout=CLOSE_SECONDS)

    async def _close(self) -> None:
        parts: list[RoomVoice | RoomTextIO | None] = [self._voice, self._text]
        closings = [part.aclose() for part in parts if part is not None]
        results = await asyncio.gather(
            *closings, self._microphone.inputs.aclose(), self._states.aclose(), return_exceptions=True
        )
        for result in results:
            if isinstance(result, Exception):
                logger.error("a part of a conversation's room was not closed", exc_info=result)

    # --- what happens in the room -----------------------------------------------------------------------------------

    def _watch_room(self) -> None:
        self._handlers = [
            ("participant_connected", self._on_come),
            ("participant_disconnected", self._on_leave),
            ("track_published", self._on_published),
            ("track_unpublished", self._on_lost),
            ("track_subscribed", self._on_subscribed),
            ("track_unsubscribed", self._on_unsubscribed),
            ("reconnecting", self._ending.pause),
            ("reconnected", self._on_reconnected),
            ("disconnected", self._on_disconnected),
        ]
        for event, handler in self._handlers:
            self._room.on(event, handler)
        for participant in tuple(self._room.remote_participants.values()):
            self._on_come(participant)
        if self._given is not None and self._user is None:  # they have left meanwhile
            self._user = self._given.identity
            self._seen_human = self._seen_human or is_human(self._given)
            self._ending.look()

    def _on_come(self, participant: rtc.RemoteParticipant) -> None:
        self._seen_human = self._seen_human or is_human(participant)
        wanted = participant.identity == self._wanted if self._wanted is not None else is_human(participant)
        if self._user is None and wanted:
            self._user = participant.identity
            logger.debug("a participant is listened to", extra={"participant": participant.identity})
        if participant.identity == self._user:
            self._microphone.look(participant)
        self._ending.look()

    def _on_leave(self, participant: rtc.RemoteParticipant) -> None:
        if participant.identity == self._user:
            self._microphone.forget()
        self._ending.look()

    def _on_published(self, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant) -> None:
        if participant.identity == self._user:
            self._microphone.ask(publication)

    def _on_subscribed(
        self, track: rtc.Track, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        if participant.identity == self._user:
            self._microphone.hear(track, publication, participant)

    def _on_unsubscribed(
        self,
        track: rtc.Track,  # noqa: ARG002  as the event has it
        publication: rtc.RemoteTrackPublication,
        participant: rtc.RemoteParticipant,
    ) -> None:
        self._on_lost(publication, participant)

    def _on_lost(self, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant) -> None:
        if participant.identity == self._user:
            self._microphone.lose(publication.sid, participant)

    def _on_reconnected(self) -> None:
        user = None if self._user is None else self._room.remote_participants.get(self._user)
        if user is not None:
            self._microphone.look(user)
        self._states.show_again()
        self._ending.resume()

    def _on_disconnected(self, reason: rtc.DisconnectReason.ValueType) -> None:
        self._ending.finish(f"the room was disconnected: {_name_reason(reason)}")

    def _may_write(self, participant: rtc.RemoteParticipant) -> bool:
        return participant.identity == self._user or is_human(participant)

    def _find_absence(self) -> str | None:
        """Return who is missing, so that the conversation is over if they stay away."""
        people = self._room.remote_participants
        match self._policy:
            case EndPolicy.MANUAL:
                return None
            case EndPolicy.ALL_LEAVE:
                return "everybody has left" if self._seen_human and not has_humans(self._room) else None
            case EndPolicy.LINKED_LEAVES | EndPolicy.GRACE:
                return None if self._user is None or self._user in people else "the participant has left"


def _name_reason(reason: rtc.DisconnectReason.ValueType) -> str:
    from livekit import rtc

    try:
        return rtc.DisconnectReason.Name(reason).lower().replace("_", " ")
    except ValueError:  # newer than the library
        return str(reason)
