"""What native code may take for itself, and what it gives back."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.ipc.heaps import HAS_HEAPS, THREADS
from tests.ipc.pools import job, processes

from lk_agents.ipc.native import give_back_memory
from lk_agents.ipc.zygote import zygotes_work_here

pytestmark = pytest.mark.skipif(not HAS_HEAPS, reason="only the GNU C library has heaps, and tells of them")

ROOT = Path(__file__).parents[2]
CHUNK = 64 * 1024  # less, and more of them: what is larger has a mapping of its own, which is given back at once
CHUNKS = 1000


def heaps_of_a_program(*arguments: str, **given: str) -> int:
    environment = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.ipc.heaps", *arguments],
        cwd=ROOT,
        env={**environment, **given},
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.parametrize(
    ("given", "heaps"),
    [({}, 2), ({"MALLOC_ARENA_MAX": ""}, 2), ({"MALLOC_ARENA_MAX": "4"}, 4), ({"MALLOC_ARENA_MAX": "1"}, 1)],
    ids=["by default", "an empty number", "more, as the user wants", "less, as the user wants"],
)
def test_threads_share_two_heaps_or_as_many_as_the_user_says(given: dict[str, str], heaps: int) -> None:
    assert heaps_of_a_program("limited", **given) == heaps


def test_without_a_limit_each_thread_has_a_heap() -> None:
    assert heaps_of_a_program() > THREADS


def test_what_was_freed_in_the_middle_of_a_heap_is_given_back() -> None:
    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p
    chunks = [library.malloc(ctypes.c_size_t(CHUNK)) for _ in range(CHUNKS)]
    for address in chunks:
        ctypes.memset(address, 1, CHUNK)
    last = chunks.pop()  # what lies above keeps the C library from giving the rest back by itself
    for address in chunks:
        library.free(ctypes.c_void_p(address))
    before = _resident_bytes()

    give_back_memory()

    library.free(ctypes.c_void_p(last))
    assert before - _resident_bytes() > CHUNK * CHUNKS / 2


@pytest.mark.e2e
@pytest.mark.timeout(40)
@pytest.mark.skipif(not zygotes_work_here(), reason="zygotes need Linux 5.4 or newer")
@pytest.mark.parametrize("users", [None, "3"])
async def test_a_job_has_the_limits_and_the_users_own_where_there_are(
    users: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TOKIO_WORKER_THREADS", "MALLOC_ARENA_MAX"):
        monkeypatch.delenv(name, raising=False)
        if users is not None:
            monkeypatch.setenv(name, users)
    async with processes() as (bench, _):
        report = await bench.run(job("tell_limits"))

    assert json.loads(report.outcome.reason) == {
        "runtime_threads": users or str(min(2, os.cpu_count() or 1)),
        "heaps": int(users or 2),
    }


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
