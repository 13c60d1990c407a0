"""Who counts what is measured; apart from :mod:`lk_agents.metrics.publish`, so that it costs nothing to say it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lk_agents.metrics.records import AgentMetrics

__all__ = ["counted_by", "current_counter"]

_counter: ContextVar[Callable[[AgentMetrics], None] | None] = ContextVar("lk_agents_metrics_counter", default=None)


@contextmanager
def counted_by(counter: Callable[[AgentMetrics], None]) -> Iterator[None]:
    """Have ``counter`` told of each record that is published in this context and by the tasks that it starts.

    :param counter: must return at once.
    """
    token = _counter.set(counter)
    try:
        yield
    finally:
        _counter.reset(token)


def current_counter() -> Callable[[AgentMetrics], None] | None:
    """Return who counts in this context; None if nobody does."""
    return _counter.get()
