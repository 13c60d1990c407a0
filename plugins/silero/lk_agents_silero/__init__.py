"""Voice activity detection with Silero VAD, the model included.

The names are loaded when they are first used: importing this package, as its entry point does in every process, costs
nothing, and loads no module beside itself, by which the framework would take the plugin to be in use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents_silero.options import VADOptions
    from lk_agents_silero.vad import VAD, VADStream

__version__ = "0.1.0"

__all__ = ["VAD", "VADOptions", "VADStream", "__version__"]

_HOME = {"VAD": "vad", "VADOptions": "options", "VADStream": "vad"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
