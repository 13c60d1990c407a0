"""Finds what is left behind: tasks, threads, sockets and other descriptors, HTTP sessions, native handles.

::

    async with no_leaks():
        stream = stt.stream()
        …
        await stream.aclose()

In tests, ask for the fixture ``lk_no_leaks`` instead. Both tell what is left and where it was made.
"""

from __future__ import annotations

import asyncio
import gc
import os
import re
import socket
import stat
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, Final, NamedTuple, TypeAlias

from lk_agents.foundation.clock import SystemClock
from lk_agents.foundation.errors import LkAgentsError

__all__ = ["LeakError", "no_leaks"]

PATIENCE_SECONDS: Final = 0.5
STEP_SECONDS: Final = 0.005
SHOWN_FRAMES: Final = 3
DESCRIPTORS: Final = Path("/proc/self/fd")
OTHERS_CODE: Final = (str(Path(os.__file__).parent) + os.sep, __file__, "<frozen")
"""Beginnings of the files that act for whoever calls them: the standard library and this file."""
THIRD_PARTY: Final = f"{os.sep}site-packages{os.sep}"
SPARED_THREADS: Final = re.compile(r"asyncio_\d+$|pytest_timeout|lk_server")
"""Of the loop's own pool, which ends with the loop; of pytest, and of the server that all tests share."""

_real: Final = SystemClock()

Places: TypeAlias = weakref.WeakKeyDictionary[Any, str]


class Descriptor(NamedTuple):
    """What a descriptor stands for."""

    device: int
    inode: int
    mode: int

    @property
    def may_be_native(self) -> bool:
        """Whether it is of the kinds that the media SDK opens for itself: its sockets and what it waits with."""
        return stat.S_ISSOCK(self.mode) or stat.S_IFMT(self.mode) == 0


class LeakError(LkAgentsError, AssertionError):
    """Something is left behind; the text says what, and where it was made."""


class Left(NamedTuple):
    """One thing that is left; a descriptor without a name has its number."""

    kind: str
    text: str
    number: int | None = None


@asynccontextmanager
async def no_leaks(*, patience_seconds: float = PATIENCE_SECONDS) -> AsyncIterator[None]:
    """Fail if the block leaves behind what was not there before.

    Looked for are tasks of the running loop, threads, open descriptors (where there is ``/proc/self/fd``), HTTP
    sessions of aiohttp that are not closed, and native handles of the media SDK, whose own descriptors do not count;
    nor do the threads of the loop's own pool. A block that ends by an error is not looked at.

    :param patience_seconds: how long what is about to end may take; real seconds.
    :raises LeakError: something is left.
    """
    before = _Snapshot()
    with _recorded(before):
        yield
        loop = asyncio.get_running_loop()
        deadline, loop_end = _real.monotonic() + patience_seconds, loop.time() + patience_seconds
        while (left := before.left()) and _real.monotonic() < deadline and loop.time() < loop_end:  # noqa: ASYNC110
            # Whatever is outside of the loop takes real time, for which a virtual clock would stand still.
            await asyncio.sleep(STEP_SECONDS if all(each.kind == "task" for each in left) else 0)
        if left:
            raise LeakError(await _report(left))


class _Snapshot:
    """What there was at one moment; and of what has come since, where it was made."""

    def __init__(self) -> None:
        self.places: Places = weakref.WeakKeyDictionary()
        self.sessions: list[Any] = []
        self._loop = asyncio.get_running_loop()
        self._tasks = weakref.WeakSet(asyncio.all_tasks(self._loop))
        self._threads = set(threading.enumerate())
        self._descriptors = _descriptors()
        self._handles = weakref.WeakSet(_handles())

    def left(self) -> list[Left]:
        """Return everything that is new and still there."""
        return [
            *self._new_tasks(),
            *self._new_threads(),
            *self._new_descriptors(),
            *self._open_sessions(),
            *self._new_handles(),
        ]

    def _new_tasks(self) -> Iterator[Left]:
        for task in asyncio.all_tasks(self._loop) - set(self._tasks) - {asyncio.current_task()}:
            yield Left("task", f"task {task.get_name()!r}, which waits in {_waits_in(task)}{self._made_at(task)}")

    def _new_threads(self) -> Iterator[Left]:
        for thread in set(threading.enumerate()) - self._threads:
            if not SPARED_THREADS.match(thread.name) and not isinstance(thread, threading._DummyThread):  # noqa: SLF001
                yield Left("thread", f"thread {thread.name!r}{self._made_at(thread)}")

    def _new_descriptors(self) -> Iterator[Left]:
        sockets = {each.fileno(): each for each in list(self.places) if isinstance(each, socket.socket)}
        for number, identity in _descriptors().items():
            if self._descriptors.get(number) == identity:
                continue
            if (known := sockets.get(number)) is not None:
                yield Left("descriptor", f"socket {_addresses(known)}{self._made_at(known)}")
            elif not (identity.may_be_native and _sdk_runs()):
                yield Left("descriptor", f"descriptor {number}", number)

    def _open_sessions(self) -> Iterator[Left]:
        for session in self.sessions:
            if not session.closed:
                yield Left("session", f"HTTP session that was not closed{self._made_at(session)}")

    def _new_handles(self) -> Iterator[Left]:
        if all(handle in self._handles for handle in _handles()):
            return
        gc.collect()  # the SDK's objects refer to each other, and nobody has to dispose of them
        if new := [repr(handle) for handle in _handles() if handle not in self._handles]:
            yield Left("handle", f"{len(new)} native handles of the media SDK: {', '.join(sorted(new))}")

    def _made_at(self, thing: Any) -> str:
        place = self.places.get(thing)
        return "" if place is None else f", made at {place}"


@contextmanager
def _recorded(snapshot: _Snapshot) -> Iterator[None]:
    """Note the place where each task, thread, socket and HTTP session is made."""
    import aiohttp

    places = snapshot.places

    def note_session(session: Any) -> None:
        places[session] = _place()
        snapshot.sessions.append(session)  # held, lest it is collected before anybody has looked

    def note(thing: Any) -> None:
        places[thing] = _place()

    with ExitStack() as stack:
        stack.enter_context(_noted(threading.Thread, "start", note))
        stack.enter_context(_noted(socket.socket, "__init__", note))
        stack.enter_context(_noted(aiohttp.ClientSession, "__init__", note_session))
        stack.enter_context(_noted_tasks(note))
        yield


@contextmanager
def _noted(owner: type, method: str, note: Callable[[Any], None]) -> Iterator[None]:
    original = getattr(owner, method)

    def noting(self: Any, *args: Any, **kwargs: Any) -> Any:
        note(self)
        return original(self, *args, **kwargs)

    setattr(owner, method, noting)
    try:
        yield
    finally:
        setattr(owner, method, original)


@contextmanager
def _noted_tasks(note: Callable[[Any], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    original = loop.get_task_factory()

    def noting(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> Any:
        task = asyncio.Task(coro, loop=loop, **options) if original is None else original(loop, coro, **options)
        note(task)
        return task

    loop.set_task_factory(noting)
    try:
        yield
    finally:
        loop.set_task_factory(original)


def _place() -> str:
    """Return where in whose code this happens, the innermost place first."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001
    found: list[str] = []
    innermost = ""
    while frame is not None and len(found) < SHOWN_FRAMES:
        code = frame.f_code
        text = f"{code.co_filename}:{frame.f_lineno} in {code.co_qualname}"
        if code.co_filename != __file__:
            innermost = innermost or text
            if not code.co_filename.startswith(OTHERS_CODE) and THIRD_PARTY not in code.co_filename:
                found.append(text)
        frame = frame.f_back
    return " ← ".join(found or [innermost])


def _waits_in(task: asyncio.Task[Any]) -> str:
    """Return where in its own code a task stands, outermost and innermost."""
    stack = task.get_stack()
    if not stack:
        return "no code of its own"
    return " → ".join(f"{frame.f_code.co_qualname}, line {frame.f_lineno}" for frame in (stack[0], *stack[1:][-1:]))


def _descriptors() -> dict[int, Descriptor]:
    """Return by number what is open; empty where the system does not tell."""
    found: dict[int, Descriptor] = {}
    if not DESCRIPTORS.exists():
        return found
    with os.scandir(DESCRIPTORS) as entries:
        numbers = [int(entry.name) for entry in entries]
    for number in numbers:
        with suppress(OSError):  # the listing's own, which is closed by now
            status = os.fstat(number)
            found[number] = Descriptor(status.st_dev, status.st_ino, status.st_mode)
    return found


def _sdk_runs() -> bool:
    """Tell whether the media SDK has begun, which opens descriptors that it keeps."""
    module = sys.modules.get("livekit.rtc._ffi_client")
    return module is not None and getattr(module.FfiClient, "_instance", None) is not None


def _handles() -> Iterable[Any]:
    """Return the SDK's native handles that are alive; none where it is not loaded."""
    module = sys.modules.get("livekit.rtc._ffi_client")
    if module is None:
        return []
    alive = getattr(module, "_live_handles", None)
    if alive is None:  # an older SDK does not keep them
        alive = [each for each in gc.get_objects() if isinstance(each, module.FfiHandle)]
    return [handle for handle in list(alive) if not handle.disposed]


def _addresses(known: socket.socket) -> str:
    if known.family not in {socket.AF_INET, socket.AF_INET6}:
        return f"{known.fileno()} ({known.family.name})"
    ends = []
    for end in (known.getsockname, known.getpeername):
        with suppress(OSError):
            ends.append(":".join(map(str, end()[:2])))
    return " → ".join(ends)


async def _report(left: list[Left]) -> str:
    lines = ["left behind:"]
    for each in left:
        name = "" if each.number is None else await asyncio.to_thread(_name_of, each.number)
        lines.append(f"- {each.text}{name}")
    return "\n".join(lines)


def _name_of(number: int) -> str:
    try:
        return f" ({(DESCRIPTORS / str(number)).readlink()})"
    except OSError:
        return " (closed by now)"
