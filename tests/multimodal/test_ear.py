"""What the model is given to hear: whole, in order, in time, and no more than is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from livekit import rtc

from lk_agents.media.inputs import AudioInputs
from lk_agents.multimodal.ear import ModelEar
from lk_agents.testing import VirtualClock
from lk_agents.testing.audio import MemoryAudioIn

RATE = 16_000
pytestmark = pytest.mark.usefixtures("lk_no_leaks", "lk_clock")


class Bench:
    """An ear, what it hears, and what it has given."""

    def __init__(self) -> None:
        self.given: list[int] = []
        self.ear = ModelEar(self._take, sample_rate=RATE)
        self.inputs = AudioInputs()
        self.voice = MemoryAudioIn(sample_rate=RATE)
        self.inputs.switch(self.voice)
        self.task = asyncio.create_task(self.ear.run(self.inputs))

    def speak(self, first: int, last: int) -> None:
        """Let frames of 20 ms be heard from now on, each with samples of its number."""
        self.voice.feed(
            rtc.AudioFrame(number.to_bytes(2, "little") * 320, RATE, 1, 320) for number in range(first, last + 1)
        )

    async def aclose(self) -> None:
        await self.inputs.aclose()
        await asyncio.wait([self.task])

    def _take(self, frame: rtc.AudioFrame) -> None:
        assert frame.samples_per_channel == 320
        self.given.append(int.from_bytes(frame.data.cast("B")[:2], "little"))


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    await bench.aclose()


async def test_what_is_heard_is_given_at_once_and_in_order(bench: Bench) -> None:
    bench.ear.open()
    bench.speak(1, 10)
    await asyncio.sleep(0.11)
    assert bench.given == [1, 2, 3, 4, 5]

    await asyncio.sleep(0.1)
    assert bench.given == list(range(1, 11))


async def test_of_what_was_said_before_it_is_opened_the_last_second_is_given(bench: Bench) -> None:
    bench.speak(1, 100)
    await asyncio.sleep(2.01)
    assert bench.given == []

    bench.ear.open()

    assert bench.given == list(range(51, 101))
    assert bench.ear.dropped_seconds == pytest.approx(1.0)


async def test_ten_seconds_are_kept_for_a_model_that_takes_none(bench: Bench) -> None:
    bench.ear.open()
    bench.ear.hold()
    bench.speak(1, 600)
    await asyncio.sleep(12.0)

    bench.ear.open_again()

    assert bench.given == list(range(101, 601))
    assert bench.ear.dropped_seconds == pytest.approx(2.0)


async def test_a_model_that_lost_the_connection_hears_the_last_half_second_again(bench: Bench) -> None:
    bench.ear.open()
    bench.speak(1, 150)
    await asyncio.sleep(2.01)
    bench.ear.hold()
    await asyncio.sleep(0.5)
    bench.given.clear()

    bench.ear.open_again()

    assert bench.given == list(range(76, 126))
    bench.ear.open_again()
    assert len(bench.given) == 50


async def test_it_hears_again_what_the_user_had_begun_to_say(bench: Bench) -> None:
    bench.ear.open()
    bench.speak(1, 150)
    await asyncio.sleep(1.01)
    bench.ear.speech_started()
    await asyncio.sleep(1.0)
    bench.ear.hold()
    bench.given.clear()

    bench.ear.open_again()

    assert bench.given == list(range(26, 101))


async def test_no_more_than_ten_seconds_are_heard_again(bench: Bench) -> None:
    bench.ear.open()
    bench.speak(1, 1_000)
    bench.ear.speech_started()
    await asyncio.sleep(15.0)
    bench.ear.hold()
    bench.given.clear()

    bench.ear.open_again()

    assert bench.given == list(range(251, 751))


async def test_where_the_user_was_speaking_and_no_frame_comes_silence_is_given(bench: Bench) -> None:
    bench.ear.open()
    bench.speak(1, 50)
    await asyncio.sleep(1.0)
    bench.ear.speech_started()
    await asyncio.sleep(1.0)

    silence = bench.given[50:]
    assert set(silence) == {0}
    assert len(silence) * 0.02 == pytest.approx(1.0, abs=0.15)
    bench.ear.speech_stopped()
    await asyncio.sleep(0.2)
    bench.given.clear()
    await asyncio.sleep(2.0)
    assert bench.given == []


async def test_where_nobody_was_speaking_nothing_is_made_up(bench: Bench) -> None:
    bench.ear.open()
    bench.speak(1, 50)
    await asyncio.sleep(3.0)

    assert bench.given == list(range(1, 51))


async def test_a_gap_is_not_filled_for_ever(bench: Bench) -> None:
    bench.ear.open()
    bench.ear.speech_started()
    await asyncio.sleep(100.0)

    assert len(bench.given) * 0.02 == pytest.approx(30.0, abs=0.2)


async def test_it_is_known_when_a_sample_was_spoken(bench: Bench, lk_clock: VirtualClock) -> None:
    await asyncio.sleep(5.0)
    bench.ear.open()
    bench.speak(1, 100)
    await asyncio.sleep(2.0)

    assert bench.ear.spoken_at(1.25) == pytest.approx(6.25)
    assert bench.ear.spoken_at(99.0) == pytest.approx(lk_clock.monotonic())


async def test_one_voice_after_the_other_is_heard(bench: Bench) -> None:
    bench.ear.open()
    bench.speak(1, 5)
    await asyncio.sleep(0.1)
    bench.voice = MemoryAudioIn(sample_rate=RATE)
    bench.inputs.switch(bench.voice)
    bench.speak(6, 10)
    await asyncio.sleep(0.1)

    assert bench.given == list(range(1, 11))


async def test_an_input_that_fails_counts_as_ended(bench: Bench) -> None:
    class Broken(MemoryAudioIn):
        async def __anext__(self) -> rtc.AudioFrame:
            raise OSError("the device is gone")

    bench.ear.open()
    bench.inputs.switch(Broken(sample_rate=RATE))
    await asyncio.sleep(0.1)
    bench.voice = MemoryAudioIn(sample_rate=RATE)
    bench.inputs.switch(bench.voice)
    bench.speak(1, 5)
    await asyncio.sleep(0.1)

    assert bench.given == [1, 2, 3, 4, 5]


async def test_what_the_model_raises_ends_the_hearing_with_the_plain_error() -> None:
    def refuse(frame: rtc.AudioFrame) -> None:
        raise RuntimeError("no audio, please")

    ear = ModelEar(refuse, sample_rate=RATE)
    ear.open()
    inputs = AudioInputs()
    voice = MemoryAudioIn(sample_rate=RATE)
    inputs.switch(voice)
    voice.feed([rtc.AudioFrame(bytes(640), RATE, 1, 320)])

    with pytest.raises(RuntimeError, match="no audio, please"):
        await ear.run(inputs)
    await inputs.aclose()
