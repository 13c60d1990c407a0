"""The worker's end of a child process, against a socket instead of a process."""

from __future__ import annotations

import asyncio
import os

from lk_agents.ipc.child_handle import ChildEnds, ProcessHandle
from lk_agents.ipc.codec import frame
from lk_agents.ipc.messages import FromChild, Initialize, Ready, encode


class Sink:
    """Writes down what a handle tells."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def message(self, executor_id: int, message: FromChild) -> None:
        self.told.append(message)

    def channel_lost(self, executor_id: int, error: str) -> None:
        self.told.append(f"lost {error}".strip())

    def exited(self, executor_id: int, code: int | None, how: str) -> None:
        self.told.append(how)


async def opened() -> tuple[ProcessHandle, Sink, ChildEnds]:
    """Return a handle with open channels, its sink, and the child's ends."""
    sink = Sink()
    handle = ProcessHandle(Initialize(executor_id=1, worker_pid=1, beat_seconds=1, shutdown_seconds=1), sink)
    return handle, sink, await handle.open()


async def settle() -> None:
    """Let the loop read what is there."""
    for _ in range(10):
        await asyncio.sleep(0.001)


async def test_what_a_child_says_before_its_birth_is_known_is_told_afterwards() -> None:
    handle, sink, ends = await opened()
    ends.channel.sendall(frame(encode(Ready())))
    await settle()
    assert sink.told == []

    handle.born(os.getpid())
    assert sink.told == [Ready()]

    ends.close()
    handle.died(0)
    await settle()
    handle.release()
    assert sink.told[-1] == "exited with code 0"


async def test_all_that_was_written_is_read_before_the_exit_is_told() -> None:
    handle, sink, ends = await opened()
    handle.born(os.getpid())
    for _ in range(100):
        ends.side.sendall(frame(encode(Ready())))
    ends.close()
    handle.died(-9)
    assert sink.told == []
    await settle()

    assert sink.told.count(Ready()) == 100
    assert sink.told[-1] == "killed by SIGKILL, perhaps out of memory"
    handle.release()


async def test_somebody_else_who_holds_the_channel_delays_the_exit_by_a_second_at_most() -> None:
    handle, sink, ends = await opened()
    handle.born(os.getpid())
    handle.died(3)
    await settle()
    assert sink.told == []
    await asyncio.sleep(1.1)

    assert sink.told == ["exited with code 3"]
    handle.release()
    ends.close()


async def test_garbage_from_a_child_is_the_end_of_its_channel_and_says_what_it_was() -> None:
    handle, sink, ends = await opened()
    handle.born(os.getpid())
    ends.channel.sendall(frame(b"\x2a"))
    await settle()

    assert sink.told == ["lost child to worker: Expected `object`, got `int` (a int, 1 bytes)"]
    ends.close()
    handle.died(0)
    await settle()
    handle.release()


async def test_garbage_on_the_side_channel_is_the_end_of_both_channels() -> None:
    handle, sink, ends = await opened()
    handle.born(os.getpid())
    ends.side.sendall(frame(b"\x2a"))
    await settle()

    assert sink.told[0] == "lost child to worker: Expected `object`, got `int` (a int, 1 bytes)"
    assert ends.channel.recv(1) == b""  # so that the child ends its job by itself
    ends.close()
    handle.died(0)
    await settle()
    handle.release()


async def test_a_process_that_could_not_be_had_is_told_of_with_the_reason() -> None:
    handle, sink, ends = await opened()
    handle.failed("no more processes")
    ends.close()
    await settle()

    assert sink.told == ["no more processes"]
    handle.release()
