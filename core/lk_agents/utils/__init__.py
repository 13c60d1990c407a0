"""Public helpers by subject; each is loaded when it is first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents.utils import aio, http_context, hw
    from lk_agents.utils.events import EventEmitter
    from lk_agents.utils.misc import MovingAverage, is_given, shortuuid, time_ms

__all__ = ["EventEmitter", "MovingAverage", "aio", "http_context", "hw", "is_given", "shortuuid", "time_ms"]

_MODULES = frozenset({"aio", "http_context", "hw"})
_HOMES = {
    "EventEmitter": "events",
    "MovingAverage": "misc",
    "is_given": "misc",
    "shortuuid": "misc",
    "time_ms": "misc",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if (home := _HOMES.get(name)) is not None:
        return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
