"""Virtual time for tests: an event loop in which nobody waits for a clock.

Where a program waits for time alone, time jumps: ``await asyncio.sleep(3600)`` takes no real time, every timer fires
in its order and at exactly its moment, and :func:`asyncio.timeout`, ``loop.call_later`` and
:mod:`lk_agents.foundation.clock` (monotonic and wall time) all tell the same time.

**What it promises.** Time stands still while anything runs or could yet happen:

* a callback or task is ready;
* a call in an executor is under way (``run_in_executor``, ``asyncio.to_thread``, a name being resolved);
* a thread lives that was started after the clock was made, or that has called ``call_soon_threadsafe``. Idle threads of
  a thread pool do not count, nor do the threads named by :meth:`VirtualClock.ignore_threads`;
* a socket, pipe or child process that the loop watches is open, listening ones included;
* a block under :meth:`VirtualClock.outside` lasts.

So a real thread or a real connection takes real time, and the timers of the test wait for it. Signals are seen before
time jumps. What stays open for one second of real time while nothing else happens fails the test, and the failure names
what has been open longest; so does a test in which nothing at all is left that could go on. After a failure time goes
on at real speed, so that the test can be taken down.

**What it cannot do.** It does not see work that was given to a pool directly (``pool.submit``) in the instant in which
a pool's thread takes it up: use ``run_in_executor``. Threads that wait for the loop's own timers wait for ever: this is
reported, not solved. Code that reads :mod:`time` itself sees the machine's time. Native libraries that call into Python
from threads of their own (the media SDK is one) need real time.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from contextvars import Context
from typing import Any, Final, TypeVar, TypeVarTuple

from lk_agents.foundation.clock import SystemClock, use_clock
from lk_agents.foundation.errors import LkAgentsError
from lk_agents.foundation.ids import use_chance
from lk_agents.testing.outside import Outside

__all__ = ["VirtualClock", "VirtualLoop", "VirtualTimeError"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

START_WALL_SECONDS: Final = 1_735_689_600.0
"""2025-01-01T00:00:00Z, where the wall time of every virtual clock begins."""
PATIENCE_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 0.01
"""How long to wait for what is outside before looking again whether it is still there (a thread may just end)."""

_real: Final = SystemClock()


class VirtualTimeError(LkAgentsError, AssertionError):
    """Virtual time cannot go on; the text names what is in its way."""


class VirtualClock:
    """The time of one :class:`VirtualLoop`, or time moved by hand where there is no loop.

    :param patience_seconds: real seconds that something outside may be in the way of time.
    """

    def __init__(self, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self.patience_seconds = patience_seconds
        self._now = 0.0
        self._real_since: float | None = None  # set once time goes on at real speed
        self.sources = Outside()
        """What is open outside of the loop; the loop keeps it."""

    @property
    def is_real(self) -> bool:
        """Whether time goes on at real speed, as it does after a failure."""
        return self._real_since is not None

    def monotonic(self) -> float:
        """Return the virtual seconds since the clock was made."""
        if self._real_since is not None:
            return self._now + _real.monotonic() - self._real_since
        return self._now

    def wall_seconds(self) -> float:
        """Return the virtual seconds since 1970-01-01 UTC; the clock begins at the start of 2025."""
        return START_WALL_SECONDS + self.monotonic()

    def advance(self, seconds: float) -> None:
        """Move time by hand; timers that become due fire when the loop is next free.

        :raises ValueError: ``seconds`` is negative.
        """
        if seconds < 0:
            raise ValueError(f"cannot advance time by {seconds!r} s; it never goes back")
        self._now += seconds

    @contextmanager
    def outside(self, name: str) -> Iterator[None]:
        """Let time stand still while the block lasts: something that the clock cannot see is under way.

        :param name: names it where it stays open for too long.
        """
        end = self.sources.declare(name)
        try:
            yield
        finally:
            end()

    def ignore_threads(self, name_prefix: str) -> None:
        """Do not wait for threads whose names begin so: they live on, but never call into the loop."""
        self.sources.ignored_threads.append(name_prefix)

    def run(self, main: Coroutine[Any, Any, T], *, seed: int = 0) -> T:
        """Run ``main`` in a new loop of this clock, with ids and chance from ``seed``, and return its result.

        :raises VirtualTimeError: something outside stayed open, or nothing was left that could go on.
        """
        with (
            use_clock(self),
            use_chance(seed),
            asyncio.Runner(loop_factory=lambda: VirtualLoop(self)) as runner,
        ):
            return runner.run(main)

    def jump_to(self, when: float, resolution: float) -> None:
        """Move time to the moment ``when``, so that a timer of that moment is due at the loop's ``resolution``."""
        self._now = max(self._now, when)
        if self._now + resolution <= when:  # so far on that the loop's resolution is lost in rounding
            self._now = math.nextafter(when, math.inf)

    def go_real(self) -> None:
        """Let time go on at real speed from now on."""
        self._real_since = _real.monotonic()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is a :class:`VirtualClock`; see the module for what it promises."""

    def __init__(self, clock: VirtualClock | None = None) -> None:
        self.clock = clock or VirtualClock()
        self._in_the_way: dict[object, float] = {}
        super().__init__(_JumpingSelector(self._select))

    def time(self) -> float:
        """Return the clock's monotonic time."""
        return self.clock.monotonic()

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Like that of every loop; time waits for the call."""
        future = super().run_in_executor(executor, func, *args)
        self.clock.sources.add_call(future, func)
        return future

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Like that of every loop; from now on, time waits for the thread that called."""
        thread = threading.current_thread()
        if thread.ident != self._thread_id:  # type: ignore[attr-defined]
            self.clock.sources.add_caller(thread)
        return super().call_soon_threadsafe(callback, *args, context=context)

    def open_sources(self) -> list[str]:
        """Return in words what time is waiting for, apart from ready callbacks."""
        return list(self._open().values())

    async def connect_read_pipe(self, protocol_factory: Any, pipe: Any) -> Any:
        """Like that of every loop; time waits until the pipe is closed."""
        transport, protocol = await super().connect_read_pipe(protocol_factory, pipe)
        self.clock.sources.add_pipe(transport)
        return transport, protocol

    async def connect_write_pipe(self, protocol_factory: Any, pipe: Any) -> Any:
        """Like that of every loop; time waits until the pipe is closed."""
        transport, protocol = await super().connect_write_pipe(protocol_factory, pipe)
        self.clock.sources.add_pipe(transport)
        return transport, protocol

    def _open(self) -> dict[object, str]:
        own_fd = self._ssock.fileno() if self._ssock is not None else -1  # type: ignore[attr-defined]
        transports = list(self._transports.values())  # type: ignore[attr-defined]
        return self.clock.sources.list(self._selector, own_fd, transports)  # type: ignore[attr-defined]

    def _select(self, real: selectors.BaseSelector, timeout: float | None) -> Any:
        """Stand in for the wait of the loop: return what is ready, or let time jump to the next timer."""
        if self.clock.is_real:
            return real.select(timeout)
        # First what is open, then what is ready: whatever ends between the two looks has left its wake-up behind.
        sources = self._open() if timeout != 0 else {}
        events = real.select(0)
        if events or timeout == 0:
            return events
        if sources or timeout is None:
            return self._wait_outside(real, sources or {self: "nothing"})
        self._in_the_way.clear()
        next_timer = self._scheduled[0]  # type: ignore[attr-defined]
        self.clock.jump_to(next_timer.when(), self._clock_resolution)  # type: ignore[attr-defined]
        return []

    def _wait_outside(self, real: selectors.BaseSelector, sources: Mapping[object, str]) -> Any:
        began = _real.monotonic()
        events = real.select(LOOK_SECONDS)
        waited = _real.monotonic() - began
        self._in_the_way = {key: self._in_the_way.get(key, 0.0) + waited for key in sources}
        longest = max(self._in_the_way, key=lambda key: self._in_the_way[key])
        if not events and self._in_the_way[longest] >= self.clock.patience_seconds:
            others = [text for key, text in sources.items() if key is not longest]
            self.clock.go_real()
            if longest is self:
                raise VirtualTimeError(self._nothing_left())
            raise VirtualTimeError(_stuck(sources[longest], others, self.clock))
        return events

    def _nothing_left(self) -> str:
        tasks = ", ".join(sorted(f"{task.get_name()} in {_place(task)}" for task in asyncio.all_tasks(self)))
        return f"no timer, thread or socket is left that could wake the loop, and these tasks wait: {tasks or 'none'}"


class _JumpingSelector(selectors.BaseSelector):
    """A selector that asks the loop what to do instead of waiting."""

    def __init__(self, select: Callable[[selectors.BaseSelector, float | None], Any]) -> None:
        self._real = selectors.DefaultSelector()
        self._decide = select

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return list(self._decide(self._real, timeout))

    def close(self) -> None:
        self._real.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()


def _stuck(first: str, others: list[str], clock: VirtualClock) -> str:
    also = f"; also open: {', '.join(others)}" if others else ""
    return (
        f"virtual time has waited {clock.patience_seconds:g} s of real time for: {first}{also}. "
        f"End it before waiting for time, or run this test in real time"
    )


def _place(task: asyncio.Task[Any]) -> str:
    stack = task.get_stack(limit=1)
    if not stack:
        return "(no frame)"
    return f"{stack[0].f_code.co_qualname}, line {stack[0].f_lineno}"
