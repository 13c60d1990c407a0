"""Memory of a process by PSS: its own pages, and its share of those it has in common with others.

RSS would count what a forked process shares with its zygote once per process. PSS is Linux's (``smaps_rollup``);
elsewhere there is none.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

__all__ = ["mapped_files", "own_pss_kb", "private_kb", "pss_kb", "read_small", "release_untouched", "write_small"]

_SMALL_BYTES: Final = 4096
_MADV_DONTNEED: Final = 4


def pss_kb(pid: int | str) -> int:
    """Return the process's PSS in KiB, -1 where it cannot be had. Reads ``/proc``: 1 ms and more, so off the loop."""
    return _rollup(pid, (b"Pss:",))


def private_kb(pid: int | str) -> int:
    """Return the memory in KiB that would be free if the process ended (USS), -1 where it cannot be had."""
    return _rollup(pid, (b"Private_Clean:", b"Private_Dirty:"))


def own_pss_kb() -> int:
    """Return the PSS of this process in KiB, -1 where it cannot be had."""
    return pss_kb("self")


def _rollup(pid: int | str, keys: tuple[bytes, ...]) -> int:
    lines = read_small(f"/proc/{pid}/smaps_rollup").split(b"\n")
    found = [int(line.split()[1]) for line in lines if line.startswith(keys)]
    return sum(found) if found else -1


def mapped_files() -> set[str]:
    """Return the files that this process has mapped; empty where the system does not tell."""
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    return {fields[5] for line in lines if len(fields := line.split(maxsplit=5)) == 6 and fields[5].startswith("/")}


def release_untouched(paths: Collection[str]) -> None:
    """Let go of the pages of mapped libraries that nobody has written to: needed to load them, perhaps never again.

    Whoever needs one gets it from the kernel's cache of the file. An area of which even one page is no longer the
    file's, because relocations were written to it, is left alone.
    """
    area = ""
    for line in Path("/proc/self/smaps").read_text(encoding="utf-8", errors="replace").splitlines():
        first, *rest = line.split(maxsplit=5)
        if first == "Anonymous:" and rest[0] == "0" and area:
            start, end = (int(address, 16) for address in area.split("-"))
            ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _MADV_DONTNEED)
        elif not first.endswith(":"):
            area = first if rest[-1] in paths and "w" not in rest[0] else ""


def read_small(path: str) -> bytes:
    """Return the first 4 KiB of a file of the kernel's, empty if it cannot be read.

    By the system calls themselves: each Python function that a warm process runs for the first time costs it a page.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(descriptor, _SMALL_BYTES)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def write_small(path: str, data: bytes) -> bool:
    """Write a setting to a file of the kernel's; False where there is none or it is not allowed."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(descriptor, data)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
