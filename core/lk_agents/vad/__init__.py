"""Voice activity detection: who tells when somebody begins and ends to speak, and what they tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents.metrics.records import VADMetrics
    from lk_agents.vad.detector import VAD, VADStream
    from lk_agents.vad.events import VADCapabilities, VADEvent, VADEventType
    from lk_agents.vad.lookup import create

__all__ = [
    "VAD",
    "VADCapabilities",
    "VADEvent",
    "VADEventType",
    "VADMetrics",
    "VADStream",
    "create",
]

_NAMES = {
    "lookup": ("create",),
    "detector": ("VAD", "VADStream"),
    "events": ("VADCapabilities", "VADEvent", "VADEventType"),
}


def __getattr__(name: str) -> Any:
    if name == "VADMetrics":
        from lk_agents.metrics.records import VADMetrics

        return VADMetrics
    from lk_agents.foundation.lazy import load_name

    return load_name(__name__, name, _NAMES)


def __dir__() -> list[str]:
    return sorted(__all__)
