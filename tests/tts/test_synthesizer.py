"""What every synthesizer has, and what importing the package costs."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Literal

import pytest
from tests.tts.speakers import Speaker

import lk_agents.tts
from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.tts import TTS, ChunkedStream, TTSCapabilities


class Chatty(TTS[Literal["voice_changed"]]):
    def __init__(self, *, sample_rate: int = 24_000, num_channels: int = 1) -> None:
        super().__init__(
            capabilities=TTSCapabilities(streaming=False), sample_rate=sample_rate, num_channels=num_channels
        )

    def synthesize(self, text: str, *, conn_options: APIConnectOptions | None = None) -> ChunkedStream:
        raise NotImplementedError


async def test_a_synthesizer_tells_its_label_format_and_capabilities() -> None:
    tts = Chatty()

    assert tts.label == f"{Chatty.__module__}.Chatty"
    assert (tts.sample_rate, tts.num_channels) == (24_000, 1)
    assert (tts.capabilities.streaming, tts.capabilities.aligned_words) == (False, False)
    tts.prewarm()


async def test_one_that_does_not_stream_says_what_to_do() -> None:
    with pytest.raises(NotImplementedError, match="StreamAdapter"):
        Chatty().stream()


@pytest.mark.parametrize("format_", [{"sample_rate": 0}, {"num_channels": 0}])
def test_a_format_that_cannot_be_is_refused(format_: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        Chatty(**format_)


def test_its_own_events_can_be_listened_to() -> None:
    tts, changes = Chatty(), list[str]()
    tts.on("voice_changed", changes.append)
    tts.emit("voice_changed", "alto")

    assert changes == ["alto"]


async def test_leaving_the_block_closes_it() -> None:
    tts = Speaker()
    async with tts:
        assert tts.closed == 0

    assert tts.closed == 1


def test_every_public_name_can_be_had() -> None:
    assert all(getattr(lk_agents.tts, name) is not None for name in lk_agents.tts.__all__)
    assert set(dir(lk_agents.tts)) == set(lk_agents.tts.__all__)


def test_importing_the_names_loads_no_media_library() -> None:
    code = (
        "import json, sys, lk_agents.tts as tts\n[getattr(tts, name) for name in tts.__all__]\n"
        "print(json.dumps([n for n in ('livekit.rtc', 'numpy', 'aiohttp', 'av', 'lk_agents.stt') if n in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert json.loads(done.stdout) == []
