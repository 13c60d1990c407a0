"""The socket loop: what is sent and when, new connections, the end, and what it does when it is left."""

from __future__ import annotations

import asyncio
import gc
import json
import traceback
import weakref
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from typing import Any

import aiohttp
import pytest
from tests.streams.ears import ALL, FRAME_MS, KEY, Ears, Heard, ears, hear_all, listening, retrying, script

from lk_agents.foundation.errors import APIConnectionError, APIError, APIStatusError, APITimeoutError, StreamInputError
from lk_agents.testing import VirtualClock
from lk_agents.testing.vendor import Fault, FaultKind, VendorServer, VendorSocket

pytestmark = pytest.mark.usefixtures("lk_no_leaks")

SOON = 2.0


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON):
        while not condition():
            await asyncio.sleep(0.001)


async def test_input_goes_out_in_its_order_and_the_end_comes_last() -> None:
    async with VendorServer(script()) as vendor, ears(vendor) as stream:
        stream.push(0)
        stream.flush()
        stream.push(FRAME_MS)
        stream.end_input()
        found = [event.positions async for event in stream]

    assert [positions[0] for positions in found] == [0, FRAME_MS]
    assert [message if isinstance(message, str) else len(message) for message in vendor.journal[0].received] == [
        2 * FRAME_MS,
        '{"type": "Flush"}',
        2 * FRAME_MS,
        '{"type": "Flush"}',
        '{"type": "End"}',
    ]


async def test_what_an_item_does_not_make_a_message_of_is_not_sent() -> None:
    async with VendorServer(script()) as vendor, ears(vendor, encode=lambda item: []) as stream:
        stream.push(0)
        stream.end_input()
        assert [event async for event in stream] == []

    assert vendor.journal[0].received == ['{"type": "End"}']


async def test_the_last_event_ends_it_without_waiting_for_the_vendor_to_close() -> None:
    async def dawdling(peer: VendorSocket) -> None:
        async for message in peer:
            if isinstance(message, str) and json.loads(message) == {"type": "End"}:
                await peer.send({"type": "Done"})

    async with VendorServer(script(dawdling)) as vendor, ears(vendor, is_last=lambda event: event.is_last) as stream:
        stream.push(0)
        stream.end_input()
        assert [event.is_last async for event in stream] == [True]

    assert vendor.journal[0].frames[-1].is_close
    assert vendor.journal[0].frames[-1].sender == "client"


async def test_a_last_event_before_the_input_has_ended_is_an_event_like_others() -> None:
    async def early(peer: VendorSocket) -> None:
        await peer.send({"type": "Done"})
        await listening(peer)

    async with VendorServer(script(early)) as vendor, ears(vendor, is_last=lambda event: event.is_last) as stream:
        assert (await anext(stream)).is_last
        assert await hear_all(stream) == ALL


async def test_a_regular_close_before_the_last_event_is_a_broken_connection() -> None:
    async def leaving(peer: VendorSocket) -> None:
        async for message in peer:
            if message == '{"type": "End"}':
                return

    async def staying(peer: VendorSocket) -> None:
        await listening(peer)
        await peer.send({"type": "Done"})

    talks = script(leaving, staying, repeat=False)
    async with (
        VendorServer(talks) as vendor,
        ears(vendor, retrying(1), is_last=lambda event: event.is_last) as stream,
    ):
        stream.push(0)
        stream.end_input()
        events = [event async for event in stream]

    assert [event.is_last for event in events] == [False, True]
    assert len(vendor.journal) == 2


async def test_no_traceback_shows_the_key_among_its_variables() -> None:
    fault = Fault(kind=FaultKind.STATUS, status=401)
    async with VendorServer(script(), fault=fault) as vendor, ears(vendor) as stream:
        with pytest.raises(APIStatusError) as caught:
            await anext(stream)

    told = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "open_websocket" in told
    assert KEY not in told


async def test_a_vendor_that_never_closes_is_not_waited_for_long_though_it_may_be_silent_before() -> None:
    fault = Fault(kind=FaultKind.SLOW_CLOSE, seconds=30)
    async with (
        VendorServer(script(), fault=fault) as vendor,
        ears(vendor, idle_seconds=None, close_seconds=0.1) as stream,
    ):
        await until(lambda: len(vendor.journal) == 1)
        await asyncio.sleep(0.01)
        stream.end_input()
        with pytest.raises(APITimeoutError) as caught:
            await asyncio.wait_for(anext(stream), SOON)

    assert caught.value.phase == "close"


async def test_the_first_keep_alive_does_not_wait() -> None:
    alive = '{"type": "KeepAlive"}'
    async with VendorServer(script()) as vendor, ears(vendor, keep_alive=alive, keep_alive_seconds=60) as stream:
        await until(lambda: len(vendor.journal) == 1 and vendor.journal[0].received == [alive])
        stream.end_input()
        assert [event async for event in stream] == []


async def test_keep_alive_comes_before_the_audio_that_waits_already_and_never_after_the_end() -> None:
    async def dawdling(peer: VendorSocket) -> None:
        await listening(peer)
        await asyncio.sleep(0.1)

    alive, seconds = '{"type": "KeepAlive"}', 0.02
    async with (
        VendorServer(script(dawdling)) as vendor,
        ears(vendor, keep_alive=alive, keep_alive_seconds=seconds) as stream,
    ):
        for start in ALL[::FRAME_MS]:
            stream.push(start)
        stream.end_input()
        assert [position for event in [event async for event in stream] for position in event.positions] == ALL

    assert vendor.journal[0].received[0] == alive
    assert vendor.journal[0].received[-1] == '{"type": "End"}'


async def test_keep_alive_goes_out_again_and_again_even_without_input() -> None:
    seconds, alive = 0.02, '{"type": "KeepAlive"}'
    async with VendorServer(script()) as vendor, ears(vendor, keep_alive=alive, keep_alive_seconds=seconds) as stream:
        await until(lambda: len(vendor.journal) == 1 and len(vendor.journal[0].received) >= 4)
        stream.end_input()
        assert [event async for event in stream] == []

    times = [frame.at_seconds for frame in vendor.journal[0].frames if frame.data == alive]
    assert all(later - earlier >= seconds / 2 for earlier, later in pairwise(times))


async def changed_while(stream: Ears, vendor: VendorServer, frames: int, change: Callable[[], None]) -> list[int]:
    """Hear frames one by one, and change something when the second was heard."""
    stream.push(0)
    found: list[int] = []
    async for event in stream:
        found += event.positions
        number = len(found) // FRAME_MS
        if number == 2:
            change()
        if number == frames:
            stream.end_input()
        elif found[-1] == number * FRAME_MS - 1:
            stream.push(number * FRAME_MS)
    return found


async def test_a_change_of_options_opens_another_connection_and_loses_nothing() -> None:
    async with VendorServer(script()) as vendor, ears(vendor) as stream:
        found = await changed_while(stream, vendor, 5, lambda: stream.update(2))

    assert found == list(range(5 * FRAME_MS))
    assert [exchange.query for exchange in vendor.journal] == [[("version", "1")], [("version", "2")]]
    assert len(stream.attempts_began) == 1, "it is no failure"


async def test_changes_while_the_connection_is_being_made_end_with_the_last_one() -> None:
    fault = Fault(kind=FaultKind.SLOW_HEAD, seconds=0.05)
    async with VendorServer(script(), fault=fault) as vendor, ears(vendor) as stream:
        for start in (0, FRAME_MS, 2 * FRAME_MS):
            stream.push(start)
        await until(lambda: len(vendor.journal) == 1)
        stream.update(2)
        stream.update(3)
        stream.end_input()
        found = [position for event in [event async for event in stream] for position in event.positions]

    assert found == ALL
    assert [exchange.query for exchange in vendor.journal] == [[("version", "1")], [("version", "3")]]


async def test_what_was_queued_during_a_change_is_sent_on_the_new_connection() -> None:
    async with VendorServer(script()) as vendor, ears(vendor) as stream:
        stream.push(0)
        assert (await anext(stream)).positions[0] == 0
        stream.update(2)
        for number in range(1, 4):
            stream.push(number * FRAME_MS)
        stream.end_input()
        found = [position for event in [event async for event in stream] for position in event.positions]

    assert found == list(range(FRAME_MS, 4 * FRAME_MS))
    assert len(vendor.journal[1].received_bytes) == 3 * FRAME_MS * 2


async def test_times_after_a_change_lie_on_the_axis_of_the_stream() -> None:
    times: list[float] = []
    async with VendorServer(script()) as vendor, ears(vendor) as stream:
        stream.push(0)
        axis = stream._input_ch.axis
        times.append(axis.to_stream((await anext(stream)).end_seconds))
        stream.update(2)
        stream.push(FRAME_MS)
        stream.end_input()
        times += [axis.to_stream(event.end_seconds) async for event in stream]

    assert len(vendor.journal) == 2
    assert times == pytest.approx([FRAME_MS / 1000, 2 * FRAME_MS / 1000])


async def test_a_vendor_that_stops_reading_is_given_up() -> None:
    options: dict[str, Any] = {"encode": lambda item: [bytes(1 << 20)] * 20, "timeout": 0.2}
    fault = Fault(kind=FaultKind.HALF_OPEN)
    async with VendorServer(script(), fault=fault) as vendor, ears(vendor, **options) as stream:
        stream.push(0)
        with pytest.raises(APITimeoutError, match=r"took nothing for 0\.2 s") as caught:
            await anext(stream)

    assert caught.value.phase == "send"


async def test_a_vendor_that_waits_long_after_the_end_is_waited_for_as_long_as_it_goes_on() -> None:
    async def slow(peer: VendorSocket) -> None:
        async for message in peer:
            if isinstance(message, str) and json.loads(message) == {"type": "End"}:
                break
        for number in range(5):
            await asyncio.sleep(0.05)
            await peer.send({"type": "Heard", "positions": [number], "end": 0.001})

    async with VendorServer(script(slow)) as vendor, ears(vendor, close_seconds=0.2) as stream:
        stream.end_input()
        assert [event.positions for event in [event async for event in stream]] == [(0,), (1,), (2,), (3,), (4,)]


async def test_an_error_message_of_the_vendor_is_an_error_with_its_code() -> None:
    async def complaining(peer: VendorSocket) -> None:
        await peer.send({"type": "Error", "code": "NO_AUDIO"})
        async for _ in peer:
            pass

    async with VendorServer(script(complaining)) as vendor, ears(vendor, retrying(2)) as stream:
        with pytest.raises(APIStatusError, match="the vendor says no") as caught:
            await anext(stream)

    assert (caught.value.code, caught.value.phase, caught.value.attempts) == ("NO_AUDIO", "receive", 1)


async def test_a_defect_of_the_codec_is_no_error_of_the_vendor() -> None:
    def broken(message: bytes | str) -> list[Heard]:
        return [Heard(json.loads(message)["nothing"], 0.0)]

    async with VendorServer(script()) as vendor, ears(vendor, retrying(2), decode=broken) as stream:
        stream.push(0)
        with pytest.raises(KeyError):
            await anext(stream)

    assert len(vendor.journal) == 1


async def test_a_vendor_that_closes_while_much_is_being_sent_gives_its_reason() -> None:
    async def refusing(peer: VendorSocket) -> None:
        await peer.receive()
        await peer.close(4008, "too much")

    async with VendorServer(script(refusing)) as vendor, ears(vendor) as stream:
        with suppress(StreamInputError):  # it has ended by then
            for number in range(200):
                stream.push(number * FRAME_MS)
                await asyncio.sleep(0)
        with pytest.raises(APIConnectionError, match="code 4008, reason too much") as caught:
            await anext(stream)

    assert caught.value.code == 4008


async def test_a_reader_that_is_slow_slows_the_vendor_down_and_loses_nothing() -> None:
    async def talkative(peer: VendorSocket) -> None:
        for number in range(1500):
            await peer.send({"type": "Heard", "positions": [number], "end": 0.001})
        await listening(peer)

    async with VendorServer(script(talkative)) as vendor, ears(vendor) as stream:
        await until(lambda: stream._event_ch.qsize() == 1000)
        await asyncio.sleep(0.02)
        assert stream._event_ch.qsize() == 1000
        stream.end_input()
        assert [event.positions[0] async for event in stream] == list(range(1500))


@pytest.mark.parametrize("moment", ["connecting", "talking", "closing"])
async def test_closing_the_stream_at_any_moment_leaves_nothing_open(moment: str) -> None:
    faults = {
        "connecting": Fault(kind=FaultKind.SILENT),
        "talking": Fault(kind=FaultKind.STALL),
        "closing": Fault(kind=FaultKind.SLOW_CLOSE, seconds=30),
    }
    async with VendorServer(script(), fault=faults[moment]) as vendor, ears(vendor) as stream:
        stream.push(0)
        if moment == "closing":
            stream.end_input()
            await anext(stream)
        await until(lambda: len(vendor.journal) == 1)
        await asyncio.sleep(0.02)
        async with asyncio.timeout(SOON):
            await stream.aclose()
        assert [event async for event in stream] == []


async def test_closing_the_stream_while_its_last_connection_is_being_closed_leaves_nothing_open() -> None:
    def done(event: Heard) -> bool:
        return True

    fault = Fault(kind=FaultKind.SLOW_CLOSE, seconds=30)
    async with VendorServer(script(), fault=fault) as vendor, ears(vendor, is_last=done) as stream:
        stream.push(0)
        stream.end_input()
        await anext(stream)
        await until(lambda: any(task.get_name() == "lk-wire-close" for task in asyncio.all_tasks()))
        await stream.aclose()
        assert not any(task.get_name().startswith("lk-wire") for task in asyncio.all_tasks())


async def test_nothing_of_a_stream_is_kept_after_its_end() -> None:
    async with VendorServer(script()) as vendor, aiohttp.ClientSession() as session:
        stream = Ears(session, vendor.url)
        assert await hear_all(stream) == ALL
        gone = weakref.ref(stream)
        await stream.aclose()
        del stream
        gc.collect()
        assert gone() is None


async def test_an_error_that_is_raised_by_connect_is_retried_like_all_others() -> None:
    calls: list[int] = []

    async with VendorServer(script()) as vendor, ears(vendor, retrying(2)) as stream:
        connect = stream._connect

        async def failing_once() -> aiohttp.ClientWebSocketResponse:
            calls.append(len(calls))
            if len(calls) == 1:
                raise APIError("no token yet")
            return await connect()

        stream._connect = failing_once  # type: ignore[method-assign]
        assert await hear_all(stream) == ALL

    assert calls == [0, 1]


class Deaf:
    """A socket that takes everything and never says anything, without any network: for virtual time."""

    closed = False
    close_code = None

    def __init__(self) -> None:
        self.sent: list[str] = []

    async def send_str(self, message: str) -> None:
        self.sent.append(message)

    async def receive(self) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        self.closed = True


async def test_the_input_may_end_in_the_very_moment_in_which_patience_ends(lk_clock: VirtualClock) -> None:
    socket = Deaf()

    async def connect() -> Any:
        return socket

    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession() as session:
        stream = Ears(session, "nowhere", connect=connect, idle_seconds=1.0)
        loop.call_at(1.0, stream.end_input)
        with pytest.raises(APITimeoutError):
            await anext(stream)

    assert lk_clock.monotonic() == 1.0
    assert socket.closed
    assert socket.sent[-1:] in ([], ['{"type": "End"}'])
