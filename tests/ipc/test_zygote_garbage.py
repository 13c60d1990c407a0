"""A zygote that cannot be understood is of no use, and is replaced as a dead one is."""

from __future__ import annotations

import asyncio
import socket
import subprocess

import pytest

from lk_agents.ipc.messages import FromZygote
from lk_agents.ipc.zygote import Zygote, zygotes_work_here

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not zygotes_work_here(), reason="zygotes need Linux 5.4 or newer"),
]


async def test_garbage_of_a_zygote_is_told_and_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[FromZygote] = []
    ended = asyncio.Event()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = await asyncio.to_thread(subprocess.Popen, ["sleep", "1000"])
    zygote = Zygote(ours, process.pid, process)
    zygote.watch(lambda message, _: heard.append(message), ended.set)
    with theirs:
        theirs.send(b"\x2a")
        async with asyncio.timeout(10):
            await ended.wait()

    assert process.returncode == -9
    assert heard == []
    (record,) = [record for record in caplog.records if record.message == "zygote failed"]
    assert "zygote to worker: " in vars(record)["error"]
