"""The channel between tasks."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_agents.testing import VirtualClock
from lk_agents.utils import aio
from lk_agents.utils.aio.channel import ChanEmpty, ChanFull


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_is_sent_is_received_in_order() -> None:
    chan = aio.Chan[int]()
    for number in range(3):
        chan.send_nowait(number)
    await chan.send(3)

    assert chan.qsize() == 4
    assert [await chan.recv() for _ in range(4)] == [0, 1, 2, 3]
    assert chan.empty()


async def test_receiving_without_waiting_tells_an_empty_channel_from_a_closed_one() -> None:
    chan = aio.Chan[int]()
    with pytest.raises(ChanEmpty):
        chan.recv_nowait()
    chan.send_nowait(1)
    chan.close()

    assert chan.recv_nowait() == 1
    with pytest.raises(aio.ChanClosed):
        chan.recv_nowait()


async def test_what_is_inside_can_be_received_after_closing() -> None:
    chan = aio.Chan[str]()
    chan.send_nowait("a")
    chan.send_nowait("b")
    chan.close()

    assert [value async for value in chan] == ["a", "b"]
    with pytest.raises(aio.ChanClosed):
        await chan.recv()


async def test_a_closed_channel_takes_nothing_more() -> None:
    chan = aio.Chan[int]()
    chan.close()

    assert chan.closed
    with pytest.raises(aio.ChanClosed):
        chan.send_nowait(1)
    with pytest.raises(aio.ChanClosed):
        await chan.send(1)


async def test_a_full_and_closed_channel_says_that_it_is_closed() -> None:
    chan = aio.Chan[int](maxsize=1)
    chan.send_nowait(1)
    chan.close()

    with pytest.raises(aio.ChanClosed):
        chan.send_nowait(2)


async def test_a_full_channel_refuses_without_waiting_and_takes_again_after_a_receive() -> None:
    chan = aio.Chan[int](maxsize=2)
    chan.send_nowait(1)
    chan.send_nowait(2)

    assert chan.full()
    with pytest.raises(ChanFull):
        chan.send_nowait(3)
    await chan.recv()
    chan.send_nowait(3)


@pytest.mark.parametrize("maxsize", [0, -1])
async def test_a_channel_without_a_size_is_never_full(maxsize: int) -> None:
    chan = aio.Chan[int](maxsize)
    for number in range(1000):
        chan.send_nowait(number)

    assert not chan.full()


async def test_a_sender_waits_for_room() -> None:
    chan = aio.Chan[int](maxsize=1)
    chan.send_nowait(1)
    sending = asyncio.create_task(chan.send(2))
    await settle()
    assert not sending.done()

    assert await chan.recv() == 1
    await sending
    assert await chan.recv() == 2


async def test_closing_wakes_a_waiting_sender_whose_value_is_not_taken() -> None:
    chan = aio.Chan[int](maxsize=1)
    chan.send_nowait(1)
    sending = asyncio.create_task(chan.send(2))
    await settle()
    chan.close()
    chan.close()

    with pytest.raises(aio.ChanClosed):
        await sending
    assert [value async for value in chan] == [1]


async def test_closing_wakes_all_waiting_receivers() -> None:
    chan = aio.Chan[int]()
    waiting = [asyncio.create_task(chan.recv()) for _ in range(3)]
    await settle()
    chan.send_nowait(7)
    chan.close()
    results = await asyncio.gather(*waiting, return_exceptions=True)

    assert [result for result in results if not isinstance(result, aio.ChanClosed)] == [7]


async def test_waiting_receivers_are_served_in_order() -> None:
    chan = aio.Chan[str]()
    waiting = [asyncio.create_task(chan.recv()) for _ in range(3)]
    await settle()
    for value in "abc":
        chan.send_nowait(value)

    assert await asyncio.gather(*waiting) == ["a", "b", "c"]


async def test_a_receiver_cancelled_while_it_waits_takes_nothing() -> None:
    chan = aio.Chan[int]()
    waiting = asyncio.create_task(chan.recv())
    await settle()
    await aio.gracefully_cancel(waiting)
    chan.send_nowait(1)

    assert await chan.recv() == 1


async def test_a_receiver_cancelled_just_after_it_was_woken_hands_on_its_turn() -> None:
    chan = aio.Chan[int]()
    first, second = asyncio.create_task(chan.recv()), asyncio.create_task(chan.recv())
    await settle()
    chan.send_nowait(1)
    first.cancel()  # it has been woken, and has not run yet

    assert await second == 1
    await aio.gracefully_cancel(first)
    assert first.cancelled()


async def test_a_sender_cancelled_just_after_it_was_woken_hands_on_its_turn() -> None:
    chan = aio.Chan[str](maxsize=1)
    chan.send_nowait("a")
    first, second = asyncio.create_task(chan.send("b")), asyncio.create_task(chan.send("c"))
    await settle()
    chan.recv_nowait()
    first.cancel()

    await second
    await aio.gracefully_cancel(first)
    assert chan.recv_nowait() == "c"
    assert chan.empty()


async def test_a_receive_that_times_out_loses_nothing(lk_clock: VirtualClock) -> None:
    chan = aio.Chan[int]()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(chan.recv(), 1.0)
    chan.send_nowait(1)

    assert await asyncio.wait_for(chan.recv(), 1.0) == 1


def test_a_channel_can_be_made_without_a_loop() -> None:
    assert aio.Chan[int](3).qsize() == 0


def test_its_halves_are_protocols() -> None:
    async def pump(source: aio.ChanReceiver[int], sink: aio.ChanSender[int]) -> None:
        await sink.send(await source.recv())

    async def run() -> int:
        source, sink = aio.Chan[int](), aio.Chan[int]()
        source.send_nowait(5)
        await pump(source, sink)
        return sink.recv_nowait()

    assert asyncio.run(run()) == 5


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(0, 3)),
        st.tuples(st.just("recv"), st.integers(0, 3)),
        st.tuples(st.just("cancel"), st.integers(0, 20)),
        st.tuples(st.just("run"), st.just(0)),
    ),
    max_size=40,
)


@given(maxsize=st.integers(0, 3), actions=ACTIONS)
def test_nothing_is_lost_doubled_or_stuck_whatever_is_cancelled(maxsize: int, actions: list[tuple[str, int]]) -> None:
    asyncio.run(_play(maxsize, actions))


async def _play(maxsize: int, actions: list[tuple[str, int]]) -> None:
    chan = aio.Chan[int](maxsize)
    sends: dict[asyncio.Task[Any], int] = {}
    receives: list[asyncio.Task[int]] = []
    number = 0
    for action, amount in actions:
        if action == "send":
            for _ in range(amount):
                sends[asyncio.create_task(chan.send(number))] = number
                number += 1
        elif action == "recv":
            receives += [asyncio.create_task(chan.recv()) for _ in range(amount)]
        elif action == "cancel":
            tasks = [task for task in [*sends, *receives] if not task.done()]
            if tasks:
                tasks[amount % len(tasks)].cancel()
        else:
            await settle()
    for _ in range(2 * len(actions) + 10):
        await settle()
    waiting_to_send = [task for task in sends if not task.done()]
    waiting_to_receive = [task for task in receives if not task.done()]
    assert not (waiting_to_send and not chan.full()), "a sender waits although there is room"
    assert not (waiting_to_receive and not chan.empty()), "a receiver waits although there is a value"

    received = [task.result() for task in receives if task.done() and not task.cancelled()]
    while not chan.empty():
        received.append(chan.recv_nowait())
        await settle()
    sent = [value for task, value in sends.items() if task.done() and not task.cancelled()]
    assert sorted(received) == sorted(sent)
    chan.close()
    await asyncio.gather(*sends, *receives, return_exceptions=True)
