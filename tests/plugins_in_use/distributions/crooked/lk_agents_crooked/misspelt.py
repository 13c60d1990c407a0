"""One hook is not spelt as it should be."""

from __future__ import annotations

from typing import Any

from lk_agents import hookimpl


@hookimpl
def lk_agents_prewam(proc: Any) -> None:
    """Never called."""
