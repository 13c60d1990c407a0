"""Helpers for asyncio; those that not every process needs are loaded when they are first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lk_agents.utils.aio import debug
from lk_agents.utils.aio.tasks import TaskSet, cancel_and_wait, gracefully_cancel

if TYPE_CHECKING:
    from lk_agents.utils.aio import channel, duplex_unix, itertools
    from lk_agents.utils.aio.channel import Chan, ChanClosed, ChanReceiver, ChanSender
    from lk_agents.utils.aio.timers import Interval, Sleep, SleepFinished, interval, sleep

__all__ = [
    "Chan",
    "ChanClosed",
    "ChanReceiver",
    "ChanSender",
    "Interval",
    "Sleep",
    "SleepFinished",
    "TaskSet",
    "cancel_and_wait",
    "channel",
    "debug",
    "duplex_unix",
    "gracefully_cancel",
    "interval",
    "itertools",
    "sleep",
]

_NAMES = {
    "channel": ("Chan", "ChanClosed", "ChanReceiver", "ChanSender"),
    "timers": ("Interval", "Sleep", "SleepFinished", "interval", "sleep"),
}


def __getattr__(name: str) -> Any:
    from lk_agents.foundation.lazy import load_name

    return load_name(__name__, name, _NAMES, submodules=("channel", "duplex_unix", "itertools"))


def __dir__() -> list[str]:
    return sorted(__all__)
