"""The fixtures of ``tests.e2e.fixtures``, for the tests of this folder."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parent.parent.parent)
if ROOT not in sys.path:  # agents are found by name in processes of their own, callers are modules too
    sys.path.append(ROOT)

from tests.e2e.fixtures import (  # noqa: E402
    TELLS_OF_JOBS,
    callers,
    journal,
    lk_server,
    load_plugins,
    office,
    resource_tracker,
    server,
    server_log,
    stage,
)

__all__ = [
    "TELLS_OF_JOBS",
    "callers",
    "journal",
    "lk_server",
    "load_plugins",
    "office",
    "resource_tracker",
    "server",
    "server_log",
    "stage",
]
