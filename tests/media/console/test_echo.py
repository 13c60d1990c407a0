"""The agent's own voice is taken out of what the microphone hears; the user's is not."""

from __future__ import annotations

import array
import math
import random

from lk_agents.media.console import EchoCanceller

RATE = 24_000
DELAY_SECONDS = 0.04
LATENCY = {"output": 0.03, "input": 0.01}


def noise(seconds: float, rate: int, seed: int) -> list[int]:
    """Return something like speech: noise whose loudness changes."""
    chance = random.Random(seed)
    return [int(chance.gauss(0, 3_000) * (0.2 + abs(math.sin(4 * n / rate)))) for n in range(int(seconds * rate))]


def power(samples: list[int]) -> float:
    return sum(sample * sample for sample in samples) / len(samples)


def run(agent: list[int], user: list[int]) -> tuple[list[int], list[int]]:
    """Return what the microphone hears, and what is left of it; both of the second half."""
    echo = EchoCanceller()
    heard: list[int] = []
    left: list[int] = []
    for block in range(len(agent) // (RATE // 100)):
        far = array.array("h", agent[block * 240 : (block + 1) * 240])
        echo.played(far.tobytes(), sample_rate=RATE, num_channels=1, latency_seconds=LATENCY["output"])
        near = []
        for n in range(block * 160, (block + 1) * 160):
            source = int((n / 16_000 - DELAY_SECONDS) * RATE)
            near.append((agent[source] // 2 if source >= 0 else 0) + user[n])
        result = echo.heard(array.array("h", near).tobytes(), latency_seconds=LATENCY["input"])
        heard += near
        left += memoryview(result).cast("h")
    half = len(heard) // 2
    return heard[half:], left[half:]


def test_an_echo_is_reduced_to_a_hundredth() -> None:
    heard, left = run(noise(4.0, RATE, seed=1), [0] * 64_000)

    assert power(left) < power(heard) / 100


def test_the_user_is_still_heard_when_the_agent_is_silent() -> None:
    heard, left = run([0] * RATE * 4, [int(4_000 * math.sin(n / 9) * math.sin(n / 4_000)) for n in range(64_000)])

    assert power(left) > power(heard) / 10
