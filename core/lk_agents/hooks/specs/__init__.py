"""Every hook, described: one module per part of the framework that calls them.

A description says when the hook is called, in which process, with what, what may be returned, what happens to an
error, and since which version. ``lk_agents.hooks.registry`` loads all modules of :data:`SPEC_MODULES`.
"""

from __future__ import annotations

from typing import Final

__all__ = ["SPEC_MODULES"]

SPEC_MODULES: Final = ("plugin", "request", "load", "process", "worker", "job", "session", "providers", "cli")
"""The modules of this package, in the order in which the documentation lists them."""
