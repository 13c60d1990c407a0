"""Five minutes of conversation by the kit, in virtual time: what it takes in real time."""

from __future__ import annotations

import importlib
import time
from typing import Any

from benchmarks.speech.dialects import Dialect

__all__ = ["run"]


def run(_: Dialect) -> dict[str, float]:
    script: Any = importlib.import_module("tests.conversation.test_five_minutes")
    began = time.perf_counter()
    call = script.talk()
    took = time.perf_counter() - began
    events = [event for _, event, _ in call.log]
    return {
        "seconds": took,
        "lasted": call.log[-1][0] / 1000,
        "understood": events.count("understood"),
        "answered": events.count("agent is silent"),
        "interrupted": events.count("agent was interrupted"),
        "wanted_understood": len(script.QUESTIONS) + 1,
    }
