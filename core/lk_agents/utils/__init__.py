"""Public helpers by subject; each is loaded when it is first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents.utils import aio, audio, codecs, http_context, hw, images
    from lk_agents.utils.audio import AudioBuffer, combine_frames, merge_frames
    from lk_agents.utils.changes import _compute_changes
    from lk_agents.utils.connection_pool import ConnectionPool
    from lk_agents.utils.events import EventEmitter
    from lk_agents.utils.filters import ExpFilter
    from lk_agents.utils.log import log_exceptions
    from lk_agents.utils.misc import MovingAverage, is_given, shortuuid, time_ms

__all__ = [
    "AudioBuffer",
    "ConnectionPool",
    "EventEmitter",
    "ExpFilter",
    "MovingAverage",
    "_compute_changes",
    "aio",
    "audio",
    "codecs",
    "combine_frames",
    "http_context",
    "hw",
    "images",
    "is_given",
    "log_exceptions",
    "merge_frames",
    "shortuuid",
    "time_ms",
]

_NAMES = {
    "audio": ("AudioBuffer", "combine_frames", "merge_frames"),
    "changes": ("_compute_changes",),
    "connection_pool": ("ConnectionPool",),
    "events": ("EventEmitter",),
    "filters": ("ExpFilter",),
    "log": ("log_exceptions",),
    "misc": ("MovingAverage", "is_given", "shortuuid", "time_ms"),
}


def __getattr__(name: str) -> Any:
    from lk_agents.foundation.lazy import load_name

    return load_name(__name__, name, _NAMES, submodules=("aio", "audio", "codecs", "http_context", "hw", "images"))


def __dir__() -> list[str]:
    return sorted(__all__)
