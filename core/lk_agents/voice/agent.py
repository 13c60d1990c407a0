"""What all agents have in common: they join a conversation in a room or elsewhere, and leave it."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, TypeVar

from lk_agents.foundation.log import logger
from lk_agents.media.surroundings import session_io_for
from lk_agents.utils.events import EventEmitter
from lk_agents.voice.checks import check_settings
from lk_agents.voice.life import AgentLife
from lk_agents.voice.settings import EndSettings, check_names, end_of

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.foundation.types import AgentState
    from lk_agents.media.session_io import SessionIO

__all__ = ["JoiningAgent"]

EventT = TypeVar("EventT", bound=str)


class JoiningAgent(EventEmitter[EventT]):
    """An agent that holds one conversation.

    :param noise_cancellation: for the user's voice, as the ``AudioStream`` of the media library takes it.
    :param settings: all that were given beyond the signature; when the conversation ends, is taken from them.
    :param known: a ``TypedDict`` with those that there are.
    :raises ConfigError: one is not what it should be.
    :raises TypeError: one does not exist.
    """

    def __init__(
        self, *, noise_cancellation: rtc.NoiseCancellationOptions | None, settings: EndSettings, known: type[Any]
    ) -> None:
        super().__init__()
        check_names(settings, known, what=type(self).__name__)
        check_settings(settings)
        self._noise_cancellation = noise_cancellation
        self._end_policy, self._grace_seconds = end_of(settings)
        self._life = AgentLife(on_over=self._over)

    @property
    @abstractmethod
    def state(self) -> AgentState:
        """What the agent is doing, as it is shown; empty before it is started."""

    def start(self, room: rtc.Room, participant: rtc.RemoteParticipant | str | None = None) -> None:
        """Join the conversation in a room, in the background; the agent lives until :meth:`aclose`, or the job's end.

        :param participant: whom to listen to, or the identity, which may come later; None for the first human.
        :raises RuntimeError: it was started, or closed, already.
        """
        self._life.check_new()
        io = session_io_for(
            room,
            participant=participant,
            end_policy=self._end_policy,
            grace_seconds=self._grace_seconds,
            noise_cancellation=self._noise_cancellation,
        )
        self._begin(io, room_name=getattr(room, "name", "") or "")

    def start_with(self, io: SessionIO) -> None:
        """Begin a conversation in other surroundings than a room: a console, a test, your own.

        :raises RuntimeError: it was started, or closed, already.
        """
        self._life.check_new()
        self._begin(io)

    @abstractmethod
    def _begin(self, io: SessionIO, *, room_name: str = "") -> None:
        """Begin the conversation."""

    async def aclose(self) -> None:
        """Leave the conversation: nothing more is heard or said; functions that run get some seconds.

        Every speech is over then. Any number of times. Cancelled, it is closed all the same.
        """
        await self._life.aclose()

    async def _over(self, reason: str) -> None:
        """The conversation is over and closed."""
        self._tell("closed", reason)

    def _tell(self, event: Any, *args: Any) -> None:
        """Emit an event, whatever its callbacks do."""
        try:
            self.emit(event, *args)
        except Exception:  # noqa: BLE001  a callback with wrong parameters
            logger.exception("a callback failed", extra={"event": event})
