"""A second request where the first one is slow: when it is made, which answer counts, what becomes of the other."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, Generic, TypeVar

from lk_agents.foundation.errors import ConfigError
from lk_agents.metrics.hedged import Lane, within_lane
from lk_agents.utils.aio.tasks import cancel_and_wait

__all__ = ["Contestant", "HedgeTimes", "Race"]

KEPT_TIMES: Final = 100
"""How many of a member's last requests tell how long it takes."""
LEAST_TIMES: Final = 20
"""Before that many requests of a member nobody knows what is slow for it, and it gets no second request beside it."""
QUANTILE: Final = 0.95
LEAST_SECONDS: Final = 0.1
"""However quick a member usually is, it has so long before another one is asked as well."""
ROUNDING_SECONDS: Final = 1e-6
"""What a difference of two moments may be beside the truth: who would wait for it, might do so for ever."""
LOSSES_IN_A_ROW: Final = 3
"""After that many requests in a row for which the next member was faster, a member counts as failed."""

MemberT = TypeVar("MemberT")
T = TypeVar("T")


class HedgeTimes:
    """Knows how long each member takes to its first output, and from that when another one is asked as well.

    :param hedge: False for never; True for the time in which 19 of 20 of a member's last requests had their first
        output, and 0.1 s at least; or so many seconds.
    :param name: of the parameter, for the error.
    :raises ConfigError: a number that is not above 0.
    """

    def __init__(self, hedge: bool | float, *, name: str = "hedge") -> None:
        is_number = not isinstance(hedge, bool)
        if is_number and not (math.isfinite(hedge) and hedge > 0):
            raise ConfigError(f"{name} is {hedge!r}; it must be True, False or a number of seconds above 0")
        self.is_on = bool(hedge)
        self._fixed = float(hedge) if is_number else None
        self._times: dict[int, deque[float]] = {}
        self._losses: dict[int, int] = {}

    def delay(self, member: object) -> float | None:
        """Return how many seconds a member has before another one is asked as well; None for as many as it wants."""
        if not self.is_on or self._fixed is not None:
            return self._fixed
        times = sorted(self._times.get(id(member), ()))
        if len(times) < LEAST_TIMES:
            return None
        return max(times[math.ceil(QUANTILE * len(times)) - 1], LEAST_SECONDS)

    def won(self, member: object, seconds: float) -> None:
        """Note that a member has given its first output, and nobody else had."""
        self._note(member, seconds)
        self._losses.pop(id(member), None)

    def lost(self, member: object, seconds: float) -> bool:
        """Note that another one was faster; tells whether that has happened too often in a row.

        :param seconds: how long it has had no output, which is the least that it would have taken.
        """
        self._note(member, seconds)
        losses = self._losses.get(id(member), 0) + 1
        self._losses[id(member)] = losses % LOSSES_IN_A_ROW
        return losses >= LOSSES_IN_A_ROW

    def _note(self, member: object, seconds: float) -> None:
        self._times.setdefault(id(member), deque(maxlen=KEPT_TIMES)).append(seconds)


class Contestant(Generic[MemberT, T]):
    """A member that is asked, perhaps beside another one.

    :param on_claim: called when its output counts.
    """

    def __init__(self, member: MemberT, *, on_claim: Callable[[Contestant[MemberT, T]], None] = lambda _: None) -> None:
        self.member = member
        self.lane = Lane()
        self.began_at = asyncio.get_running_loop().time()
        self.has_begun: Callable[[], bool] = lambda: False
        """Tells whether it has begun to answer, though nothing can be handed on yet; an attempt may replace it."""
        self._on_claim = on_claim
        self._has_claimed = False

    @property
    def seconds(self) -> float:
        """How long ago it was asked."""
        return asyncio.get_running_loop().time() - self.began_at

    def claim(self) -> None:
        """Say that the first output is there, before it is handed on; from now on nobody else is listened to.

        :raises asyncio.CancelledError: somebody else's output was there before.
        """
        if self.lane.has_lost:
            raise asyncio.CancelledError("another member was faster")
        if not self._has_claimed:
            self._has_claimed = True
            self._on_claim(self)


class Race(Generic[MemberT, T]):
    """Asks a member, and another one if it takes too long; the first output wins. The task that made it owns it.

    :param attempt: asks a member. It claims before it hands its first output on, and is cancelled when it has lost.
    :param on_loss: told of a member that has lost too often in a row.
    """

    def __init__(
        self,
        attempt: Callable[[MemberT, Contestant[MemberT, T]], Awaitable[T]],
        *,
        times: HedgeTimes,
        on_loss: Callable[[MemberT], None],
    ) -> None:
        self._attempt = attempt
        self._times = times
        self._on_loss = on_loss
        self._running: dict[asyncio.Task[T], Contestant[MemberT, T]] = {}
        self._lost: list[asyncio.Task[T]] = []
        self._again: deque[MemberT] = deque()
        self._is_decided = False

    async def next_end(self, members: Iterator[MemberT]) -> tuple[MemberT, asyncio.Task[T]] | None:
        """Return the next member that comes to its end, and its task; None if nobody is asked or left to ask.

        Whoever has lost is not among them, and asked again should the winner fail.

        :param members: who is asked when it is time.
        """
        if not self._running:
            self._is_decided = False
            if not self._enter(self._again.popleft() if self._again else next(members, None)):
                return None
        while True:
            await asyncio.wait(self._running, timeout=self._patience(), return_when=asyncio.FIRST_COMPLETED)
            for task, contestant in self._running.items():
                if task.done():
                    del self._running[task]
                    return contestant.member, task
            if self._patience() == 0.0 and not self._enter(next(members, None)):
                self._is_decided = True  # there is nobody else

    def leave(self) -> list[asyncio.Task[T]]:
        """Cancel whoever is still asked, and return the tasks that have not ended, which they will soon."""
        for task in self._running:
            task.cancel()
        return [task for task in (*self._running, *self._lost) if not task.done()]

    async def aclose(self) -> None:
        """Cancel whoever is still asked, and wait until all have ended."""
        await cancel_and_wait(*self._running, *self._lost)

    def _enter(self, member: MemberT | None) -> bool:
        if member is None:
            return False
        contestant: Contestant[MemberT, T] = Contestant(member, on_claim=self._claimed)
        with within_lane(contestant.lane):
            task = asyncio.get_running_loop().create_task(self._run(contestant), name="lk-hedged-request")
        self._running[task] = contestant
        return True

    async def _run(self, contestant: Contestant[MemberT, T]) -> T:
        result = await self._attempt(contestant.member, contestant)
        contestant.claim()
        return result

    def _patience(self) -> float | None:
        """Return for how long nobody else is asked, None for ever: two at the same time are enough."""
        if self._is_decided or len(self._running) > 1:
            return None
        (first,) = self._running.values()
        delay = self._times.delay(first.member)
        if delay is None or first.has_begun():
            return None
        left = delay - first.seconds
        return left if left > ROUNDING_SECONDS else 0.0

    def _claimed(self, winner: Contestant[MemberT, T]) -> None:
        self._is_decided = True
        self._times.won(winner.member, winner.seconds)
        for task, loser in list(self._running.items()):
            if loser is not winner:
                self._lose(task, loser)

    def _lose(self, task: asyncio.Task[T], loser: Contestant[MemberT, T]) -> None:
        del self._running[task]
        loser.lane.lose()
        task.cancel()
        task.add_done_callback(_look_at)
        self._lost.append(task)
        if self._times.lost(loser.member, loser.seconds):
            self._on_loss(loser.member)
        else:
            self._again.append(loser.member)


def _look_at(task: asyncio.Task[T]) -> None:
    if not task.cancelled():
        task.exception()  # else asyncio reports an error that nobody retrieved
