"""The kit for testing agents and plugins: virtual time, leak checks, scripted vendors, a fake room, a real server.

pytest finds the fixtures where lk-agents is installed: ``lk_clock``, ``lk_no_leaks``, ``lk_server``, ``lk_worker``
and ``lk_job``. Asynchronous tests and fixtures are run by ``pytest-asyncio`` (1.5 or newer, loops of function scope).
Scripted vendors are in :mod:`lk_agents.testing.vendor`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents.testing.clock import VirtualClock, VirtualLoop, VirtualTimeError
    from lk_agents.testing.leaks import LeakError, no_leaks
    from lk_agents.testing.session_io import MemorySessionIO

__all__ = ["LeakError", "MemorySessionIO", "VirtualClock", "VirtualLoop", "VirtualTimeError", "no_leaks"]

_NAMES = {
    "clock": ("VirtualClock", "VirtualLoop", "VirtualTimeError"),
    "leaks": ("LeakError", "no_leaks"),
    "session_io": ("MemorySessionIO",),
}


def __getattr__(name: str) -> Any:
    from lk_agents.foundation.lazy import load_name

    return load_name(__name__, name, _NAMES)


def __dir__() -> list[str]:
    return sorted(__all__)
