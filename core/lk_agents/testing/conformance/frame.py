"""What the kits of all kinds of provider share: the frame of every check, and what it notices."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from lk_agents.foundation import clock
from lk_agents.foundation.errors import APIError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.testing.conformance.case import CANARY, Trouble, TroubleKind

if TYPE_CHECKING:
    import pytest

    from lk_agents.testing.vendor import ExchangeKind, Fault

__all__ = [
    "CLOSERS",
    "FAILURES",
    "LOST",
    "PATIENT_SECONDS",
    "POINTS",
    "Conformance",
    "Overheard",
    "Stopwatch",
    "causes_of",
    "close_at_once",
    "collected",
    "ended_by",
    "failed_with",
    "is_in_order",
    "is_overridden",
    "nothing_left",
    "opened",
    "overheard",
    "read",
    "read_and_give_up",
    "require_api_error",
    "require_fault",
    "skip_unless",
    "told_by",
]

T = TypeVar("T")

LOST: Final = [Trouble(TroubleKind.LOST, after, once=True) for after in range(5)]
"""A connection that is lost once, at every point of the first messages."""
FAILURES: Final = [
    Trouble(kind) for kind in (TroubleKind.LOST, TroubleKind.BUSY, TroubleKind.REFUSED, TroubleKind.QUOTED)
]
"""A vendor that stays in trouble."""
PATIENT_SECONDS: Final = 5.0
"""How long an attempt may take where the vendor is well."""
POINTS: Final = ["at once", "with input", 1, 2, 3, 5]
"""Where streams are closed: before anything, behind what was given, or after so many events."""
CLOSERS: Final = 3
"""How many tasks close a stream at the same time."""


class Conformance:
    """Base of all kits: how long checks take, and in which time they run.

    Checks are plain functions that run an event loop of their own: no pytest plugin for asynchronous tests is needed,
    and none is in the way.
    """

    virtual_time: ClassVar[bool] = False
    """Whether no check waits for a clock; for providers without sockets, threads or processes."""
    patience_seconds: ClassVar[float] = 15.0
    """How long one check may take."""
    attempt_seconds: ClassVar[float] = 0.5
    """How long an attempt may take where the vendor is silent; elsewhere it may take long, as on a busy machine."""

    exchange: ClassVar[ExchangeKind | None] = None
    """How the vendor's server answers a single request; None for a provider without such a server."""
    stream_exchange: ClassVar[ExchangeKind | None] = None
    """How the vendor's server answers a stream; None for a provider without such a server."""

    _is_impatient = False

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Let checks of ``fault`` and ``stream_fault`` run over every fault that the vendor's server can have."""
        from lk_agents.testing.vendor import faults_for

        for name, exchange in (("fault", self.exchange), ("stream_fault", self.stream_exchange)):
            if name in metafunc.fixturenames:
                faults = faults_for(exchange) if exchange is not None else [None]
                metafunc.parametrize(name, faults, ids=[each.name if each else "no-server" for each in faults])

    @property
    def options(self) -> APIConnectOptions:
        """How often and how patiently the provider is asked: three attempts, quickly one after the other."""
        seconds = self.attempt_seconds if self._is_impatient else PATIENT_SECONDS
        return APIConnectOptions(max_retry=2, retry_interval=0.05, timeout=seconds)

    @property
    def expected_attempts(self) -> int:
        """How often a vendor that stays in trouble is asked; more for what asks several, or asks in rounds."""
        return self.options.max_retry + 1

    def _run(self, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def whole() -> None:
            limit = asyncio.timeout(self.patience_seconds)
            try:
                async with limit:
                    await story()
            except TimeoutError as error:
                if not limit.expired():
                    raise
                raise AssertionError(f"this did not come to an end within {self.patience_seconds:g} s") from error

        if self.virtual_time:
            from lk_agents.testing.clock import VirtualClock

            VirtualClock().run(whole())
        else:
            asyncio.run(whole())


def skip_unless(condition: object, reason: str) -> None:
    """Skip the check for what a provider cannot do."""
    import pytest

    if not condition:
        pytest.skip(reason)


def require_fault(fault: Fault | None) -> Fault:
    """Return the fault; skip the check where there is no server that could have one."""
    skip_unless(fault is not None, "the provider has no vendor's server")
    assert fault is not None
    return fault


def is_overridden(kit: object, base: type, name: str) -> bool:
    """Tell whether an author has written a method of the kit anew."""
    return getattr(type(kit), name) is not getattr(base, name)


async def collected(stream: AsyncIterator[T]) -> list[T]:
    """Return all that a stream gives, to its end."""
    return [event async for event in stream]


async def ended_by(stream: AsyncIterator[T], into: list[T] | None = None) -> BaseException | None:
    """Read a stream to its end and return the error that ended it, or None.

    :param into: gets what the stream gives.
    """
    try:
        async for event in stream:
            if into is not None:
                into.append(event)
    except Exception as error:  # noqa: BLE001  whatever it is, a check judges it
        return error
    return None


async def failed_with(work: Awaitable[Any]) -> BaseException | None:
    """Return the error that ``work`` ends with, or None."""
    try:
        await work
    except Exception as error:  # noqa: BLE001  whatever it is, a check judges it
        return error
    return None


def require_api_error(error: BaseException | None, what: str) -> APIError:
    """Return the error if it is one that callers expect of a provider.

    :raises AssertionError: there is none, or it is of another kind.
    """
    assert error is not None, f"{what}, and no error was raised"
    assert isinstance(error, APIError), f"{what}, and {type(error).__name__} was raised; it must be an APIError"
    return error


async def read_and_give_up(stream: AsyncIterator[T]) -> list[T]:
    """Begin to wait for the next event and be cancelled; return it if it was there at once."""
    reader = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    reader.cancel()
    await asyncio.wait([reader])
    return [] if reader.cancelled() else [reader.result()]


async def read(stream: AsyncIterator[T], count: int) -> list[T]:
    """Return the next events of a stream, so many or all that there are."""
    events: list[T] = []
    while len(events) < count:
        try:
            events.append(await anext(stream))
        except StopAsyncIteration:
            break
    return events


def causes_of(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__


def told_by(error: BaseException | None) -> str:
    """Return what an error and all its causes tell."""
    return " ".join(f"{each!s} {vars(each)!r}" for each in causes_of(error))


async def close_at_once(*closings: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Call each of them three times at the same time, and once more."""
    async with asyncio.TaskGroup() as group:
        for close in closings:
            for number in range(CLOSERS):
                group.create_task(close(), name=f"close-{number}")
    for close in closings:
        await close()


class Overheard(logging.Handler):
    """Everything that was logged, and every error, with the values of all variables on the way."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self._texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep all that a record holds."""
        self._texts.append(f"{record.getMessage()} {vars(record)!r}")
        if record.exc_info and record.exc_info[1] is not None:
            self.tell(record.exc_info[1])

    def tell(self, thing: object) -> None:
        """Keep what somebody may see of a thing, such as an error or a metric."""
        self._texts.append(f"{thing!s} {thing!r}")
        if isinstance(thing, BaseException):
            told = traceback.TracebackException.from_exception(thing, capture_locals=True)
            self._texts += told.format()
            self._texts.append(repr(getattr(thing, "body", None)))

    def require_no_secret(self) -> None:
        """Look for the credential.

        :raises AssertionError: it can be seen; the text says where, without it.
        """
        for text in self._texts:
            for line in text.splitlines():
                assert CANARY not in line, f"the credential is shown: {line.replace(CANARY, '<the credential>')[:400]}"


@contextmanager
def overheard() -> Iterator[Overheard]:
    """Keep everything that is logged while the block lasts, at every level."""
    handler = Overheard()
    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict]
    before = [(each, each.level, each.propagate, each.disabled) for each in [logging.root, *loggers]]
    for each in loggers:
        each.setLevel(logging.NOTSET)
        each.propagate, each.disabled = True, False
    logging.root.addHandler(handler)
    logging.root.setLevel(logging.DEBUG)
    try:
        yield handler
    finally:
        logging.root.removeHandler(handler)
        for each, level, propagate, disabled in before:
            each.setLevel(level)
            each.propagate, each.disabled = propagate, disabled


class Stopwatch:
    """How long something took, in the time of the check."""

    def __init__(self) -> None:
        self._began_at = clock.monotonic()

    def seconds(self) -> float:
        """Return the seconds since it was made."""
        return clock.monotonic() - self._began_at


def is_in_order(moments: Sequence[float], *, tolerance: float = 0.001) -> bool:
    """Tell whether no moment lies before the one before it."""
    return all(later >= earlier - tolerance for earlier, later in pairwise(moments))


async def nothing_left(work: Callable[[], Awaitable[None]], *, first: Callable[[], Awaitable[None]]) -> None:
    """Look for what ``work`` leaves behind.

    :param first: done before: uses the provider once, since that may load what stays for good.
    """
    from lk_agents.testing.leaks import no_leaks

    await first()
    async with no_leaks():
        await work()


def opened(manager: AbstractAsyncContextManager[T]) -> AbstractAsyncContextManager[T]:
    """Return what a kit's ``provider`` gave.

    :raises TypeError: it is none that can be entered.
    """
    if not hasattr(manager, "__aenter__"):
        raise TypeError(
            f"provider() returned {manager!r}; it must be an asynchronous context manager: write it as an asynchronous "
            f"generator under @asynccontextmanager"
        )
    return manager
