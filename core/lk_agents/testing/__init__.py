"""The kit for testing agents and plugins: virtual time, a fake room, a real server.

pytest finds the fixtures where lk-agents is installed: ``lk_clock``, ``lk_server``, ``lk_worker`` and ``lk_job``.
Asynchronous tests and fixtures are run by ``pytest-asyncio`` (1.5 or newer, loops of function scope).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents.testing.clock import VirtualClock, VirtualLoop, VirtualTimeError

__all__ = ["VirtualClock", "VirtualLoop", "VirtualTimeError"]


def __getattr__(name: str) -> Any:
    from lk_agents.foundation.lazy import load_name

    return load_name(__name__, name, {"clock": __all__})


def __dir__() -> list[str]:
    return sorted(__all__)
