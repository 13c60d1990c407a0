"""The engine behind every fallback adapter: which member is asked, when the next one is, and how one comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final, Generic, NoReturn, Protocol, TypeVar

from lk_agents.foundation import clock
from lk_agents.foundation.errors import APIConnectionError, APIError, APITimeoutError, ConfigError
from lk_agents.foundation.log import logger
from lk_agents.streams.hedging import LOSSES_IN_A_ROW, Contestant, HedgeTimes, Race
from lk_agents.utils.aio.tasks import cancel_and_wait

__all__ = ["Member", "Members", "NoFallbackError"]

PROBE_WAIT_SECONDS: Final = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Before each probe of a member that failed. After the last one it is asked again when nobody else is left."""


class Member(Protocol):
    """What the engine needs to know of a member."""

    @property
    def label(self) -> str:
        """Its name in logs and errors."""


MemberT = TypeVar("MemberT", bound=Member)
T = TypeVar("T")


class NoFallbackError(Exception):
    """Raised by an attempt whose failure no other member can make good: output went out that would be repeated.

    Its cause is the failure, which the caller of :meth:`Members.first` gets.
    """


class Members(Generic[MemberT]):
    """Members in the order of preference, each available or not; the one owner of that state.

    A member that fails is unavailable for everybody who uses this adapter. Probes in the background, with growing
    waits between them, make it available again.

    :param members: at least one.
    :param on_change: told of a member that has become unavailable or available again; only of changes.
    :param hedge: when :meth:`first_hedged` asks another member as well; see :class:`HedgeTimes`.
    :raises ConfigError: there is no member, or ``hedge`` is out of range.
    """

    def __init__(
        self,
        members: Sequence[MemberT],
        *,
        on_change: Callable[[MemberT, bool], None],
        hedge: bool | float = False,
    ) -> None:
        if not members:
            raise ConfigError("a fallback adapter was given no member: it needs at least one")
        self._members = tuple(members)
        self._on_change = on_change
        self._times = HedgeTimes(hedge)
        self._leaving: set[asyncio.Task[Any]] = set()
        self._unavailable: set[int] = set()
        self._failures: dict[int, int] = {}
        self._probes: dict[int, asyncio.Task[None]] = {}
        self._closed = False

    def __iter__(self) -> Iterator[MemberT]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def is_available(self, member: MemberT) -> bool:
        """Tell whether a member is asked."""
        return id(member) not in self._unavailable

    async def first(
        self, attempt: Callable[[MemberT], Awaitable[T]], *, probe: Callable[[MemberT], Awaitable[None]]
    ) -> T:
        """Return what the first member gives that succeeds.

        Members are asked in their order, those that are unavailable only if all are. Whoever fails, by whatever
        error, becomes unavailable and is probed; so is everybody who was passed over.

        :param attempt: asks one member; it has its own deadline.
        :param probe: finds out whether a member works again: returns if so, raises if not.
        :raises APIConnectionError: all failed; the cause is the last failure.
        :raises Exception: the failure behind a :class:`NoFallbackError`.
        """
        began_at = clock.monotonic()
        failure: Exception | None = None
        for member in self._candidates(probe):
            failures = self._failures.get(id(member), 0)
            try:
                result = await attempt(member)
            except NoFallbackError as final:
                self._raise_final(member, probe, final)
            except Exception as error:  # noqa: BLE001  whatever it is, the next member is asked
                failure = error
                self.failed(member, probe, error)
            else:
                if failures == self._failures.get(id(member), 0):
                    self.recovered(member)  # it may have been asked only because all were unavailable
                return result
        raise self._all_failed(began_at, failure) from failure

    async def first_hedged(
        self,
        attempt: Callable[[MemberT, Contestant[MemberT, T]], Awaitable[T]],
        *,
        probe: Callable[[MemberT], Awaitable[None]],
    ) -> T:
        """Return what :meth:`first` does; where a member is slow, the next one is asked as well, and the first counts.

        A member that has lost three times in a row has failed. Cancelled, it waits until all that it has asked have
        ended.

        :param attempt: asks one member, and calls ``claim()`` of the contestant that it is given before it hands the
            first output on. Whoever loses is cancelled.
        """
        times = self._times
        if not times.is_on:
            return await self.first(lambda member: attempt(member, Contestant(member)), probe=probe)
        began_at, failures = clock.monotonic(), dict(self._failures)
        failure: Exception | None = None
        race = Race(attempt, times=times, on_loss=lambda member: self.failed(member, probe, _too_slow(member)))
        candidates = self._candidates(probe)
        try:
            while (end := await race.next_end(candidates)) is not None:
                member, task = end
                try:
                    result = task.result()
                except NoFallbackError as final:
                    self._raise_final(member, probe, final)
                except Exception as error:  # noqa: BLE001  whatever it is, the next member is asked
                    failure = error
                    self.failed(member, probe, error)
                else:
                    if failures.get(id(member), 0) == self._failures.get(id(member), 0):
                        self.recovered(member)
                    self._let_go(race.leave())
                    return result
        except BaseException:
            await race.aclose()
            raise
        raise self._all_failed(began_at, failure) from failure

    def failed(self, member: MemberT, probe: Callable[[MemberT], Awaitable[None]], error: BaseException) -> None:
        """Note that a member failed, and begin to probe it."""
        logger.warning(
            "a member of a fallback adapter failed",
            extra={
                "provider": member.label,
                "error": type(error).__name__,
                "phase": getattr(error, "phase", ""),
                "code": getattr(error, "code", None),
            },
        )
        self._failures[id(member)] = self._failures.get(id(member), 0) + 1
        self._mark(member, available=False)
        self._begin_probing(member, probe)

    def recovered(self, member: MemberT) -> None:
        """Note that a member works again."""
        self._mark(member, available=True)

    async def aclose(self) -> None:
        """End all probes; the members stay open, they are their owner's."""
        self._closed = True
        await cancel_and_wait(*self._probes.values(), *self._leaving)

    def _candidates(self, probe: Callable[[MemberT], Awaitable[None]]) -> Iterator[MemberT]:
        available = [self.is_available(member) for member in self._members]  # others may change it in the meantime
        if not any(available):
            logger.error("all members of a fallback adapter are unavailable; all are tried again")
            available = [True] * len(self._members)
        for member, is_asked in zip(self._members, available, strict=True):
            if is_asked:
                yield member
            else:
                self._begin_probing(member, probe)

    def _mark(self, member: MemberT, *, available: bool) -> None:
        if available is self.is_available(member):
            return
        if available:
            self._unavailable.discard(id(member))
        else:
            self._unavailable.add(id(member))
        self._on_change(member, available)

    def _begin_probing(self, member: MemberT, probe: Callable[[MemberT], Awaitable[None]]) -> None:
        if self._closed or id(member) in self._probes:
            return
        task = asyncio.get_running_loop().create_task(self._probe(member, probe), name=f"lk-probe {member.label}")
        self._probes[id(member)] = task
        task.add_done_callback(lambda _: self._probes.pop(id(member), None))

    async def _probe(self, member: MemberT, probe: Callable[[MemberT], Awaitable[None]]) -> None:
        for seconds in PROBE_WAIT_SECONDS:
            await asyncio.sleep(seconds)
            if self.is_available(member):
                return
            try:
                await probe(member)
            except Exception as error:  # noqa: BLE001  it does not work yet, which is all that is asked
                logger.debug(
                    "a member of a fallback adapter does not work yet",
                    extra={"provider": member.label, "error": type(error).__name__},
                )
            else:
                self._mark(member, available=True)
                return

    def _let_go(self, tasks: list[asyncio.Task[Any]]) -> None:
        """Keep tasks that have been cancelled until they end; nobody waits for them."""
        for task in tasks:
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    def _raise_final(
        self, member: MemberT, probe: Callable[[MemberT], Awaitable[None]], final: NoFallbackError
    ) -> NoReturn:
        failure = final.__cause__ or final
        self.failed(member, probe, failure)
        raise failure from failure.__cause__

    def _all_failed(self, began_at: float, failure: Exception | None) -> APIConnectionError:
        took = clock.monotonic() - began_at
        labels = ", ".join(member.label for member in self._members)
        text = f"all members failed ({labels}) within {took:.2f} s"
        error = APIConnectionError(text, retryable=getattr(failure, "retryable", True))
        if isinstance(failure, APIError):
            error.located_like(failure)
        return error


def _too_slow(member: Member) -> APITimeoutError:
    return APITimeoutError(f"{member.label} was slower than another one {LOSSES_IN_A_ROW} times in a row").located(
        provider=member.label, phase="first_output"
    )
