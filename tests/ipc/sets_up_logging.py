"""Stands for a user's file that sets up logging at its top level: done where it is unpickled."""

from __future__ import annotations

import logging
import sys
from typing import Any


class SetsUpLogging:
    def __reduce__(self) -> tuple[Any, ...]:
        return set_up, ()


def set_up() -> str:
    handler = logging.StreamHandler(sys.stderr)
    logging.getLogger().handlers[:] = [handler]
    user = logging.getLogger("tests.ipc.user")
    user.handlers[:] = [handler]
    user.propagate = False
    return "set up"
