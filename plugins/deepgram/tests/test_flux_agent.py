"""An agent that takes turns as Flux says: one whole conversation, in real time, over a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from deepgram_bench import KEY
from deepgram_flux_fake import FLUX_PATH, FluxManner, flux_ear, flux_script

from lk_agents.foundation.errors import ConfigError
from lk_agents.testing.providers import Heard
from lk_agents.testing.session import ScriptedCall
from lk_agents.testing.vendor import VendorServer
from lk_agents.turns import Decision, Evidence, create_turn_detector
from lk_agents_deepgram import FluxTurnDetector, STTv2

QUESTION = Heard("where is my parcel", 0.3, 1.1)
HESITATING = (Heard("I would like", 0.3, 1.0), Heard("a table for two", 2.4, 3.2))


@asynccontextmanager
async def called(
    *script: Heard, manner: FluxManner | None = None, judged: bool = False, **options: Any
) -> AsyncIterator[ScriptedCall]:
    """Hold a call in which the agent listens through Flux."""
    async with (
        VendorServer(flux_script(flux_ear(script, manner), key=KEY)) as vendor,
        STTv2(api_key=KEY, base_url=vendor.url + FLUX_PATH) as stt,
    ):
        detector = create_turn_detector("deepgram-flux", stt=stt) if judged else None
        call = ScriptedCall(script, ["It is on its way."], stt=stt, turn_detector=detector, **options)
        call.start()
        try:
            yield call
        finally:
            await call.aclose()


@pytest.mark.e2e
async def test_an_agent_answers_when_flux_says_that_the_turn_has_ended() -> None:
    """Long before the delay is over after which it would answer by itself."""
    async with called(QUESTION, min_endpointing_delay=5.0) as call:
        await call.until(3.0)

        assert call.said() == ["where is my parcel"]
        (started,) = call.at("agent_started_speaking")
        assert QUESTION.end < started < QUESTION.end + 1.5


@pytest.mark.e2e
async def test_without_a_word_of_flux_the_agent_waits_no_longer_than_its_own_limits() -> None:
    options: dict[str, Any] = {"min_endpointing_delay": 0.3, "transcript_timeout": 0.4}
    async with called(*HESITATING, manner=FluxManner(end_seconds=2.0), **options) as call:
        await call.until(2.3)

        assert call.at("agent_started_speaking")  # into the pause


@pytest.mark.e2e
async def test_with_flux_as_its_turn_detector_an_agent_lets_the_user_finish() -> None:
    options: dict[str, Any] = {"min_endpointing_delay": 0.3, "transcript_timeout": 0.4, "max_endpointing_delay": 5.0}
    async with called(*HESITATING, manner=FluxManner(end_seconds=2.0), judged=True, **options) as call:
        await call.until(3.2)
        assert call.at("agent_started_speaking") == []
        await call.until(6.5)

        assert call.said() == ["I would like a table for two"]
        (started,) = call.at("agent_started_speaking")
        assert HESITATING[1].end + 1.5 < started < HESITATING[1].end + 3.0


async def test_the_detector_says_wait_as_long_as_a_turn_is_open() -> None:
    recogniser: Any = SimpleNamespace(turn_is_open=True)
    detector = FluxTurnDetector(recogniser)

    assert await detector.judge(Evidence(turn=1)) is Decision.WAIT
    recogniser.turn_is_open = False
    assert await detector.judge(Evidence(turn=1)) is Decision.ACT
    assert detector.supports_language("de")


@pytest.mark.parametrize("stt", [None, "deepgram-flux", object()])
def test_a_recogniser_that_knows_no_turns_is_refused(stt: Any) -> None:
    with pytest.raises(ConfigError, match="knows no turns"):
        FluxTurnDetector(stt)
