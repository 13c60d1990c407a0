"""Where a conversation takes place: in the room, unless something else was put around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from lk_agents.media.session_io import EndPolicy

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.media.session_io import SessionIO

__all__ = ["GRACE_SECONDS", "SessionIOFactory", "SessionRequest", "session_io_for", "use_session_io"]

GRACE_SECONDS: Final = 20.0
"""How long the participant may be away where :attr:`EndPolicy.GRACE` holds."""


@dataclass(frozen=True, kw_only=True)
class SessionRequest:
    """What an agent wants of its surroundings.

    :param room: that it was started in.
    :param participant: whom it wants to listen to, or the identity; None for the first human.
    :param end_policy: when the conversation is over because people have left.
    :param grace_seconds: how long the participant may be away, by the policy ``GRACE``.
    :param noise_cancellation: for the user's voice, as the ``AudioStream`` of the media library takes it; a frame
        processor is closed by whoever made it.
    """

    room: rtc.Room
    participant: rtc.RemoteParticipant | str | None = None
    end_policy: EndPolicy = EndPolicy.MANUAL
    grace_seconds: float = GRACE_SECONDS
    noise_cancellation: Any = None


SessionIOFactory: TypeAlias = "Callable[[SessionRequest], SessionIO | None]"
"""Makes the surroundings of a conversation; None leaves it in its room."""

_factory: ContextVar[SessionIOFactory | None] = ContextVar("lk_agents_session_io", default=None)


@contextmanager
def use_session_io(factory: SessionIOFactory) -> Iterator[None]:
    """Put something else than the room around the conversations that begin in this context.

    Tasks that are started inside inherit it.

    :param factory: asked for each conversation. In a test: ``lambda request: MemorySessionIO()``.
    """
    token = _factory.set(factory)
    try:
        yield
    finally:
        _factory.reset(token)


def session_io_for(
    room: rtc.Room,
    *,
    participant: rtc.RemoteParticipant | str | None = None,
    end_policy: EndPolicy = EndPolicy.MANUAL,
    grace_seconds: float = GRACE_SECONDS,
    noise_cancellation: Any = None,
) -> SessionIO:
    """Return the surroundings of a new conversation, not yet started; see :class:`SessionRequest` for the parameters.

    They are what the factory of :func:`use_session_io` makes, else the room.

    :raises ConfigError: ``grace_seconds`` is negative.
    """
    factory = _factory.get()
    if factory is not None:
        request = SessionRequest(
            room=room,
            participant=participant,
            end_policy=end_policy,
            grace_seconds=grace_seconds,
            noise_cancellation=noise_cancellation,
        )
        if (other := factory(request)) is not None:
            return other
    from lk_agents.media.room_session import RoomSessionIO

    return RoomSessionIO(
        room,
        participant=participant,
        end_policy=end_policy,
        grace_seconds=grace_seconds,
        noise_cancellation=noise_cancellation,
    )
