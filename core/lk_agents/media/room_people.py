"""Who counts as a human in a room, and when a conversation is over because of those who are not there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from livekit import rtc

__all__ = ["Ending", "has_humans", "is_human"]

HUMAN_KINDS: Final = frozenset({0, 3, 5})
"""``PARTICIPANT_KIND_STANDARD``, ``_SIP`` and ``_CONNECTOR`` (a call by a messenger); not ingress, egress, agents."""
SETTLE_SECONDS: Final = 0.5
"""How long somebody must be missing to have left: when the library joins anew, everybody leaves and comes again."""


def is_human(participant: rtc.RemoteParticipant) -> bool:
    """Tell whether this is a person, with a browser or a telephone."""
    return participant.kind in HUMAN_KINDS


def has_humans(room: rtc.Room) -> bool:
    """Tell whether a person is in the room, apart from the agent."""
    return any(is_human(participant) for participant in room.remote_participants.values())


class Ending:
    """Finds out when a conversation is over; whoever sees people come and go calls :meth:`look`.

    :param absence: says, in words, who is missing without whom there is no conversation; None for nobody.
    :param patience_seconds: how long they may be missing.
    """

    def __init__(self, absence: Callable[[], str | None], *, patience_seconds: float) -> None:
        self._absence = absence
        self._patience_seconds = patience_seconds
        self._timer: asyncio.TimerHandle | None = None
        self._overdue = False
        self._reconnecting = False
        self._over = asyncio.Event()
        self._reason = ""

    async def wait(self) -> str:
        """Return the reason once it is over. Cancelled, only the waiting ends."""
        await self._over.wait()
        return self._reason

    def look(self) -> None:
        """See who is there. Needs a running event loop."""
        if self._absence() is None:
            self._stop_timer()
        elif self._timer is None and not self._over.is_set():
            self._start_timer(max(self._patience_seconds, SETTLE_SECONDS))

    def pause(self) -> None:
        """Say that the connection is being mended: until :meth:`resume`, nobody is seen."""
        self._reconnecting = True

    def resume(self) -> None:
        """Say that the connection is mended."""
        self._reconnecting = False
        self.look()
        if self._overdue:
            self._start_timer(SETTLE_SECONDS)

    def finish(self, reason: str) -> None:
        """Say that it is over; the first reason counts."""
        self._stop_timer()
        if not self._over.is_set():
            self._reason = reason
            self._over.set()

    def _start_timer(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._decide)

    def _stop_timer(self) -> None:
        self._overdue = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _decide(self) -> None:
        reason = self._absence()
        if reason is not None and self._reconnecting:
            self._overdue = True
        elif reason is not None:
            self.finish(reason)
        else:
            self._stop_timer()
