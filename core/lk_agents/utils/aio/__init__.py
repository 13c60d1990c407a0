"""Helpers for asyncio."""

from __future__ import annotations

from lk_agents.utils.aio import debug
from lk_agents.utils.aio.tasks import TaskSet, cancel_and_wait, gracefully_cancel

__all__ = ["TaskSet", "cancel_and_wait", "debug", "gracefully_cancel"]
