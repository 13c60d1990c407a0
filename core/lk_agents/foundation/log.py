"""The framework's logger. Messages are constant; what varies goes into ``extra``."""

from __future__ import annotations

import logging
from typing import Final

__all__ = ["DEV_LEVEL", "logger"]

DEV_LEVEL: Final = 23
"""Between INFO and WARNING: what a developer at a terminal wants to see (level name ``DEV``)."""

logging.addLevelName(DEV_LEVEL, "DEV")

logger = logging.getLogger("lk_agents")
