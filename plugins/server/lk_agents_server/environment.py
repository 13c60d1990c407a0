"""The one place of this package that reads the environment.

====================  ==================================================================================
``LK_SERVER_BINARY``  the livekit-server to run, instead of the one in the wheel or the one on ``PATH``
====================  ==================================================================================
"""

from __future__ import annotations

import os
from collections.abc import Mapping

__all__ = ["child_environment", "given_binary", "search_path"]

BINARY_VARIABLE = "LK_SERVER_BINARY"

# livekit-server takes every setting from a variable too (LIVEKIT_*, NODE_IP, UDP_PORT, REDIS_*), and those beat its
# config: so it gets what a program needs to run, and nothing else. Credentials of other services stay out with it.
_PASSED_ON = frozenset(
    {
        "GOGC",
        "GOMAXPROCS",
        "GOMEMLIMIT",
        "GOTRACEBACK",
        "HOME",
        "LANG",
        "LC_ALL",
        "PATH",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "SYSTEMDRIVE",
        "SYSTEMROOT",
        "TEMP",
        "TMP",
        "TMPDIR",
        "TZ",
    }
)


def given_binary(environ: Mapping[str, str] | None = None) -> str:
    """Return what ``LK_SERVER_BINARY`` says, empty if it says nothing."""
    return (os.environ if environ is None else environ).get(BINARY_VARIABLE, "")


def search_path(environ: Mapping[str, str] | None = None) -> str:
    """Return the folders in which commands are looked up, as ``PATH`` writes them."""
    return (os.environ if environ is None else environ).get("PATH", os.defpath)


def child_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment that the server gets: only what any program needs."""
    env = os.environ if environ is None else environ
    return {name: value for name, value in env.items() if name.upper() in _PASSED_ON}
