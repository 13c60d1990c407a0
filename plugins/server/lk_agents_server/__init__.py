"""A real LiveKit server as a child of your process, for development and tests.

The names are loaded when they are first used: importing this package, as its entry point does in every process, costs
nothing, and loads no module beside itself, by which the framework would take the plugin to be in use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents_server.binary import find_binary
    from lk_agents_server.config import ServerOptions
    from lk_agents_server.errors import BinaryNotFoundError, ServerError, ServerStartError
    from lk_agents_server.server import LiveKitServer

__version__ = "0.1.0"

__all__ = [
    "BinaryNotFoundError",
    "LiveKitServer",
    "ServerError",
    "ServerOptions",
    "ServerStartError",
    "__version__",
    "find_binary",
]

_HOME = {
    "BinaryNotFoundError": "errors",
    "LiveKitServer": "server",
    "ServerError": "errors",
    "ServerOptions": "config",
    "ServerStartError": "errors",
    "find_binary": "binary",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
