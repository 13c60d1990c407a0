"""Speech recognition by Parrot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents_parrot.stt import STT

__version__ = "1.0.0"

__all__ = ["STT", "__version__"]


def __getattr__(name: str) -> Any:
    if name != "STT":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lk_agents_parrot.stt import STT

    return STT
