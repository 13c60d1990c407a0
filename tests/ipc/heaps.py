"""Counts the heaps that the C library has in this process. As a program: prints how many; ``limited``, as in a job."""

from __future__ import annotations

import ctypes
import platform
import sys
import tempfile
import threading
from pathlib import Path

from lk_agents.ipc.native import limit_heaps

HAS_HEAPS = platform.libc_ver()[0] == "glibc"
THREADS = 6
SIZE = 1000


def heaps_of_threads(count: int = THREADS) -> int:
    """Let so many threads take memory at the same time, and return how many heaps there are then."""
    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p
    taken, told = threading.Barrier(count + 1), threading.Event()

    def take() -> None:
        address = library.malloc(ctypes.c_size_t(SIZE))
        taken.wait(10)
        told.wait(10)
        library.free(ctypes.c_void_p(address))

    threads = [threading.Thread(target=take) for _ in range(count)]
    for thread in threads:
        thread.start()
    taken.wait(10)
    heaps = _heaps(library)
    told.set()
    for thread in threads:
        thread.join()
    return heaps


def _heaps(library: ctypes.CDLL) -> int:
    library.fopen.restype = ctypes.c_void_p
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "heaps.xml"
        file = ctypes.c_void_p(library.fopen(str(path).encode(), b"w"))
        assert library.malloc_info(0, file) == 0
        library.fclose(file)
        return path.read_text().count("<heap ")


if __name__ == "__main__":
    if "limited" in sys.argv:
        limit_heaps()
    print(heaps_of_threads())
