"""The real server of the end-to-end tests, and workers as an operator starts them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = str(Path(__file__).resolve().parent.parent.parent)
if ROOT not in sys.path:  # agents are found by name in processes of their own
    sys.path.append(ROOT)

from tests.e2e.fixtures import journal, lk_server, load_plugins, office, server, server_log, stage  # noqa: E402
from tests.e2e.stage import Stage  # noqa: E402
from tests.faults.bench import FaultBench  # noqa: E402

__all__ = ["journal", "lk_server", "load_plugins", "office", "server", "server_log", "stage"]


@pytest.fixture
def bench(stage: Stage, tmp_path: Path) -> FaultBench:
    """Workers on the session's server."""
    return FaultBench(stage, tmp_path)
