"""The media SDK's native library is mapped before the fork: that opens nothing, and every process can use it."""

from __future__ import annotations

import array
import asyncio
import json
import sys

import pytest
from tests.ipc.conftest import ROOT

from lk_agents.ipc.zygote import zygotes_work_here

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(120),
    pytest.mark.skipif(not zygotes_work_here(), reason="zygotes need Linux 5.4 or newer"),
]

FORKS = 50
DITHER = 2
"""The resampler adds noise of one bit, which begins otherwise in each second."""


def samples(text: str) -> array.array[int]:
    return array.array("h", bytes.fromhex(text))


async def test_fifty_processes_forked_with_the_library_mapped_use_it_and_get_the_same() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.ipc.resample_in_forks", str(FORKS)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(100):
        output, _ = await process.communicate()
    assert process.returncode == 0
    seen = json.loads(output)

    assert seen["mapped"]
    assert seen["opened"] == [[], []]
    alone = samples(seen["alone"])
    assert len(alone) > 1000
    assert len(seen["forked"]) == FORKS
    for forked in map(samples, seen["forked"]):
        assert len(forked) == len(alone)
        assert max(abs(one - other) for one, other in zip(forked, alone, strict=True)) <= DITHER
