"""What a zygote imports before it forks, and the proof that it may still fork afterwards.

A thread does not survive a fork, and a socket would be shared by all children: a module whose import opens one is
found out, and the zygote starts again without it.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.log import logger
from lk_agents.hooks.invoke import collect
from lk_agents.ipc.memory import mapped_files, release_untouched
from lk_agents.ipc.program import Program

__all__ = [
    "BASE_MODULES",
    "USER_MODULE",
    "WEIGHTS_HOOK",
    "Preloaded",
    "RefusedModuleError",
    "freeze",
    "import_missing",
    "open_things",
    "preload",
    "refuse_new",
    "require_unused_media_sdk",
]

MEDIA_SDK: Final = "livekit.rtc"
BASE_MODULES: Final = (
    "aiohttp",
    "livekit.api",
    MEDIA_SDK,
    "lk_agents.ipc.child_process",
    "lk_agents.job.context",
    "lk_agents.utils.http_context",
)
"""What every job needs: imported once, shared by all."""
WEIGHTS_HOOK: Final = "lk_agents_preload_weights"
USER_MODULE: Final = "__main__"


class RefusedModuleError(ConfigError):
    """Importing a module opened a thread or socket.

    :param module: which one.
    :param opened: what it opened, in words.
    """

    def __init__(self, module: str, opened: str) -> None:
        super().__init__(f"importing {module} opened {opened}; it is imported in each process instead")
        self.module = module
        self.opened = opened


@dataclass
class Preloaded:
    """What came of it."""

    native_threads: list[str] = field(default_factory=list)
    failed_imports: dict[str, str] = field(default_factory=dict)
    modules: list[str] = field(default_factory=list)


def preload(program: Program, *, without: Iterable[str] = ()) -> Preloaded:
    """Import the modules that every job needs and those that plugins name, then have plugins load their weights.

    :param without: modules that were refused before.
    :raises RefusedModuleError: a module opened a Python thread or a socket.
    """
    left_out = frozenset(without)
    report = Preloaded(modules=_named(program))
    for module in dict.fromkeys((*BASE_MODULES, *report.modules)):
        if module not in left_out and module not in sys.modules:
            _import_watched(module, report)
    if MEDIA_SDK in sys.modules:
        before = open_things()
        _map_media_library()
        refuse_new(MEDIA_SDK, before)
    before = open_things()
    collect(program.registry, WEIGHTS_HOOK)
    refuse_new(WEIGHTS_HOOK, before)
    return report


def import_missing(program: Program) -> None:
    """Import in this process what plugins name and no zygote could import before the fork."""
    if not program.has_plugins:
        return
    for module in _named(program) if program.modules is None else program.modules:
        if module not in sys.modules:
            try:
                importlib.import_module(module)
            except Exception as error:  # noqa: BLE001  another's module: it is named, and the process starts without it
                fields = {"module_name": module, "error": f"{type(error).__name__}: {error}"}
                logger.warning("a module named for preloading cannot be imported", extra=fields)


def _named(program: Program) -> list[str]:
    return [str(result.value) for result in collect(program.registry, "lk_agents_preload_modules")]


def _import_watched(module: str, report: Preloaded) -> None:
    before, native_before = open_things(), _native_threads()
    try:
        importlib.import_module(module)
    except Exception as error:  # noqa: BLE001  another's module: it is named, and imported in each child instead
        report.failed_imports[module] = f"{type(error).__name__}: {error}"
    refuse_new(module, before)
    if _native_threads() > native_before:
        report.native_threads.append(module)


def refuse_new(name: str, before: tuple[frozenset[threading.Thread], frozenset[str]]) -> None:
    """Refuse what has been loaded since ``before`` (:func:`open_things`) if it opened a thread or socket.

    :raises RefusedModuleError: it did.
    """
    threads, sockets = open_things()
    if new := threads - before[0]:
        raise RefusedModuleError(name, "a thread (" + ", ".join(sorted(thread.name for thread in new)) + ")")
    if sockets - before[1]:
        raise RefusedModuleError(name, "a socket")


def open_things() -> tuple[frozenset[threading.Thread], frozenset[str]]:
    """Return the Python threads and sockets of this process."""
    sockets = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the folder's own descriptor is gone again
            target = str(entry.readlink())
            if target.startswith("socket:"):
                sockets.add(target)
    return frozenset(threading.enumerate()), frozenset(sockets)


def _native_threads() -> int:
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def _map_media_library() -> None:
    """Have the media SDK's native library mapped and relocated once, for all: 0.8 MB and 8 ms of every job.

    Mapping it starts no thread and opens nothing (a test looks); it is first called in a child.
    """
    try:
        from livekit.rtc._ffi_client import get_ffi_lib

        release_untouched([os.path.realpath(get_ffi_lib()._name)])  # noqa: SLF001, PTH  ctypes' own name for the path
    except Exception as error:  # noqa: BLE001  whatever it is, a job that needs the library is told
        logger.debug("the media library is not mapped before the fork", extra={"error": str(error)})


def require_unused_media_sdk() -> None:
    """Make sure that the media SDK was imported at most: its native threads would be missing after a fork.

    :raises ConfigError: something at module level used it.
    """
    ffi = sys.modules.get("livekit.rtc._ffi_client")
    if ffi is not None and ffi.FfiClient._instance is not None:  # noqa: SLF001  it offers no other way to tell
        raise ConfigError(
            "the media SDK (livekit.rtc) is already in use in the process that job processes are forked from; create "
            "rooms, audio sources, streams and resamplers in the entrypoint or in prewarm, not at module level"
        )


def share_memory() -> None:
    """Load in a worker's main process what its zygote needs anyway, and keep the garbage collector off it.

    Both halves of a fork share a page until one writes to it: a zygote that imports much, or one full collection in
    the worker, would end the sharing (measured: 75 MB for a worker, its zygote and three warm processes, against 92).
    """
    for module in BASE_MODULES:
        before = mapped_files() if module == MEDIA_SDK else set()
        importlib.import_module(module)
        if module == MEDIA_SDK:  # the worker has it for its children's sake: 4 MB of libraries that it never calls
            release_untouched(mapped_files() - before)
    gc.freeze()


def freeze() -> None:
    """Move all objects out of the garbage collector's sight, so that no child writes to the pages they are on.

    Nothing is collected before: garbage lies on pages that all share, while what the collector frees are holes on them
    that each child fills with its own (measured: 3.13 MB of private memory for an idle child, against 3.46).
    """
    gc.disable()
    gc.freeze()
