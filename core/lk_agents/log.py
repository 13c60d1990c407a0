"""The framework's logger, for plugins and programs that log under it."""

from lk_agents.foundation.log import DEV_LEVEL, logger

__all__ = ["DEV_LEVEL", "logger"]
