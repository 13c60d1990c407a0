"""The kit for testing agents and plugins: virtual time, leak checks, scripted vendors, a fake room, a real server.

pytest finds the fixtures where lk-agents is installed: ``lk_clock`` (virtual time), ``lk_no_leaks``, ``lk_session``
(whole calls), ``lk_room`` (a fake room), ``lk_job``, ``lk_server`` (a real server), ``lk_worker``. Asynchronous tests
and fixtures are run by ``pytest-asyncio`` (1.5 or newer, loops of function scope). Scripted vendors are in
:mod:`lk_agents.testing.vendor`, scripted providers in :mod:`lk_agents.testing.providers`, what every provider must pass
in :mod:`lk_agents.testing.conformance`.
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
