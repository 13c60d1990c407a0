"""Public helpers by subject; each is loaded when it is first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents.utils import aio, http_context, hw
    from lk_agents.utils.events import EventEmitter
    from lk_agents.utils.misc import MovingAverage, is_given, shortuuid, time_ms

__all__ = ["EventEmitter", "MovingAverage", "aio", "http_context", "hw", "is_given", "shortuuid", "time_ms"]

_NAMES = {
    "events": ("EventEmitter",),
    "misc": ("MovingAverage", "is_given", "shortuuid", "time_ms"),
}


def __getattr__(name: str) -> Any:
    from lk_agents.foundation.lazy import load_name

    return load_name(__name__, name, _NAMES, submodules=("aio", "http_context", "hw"))


def __dir__() -> list[str]:
    return sorted(__all__)
