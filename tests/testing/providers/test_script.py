"""Things that go wrong in scripted providers, and scripts that must be used up."""

from __future__ import annotations

import asyncio

import pytest

from lk_agents.foundation.errors import APIConnectionError, APIStatusError
from lk_agents.testing import VirtualClock
from lk_agents.testing.providers import Break, BreakKind
from lk_agents.testing.providers.script import Breaks


async def test_a_break_strikes_once_it_is_reached() -> None:
    attempt = Breaks([Break(at=2.0)]).attempt()

    assert await attempt.pass_(1.9) is None
    with pytest.raises(APIConnectionError):
        await attempt.pass_(2.0)


async def test_a_break_strikes_each_attempt_once_and_as_often_as_it_says() -> None:
    breaks = Breaks([Break(at=1.0, times=2)])

    for _ in range(2):
        attempt = breaks.attempt()
        with pytest.raises(APIConnectionError):
            await attempt.pass_(5.0)
        assert await attempt.pass_(6.0) is None
    assert await breaks.attempt().pass_(5.0) is None


async def test_an_error_that_is_made_is_another_one_each_time() -> None:
    breaks = Breaks([Break(error=lambda: APIStatusError("no", status_code=401), times=2)])
    raised = []

    for _ in range(2):
        with pytest.raises(APIStatusError) as caught:
            await breaks.attempt().pass_(0.0)
        raised.append(caught.value)

    assert raised[0] is not raised[1]


@pytest.mark.parametrize("kind", [BreakKind.END, BreakKind.EMPTY])
async def test_what_the_provider_has_to_play_is_returned(kind: BreakKind) -> None:
    found = await Breaks([Break(kind=kind)]).attempt().pass_(0.0)

    assert found is not None
    assert found.kind is kind


async def test_a_stall_lasts_for_ever(lk_clock: VirtualClock) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1000):
            await Breaks([Break(kind=BreakKind.STALL)]).attempt().pass_(0.0)


async def test_a_break_that_has_not_struck_is_told() -> None:
    breaks = Breaks([Break(at=1.0), Break(at=2.0)])

    with pytest.raises(APIConnectionError):
        await breaks.attempt().pass_(1.5)

    assert len(breaks.unused()) == 1
    assert "at=2.0" in breaks.unused()[0]


async def test_attempts_are_counted() -> None:
    breaks = Breaks([])

    breaks.attempt()
    breaks.attempt()

    assert breaks.attempts == 2
