"""The one place that reads the environment, and that writes it in job processes. The worker never writes its own.

=============================  ============================================================================
``LIVEKIT_URL``                server to register with
``LIVEKIT_API_KEY``            key of that server
``LIVEKIT_API_SECRET``         its secret; never printed
``LK_AGENTS_PLUGINS``          allow list: only these plugins are loaded (comma-separated names)
``LK_AGENTS_DISABLED_PLUGINS`` deny list (comma-separated names)
``LK_AGENTS_TRACE_HOOKS``      ``1`` logs every hook call with its arguments and results
``LK_AGENTS_CACHE``            where plugins keep downloaded files
``TOKIO_WORKER_THREADS``       threads of the media SDK's runtime in a job process; 2 unless it is set
``MALLOC_ARENA_MAX``           heaps of the C library in a job process; 2 unless it is set
``NO_COLOR``                   any value: no colours on a terminal
=============================  ============================================================================
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

__all__ = ["Settings", "child_environment", "leave_credentials_behind", "missing_variables"]


_PROXIES = frozenset({"http_proxy", "https_proxy", "ws_proxy", "wss_proxy"})


def _names(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",") if part.strip())


def _flag(text: str) -> bool:
    return text.strip().lower() in {"1", "true", "yes", "on"}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the environment says, read once; see the module's table.

    :param proxies: the variables that name proxies, which the HTTP library reads by itself: name and value.
    """

    url: str = ""
    api_key: str = ""
    api_secret: str = field(default="", repr=False)
    plugins: frozenset[str] | None = None
    disabled_plugins: frozenset[str] = frozenset()
    trace_hooks: bool = False
    cache_folder: str = ""
    no_color: bool = False
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)  # there may be a password in it

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from ``environ``, by default the process's own environment."""
        env = os.environ if environ is None else environ
        return cls(
            url=env.get("LIVEKIT_URL", ""),
            api_key=env.get("LIVEKIT_API_KEY", ""),
            api_secret=env.get("LIVEKIT_API_SECRET", ""),
            plugins=_names(env["LK_AGENTS_PLUGINS"]) if "LK_AGENTS_PLUGINS" in env else None,
            disabled_plugins=_names(env.get("LK_AGENTS_DISABLED_PLUGINS", "")),
            trace_hooks=_flag(env.get("LK_AGENTS_TRACE_HOOKS", "")),
            cache_folder=env.get("LK_AGENTS_CACHE", ""),
            no_color="NO_COLOR" in env,
            proxies={name: value for name, value in env.items() if name.lower() in _PROXIES and value},
        )


def missing_variables(names: Iterable[str], environ: Mapping[str, str] | None = None) -> list[str]:
    """Return those of ``names`` that the environment lacks or has empty; the values are not handed out."""
    env = os.environ if environ is None else environ
    return [name for name in names if not env.get(name)]


_CREDENTIALS = ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")


def child_environment(*, with_credentials: bool = True) -> dict[str, str]:
    """Return the environment for a process that is executed by the worker.

    OpenBLAS is kept from starting threads there, which a fork would lose, unless the user set a number.

    :param with_credentials: False leaves the server's key and secret out.
    """
    environment = {"OPENBLAS_NUM_THREADS": "1", **os.environ}
    if not with_credentials:
        for name in _CREDENTIALS:
            environment.pop(name, None)
    return environment


_RUNTIME_THREADS = "TOKIO_WORKER_THREADS"
_RUNTIME_THREADS_OF_A_JOB = 2


def limit_runtime_threads() -> None:
    """Let the media SDK have two threads of its runtime in this process, a job's, unless the user set a number.

    It would have one per core: on a machine with 64 of them 62 threads and 2.4 MB of each job for nothing.
    """
    if not os.environ.get(_RUNTIME_THREADS):
        os.environ[_RUNTIME_THREADS] = str(min(_RUNTIME_THREADS_OF_A_JOB, os.cpu_count() or 1))


def leave_credentials_behind() -> None:
    """Remove the server's key and secret from the environment of this process, a job's, at its start.

    They are overwritten where the system put them too, so that no dump of this process shows them.
    """
    for name in _CREDENTIALS:
        if name in os.environ:
            _overwrite(name)
            del os.environ[name]


def _overwrite(name: str) -> None:
    if sys.platform.startswith("win"):  # the system's copy is out of reach there
        return
    import ctypes

    library = ctypes.CDLL(None)
    library.getenv.restype = ctypes.c_void_p
    if (place := library.getenv(name.encode())) is not None:
        ctypes.memset(place, 0, len(ctypes.string_at(place)))
