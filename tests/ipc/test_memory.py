"""What a process lets go of, and what it must not."""

from __future__ import annotations

import ctypes
import mmap
import sys
from pathlib import Path

import pytest

from lk_agents.ipc.memory import mapped_files, release_untouched

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells what is mapped")

PAGES = 4
PROT_READ = 1


def _mapped(path: Path, *, written: bool) -> mmap.mmap:
    """Map the file as a loader does: private, perhaps with relocations written to it, and then read-only."""
    path.write_bytes(b"f" * mmap.PAGESIZE * PAGES)
    with path.open("rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    assert mapping[0] == ord("f")
    if written:
        mapping[mmap.PAGESIZE] = ord("r")
    address = ctypes.addressof(ctypes.c_char.from_buffer(mapping))
    assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(address), ctypes.c_size_t(len(mapping)), PROT_READ) == 0
    return mapping


def _resident_kb(path: Path) -> int:
    kb, here = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        first, *rest = line.split(maxsplit=5)
        if not first.endswith(":"):
            here = rest[-1] == str(path)
        elif here and first == "Rss:":
            kb += int(rest[0])
    return kb


def test_pages_that_nobody_has_written_to_are_let_go_and_can_still_be_read(tmp_path: Path) -> None:
    path = tmp_path / "library"
    mapping = _mapped(path, written=False)
    assert str(path) in mapped_files()
    assert _resident_kb(path) > 0

    release_untouched([str(path)])

    assert _resident_kb(path) == 0
    assert mapping[:] == path.read_bytes()


def test_an_area_with_relocations_keeps_them(tmp_path: Path) -> None:
    path = tmp_path / "library"
    mapping = _mapped(path, written=True)

    release_untouched([str(path)])

    assert _resident_kb(path) > 0
    assert mapping[mmap.PAGESIZE] == ord("r")
