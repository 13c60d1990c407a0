"""Several recognisers as one: what the adapter is, and how it recognises recordings."""

from __future__ import annotations

import asyncio
import math

import pytest
from tests.stt.detecting import LoudnessVAD
from tests.stt.hearing import ONCE, HearingSTT, RecordingSTT, broken, changes_of, frame, metrics_of

from lk_agents.foundation.errors import APIConnectionError, APITimeoutError, ConfigError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.stt import FallbackAdapter
from lk_agents.testing import VirtualClock

pytestmark = pytest.mark.usefixtures("lk_clock")


def over(*members: RecordingSTT, attempt_timeout: float = 10.0, retries: int = 0) -> FallbackAdapter:
    return FallbackAdapter(list(members), vad=LoudnessVAD(), attempt_timeout=attempt_timeout, max_retry_per_stt=retries)


async def test_without_members_there_is_no_adapter() -> None:
    with pytest.raises(ValueError, match="at least one"):
        FallbackAdapter([])


async def test_a_member_that_does_not_listen_needs_a_detector_and_is_named() -> None:
    with pytest.raises(ConfigError, match=r"tests\.stt\.hearing\.RecordingSTT does not listen"):
        FallbackAdapter([HearingSTT(), RecordingSTT()])

    assert FallbackAdapter([HearingSTT(), RecordingSTT()], vad=LoudnessVAD()).capabilities.streaming


@pytest.mark.parametrize(
    "numbers",
    [
        *({"attempt_timeout": value} for value in (0, -1, math.nan, math.inf)),
        {"max_retry_per_stt": -1},
        {"retry_interval": -0.1},
    ],
    ids=str,
)
async def test_numbers_that_make_no_sense_are_refused(numbers: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        FallbackAdapter([HearingSTT()], **numbers)  # type: ignore[arg-type]


async def test_the_adapter_can_do_what_all_its_members_can() -> None:
    all_can = FallbackAdapter([HearingSTT(with_words=True), HearingSTT(with_words=True)]).capabilities
    one_cannot = FallbackAdapter([HearingSTT(with_words=True), HearingSTT(interim_results=False)]).capabilities

    assert (all_can.streaming, all_can.interim_results, all_can.aligned_words) == (True, True, True)
    assert (one_cannot.streaming, one_cannot.interim_results, one_cannot.aligned_words) == (True, False, False)
    assert FallbackAdapter([HearingSTT()]).label == "lk_agents.stt.fallback.FallbackAdapter"


async def test_options_that_it_cannot_hand_on_are_refused() -> None:
    with pytest.raises(TypeError):
        FallbackAdapter([HearingSTT()]).stream(keywords=["lk"])  # type: ignore[call-arg]


async def test_the_first_member_that_works_answers_with_the_adapters_options() -> None:
    first, second = RecordingSTT("one"), RecordingSTT("two")
    async with over(first, second, attempt_timeout=4, retries=2) as adapter:
        event = await adapter.recognize(frame(1), language="de", conn_options=APIConnectOptions(max_retry=9))

    assert event.alternatives[0].text == "one"
    assert first.calls[0][1:] == ("de", APIConnectOptions(max_retry=2, timeout=4, retry_interval=5))
    assert not second.calls


async def test_when_one_fails_the_next_answers_and_one_change_is_told() -> None:
    first, second = RecordingSTT(broken()), RecordingSTT("two")
    async with over(first, second) as adapter:
        changes = changes_of(adapter)

        events = [await adapter.recognize(frame(1)) for _ in range(2)]

        assert [event.alternatives[0].text for event in events] == ["two", "two"]
        assert changes == [(first, False)]
        assert len(first.calls) == 1  # it is unavailable, so the second call has not asked it


async def test_any_error_whatever_it_is_moves_on() -> None:
    async with over(RecordingSTT(KeyError("a defect")), RecordingSTT("two")) as adapter:
        assert (await adapter.recognize(frame(1))).alternatives[0].text == "two"


async def test_when_all_fail_that_is_the_error_with_the_last_one_as_its_cause() -> None:
    first, second = RecordingSTT(broken()), RecordingSTT("two")
    async with over(first, second) as adapter:
        changes = changes_of(adapter)
        await adapter.recognize(frame(1))
        last = broken()
        second.answers = [last]

        with pytest.raises(APIConnectionError, match="all members failed") as caught:
            await adapter.recognize(frame(1))

        assert caught.value.__cause__ is last
        assert changes == [(first, False), (second, False)]


async def test_a_member_that_was_repaired_comes_back_within_a_second_without_any_call() -> None:
    first, second = RecordingSTT(broken()), RecordingSTT(broken())
    async with over(first, second) as adapter:
        changes = changes_of(adapter)
        with pytest.raises(APIConnectionError):
            await adapter.recognize(frame(1))
        await asyncio.sleep(0.1)
        changes.clear()
        second.answers = ["repaired"]

        await asyncio.sleep(1)

        assert changes == [(second, True)]
        assert (await adapter.recognize(frame(1))).alternatives[0].text == "repaired"
        assert changes == [(second, True)]


async def test_members_behind_the_one_that_answered_are_left_alone() -> None:
    first, second, third = RecordingSTT(broken()), RecordingSTT("two"), RecordingSTT("three")
    async with over(first, second, third) as adapter:
        await adapter.recognize(frame(1))
        await asyncio.sleep(5)

        assert not third.calls


async def test_if_nobody_is_available_all_are_tried() -> None:
    first, second = RecordingSTT(broken()), RecordingSTT(broken())
    async with over(first, second) as adapter:
        for _ in range(2):
            with pytest.raises(APIConnectionError):
                await adapter.recognize(frame(1))
            first.answers = second.answers = [broken()]

        assert len(first.calls) >= 2
        assert len(second.calls) >= 2


async def test_a_member_that_is_alive_but_slow_is_given_up_after_the_attempt_timeout(lk_clock: VirtualClock) -> None:
    first, second = RecordingSTT(0.5), RecordingSTT(0.5)
    async with over(first, second, attempt_timeout=0.1) as adapter:
        changes = changes_of(adapter)

        with pytest.raises(APIConnectionError) as caught:
            await adapter.recognize(frame(1))

        assert isinstance(caught.value.__cause__, APITimeoutError)
        assert lk_clock.monotonic() == pytest.approx(0.2)
        assert changes == [(first, False), (second, False)]
        await asyncio.sleep(1)
        assert len(first.calls) > 1  # tried in the background
        assert len(second.calls) > 1


async def test_a_members_own_retries_count_against_the_attempt_timeout(lk_clock: VirtualClock) -> None:
    async with over(RecordingSTT(broken()), RecordingSTT("two"), attempt_timeout=2, retries=9) as adapter:
        assert (await adapter.recognize(frame(1))).alternatives[0].text == "two"
        assert lk_clock.monotonic() == pytest.approx(2)


async def test_the_adapter_tries_once_by_default_and_each_member_as_often_as_it_is_set() -> None:
    member = RecordingSTT(broken())
    async with over(member, retries=1) as adapter:
        with pytest.raises(APIConnectionError):
            await adapter.recognize(frame(1))

        assert len(member.calls) == 2


async def test_the_members_metrics_are_handed_on_and_none_of_its_own() -> None:
    first, second = RecordingSTT(broken()), RecordingSTT("two")
    adapter = over(first, second)
    metrics, theirs = metrics_of(adapter), metrics_of(second)

    async with adapter:
        await adapter.recognize(frame(1))
    assert metrics == theirs
    assert len(metrics) == 1

    await second.recognize(frame(1))
    assert len(metrics) == 1  # the adapter is closed


async def test_a_timeout_of_the_callers_is_the_callers() -> None:
    member = RecordingSTT(5.0)
    async with over(member) as adapter:
        changes = changes_of(adapter)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(adapter.recognize(frame(1)), 1)

        assert changes == []


async def test_closing_ends_what_is_tried_in_the_background_and_leaves_the_members_open() -> None:
    first = RecordingSTT(broken())
    async with over(first) as adapter:
        with pytest.raises(APIConnectionError):
            await adapter.recognize(frame(1))
    asked = len(first.calls)

    await asyncio.sleep(60)

    assert len(first.calls) == asked


async def test_preparing_the_adapter_prepares_all_members_and_the_detector() -> None:
    class Prepared(HearingSTT):
        warm = False

        def prewarm(self) -> None:
            self.warm = True

    first, vad = Prepared(), LoudnessVAD()

    FallbackAdapter([first, RecordingSTT()], vad=vad).prewarm()

    assert first.warm
    assert vad.warm


async def test_adapters_nest() -> None:
    inner = FallbackAdapter([HearingSTT(), HearingSTT()])
    recordings = over(RecordingSTT(broken()), RecordingSTT("inner"))
    async with inner, recordings, FallbackAdapter([recordings, inner]) as outer:
        metrics = metrics_of(outer)
        event = await outer.recognize(frame(1), conn_options=ONCE)

    assert event.alternatives[0].text == "inner"
    assert len(metrics) == 1
