"""The engine behind every fallback adapter: which member is asked, when the next one is, and how one comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final, Generic, Protocol, TypeVar

from lk_agents.foundation import clock
from lk_agents.foundation.errors import APIConnectionError, APIError, ConfigError
from lk_agents.foundation.log import logger
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
    :raises ConfigError: there is no member.
    """

    def __init__(self, members: Sequence[MemberT], *, on_change: Callable[[MemberT, bool], None]) -> None:
        if not members:
            raise ConfigError("a fallback adapter was given no member: it needs at least one")
        self._members = tuple(members)
        self._on_change = on_change
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
                self.failed(member, probe, final.__cause__ or final)
                raise (final.__cause__ or final) from (final.__cause__.__cause__ if final.__cause__ else None)
            except Exception as error:  # noqa: BLE001  whatever it is, the next member is asked
                failure = error
                self.failed(member, probe, error)
            else:
                if failures == self._failures.get(id(member), 0):
                    self.recovered(member)  # it may have been asked only because all were unavailable
                return result
        took = clock.monotonic() - began_at
        labels = ", ".join(member.label for member in self._members)
        raise self._all_failed(f"all members failed ({labels}) within {took:.2f} s", failure) from failure

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
        await cancel_and_wait(*self._probes.values())

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

    def _all_failed(self, text: str, failure: Exception | None) -> APIConnectionError:
        error = APIConnectionError(text, retryable=getattr(failure, "retryable", True))
        if isinstance(failure, APIError):
            error.located_like(failure)
        return error
