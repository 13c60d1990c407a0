"""The one way by which a measurement gets out: to the engine's listeners, to whoever counts, then to the plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lk_agents.foundation.log import logger
from lk_agents.hooks.current import known_registry
from lk_agents.metrics.counting import current_counter
from lk_agents.metrics.hedged import has_lost
from lk_agents.metrics.records import LLMMetrics, STTMetrics, TTSMetrics
from lk_agents.metrics.spans import trace_request

if TYPE_CHECKING:
    from lk_agents.metrics.records import AgentMetrics
    from lk_agents.utils.events import EventEmitter

__all__ = ["count", "publish"]


def publish(engine: EventEmitter[Any], record: AgentMetrics) -> None:
    """Emit ``metrics_collected`` on ``engine``, then call the hook ``lk_agents_metrics`` of the plugins in use.

    Call it where something is measured, and once: whoever hands a record of another engine on only emits it, or
    plugins and counters would count it twice. Returns at once and raises nothing: a failing listener or plugin is
    logged. Where no registry of plugins has been set, plugins are not looked for.
    """
    if has_lost() and isinstance(record, LLMMetrics | TTSMetrics | STTMetrics):
        record.hedged = True
    try:
        engine.emit("metrics_collected", record)
    except Exception:  # noqa: BLE001  a listener with wrong parameters must not end the stream that is measured
        logger.exception("a callback of metrics_collected failed", extra={"engine": type(engine).__name__})
    count(record)
    if (registry := known_registry()) is not None:
        from lk_agents.hooks.invoke import tell

        tell(registry, "lk_agents_metrics", record=record)


def count(record: AgentMetrics) -> None:
    """Count a record and make its span, and tell nobody of it: what failed where older programs expect no record.

    Raises nothing.
    """
    try:
        if (counter := current_counter()) is not None:
            counter(record)
        trace_request(record)
    except Exception:  # noqa: BLE001  a record of a plugin's own may have anything in its fields
        logger.exception("a measurement could not be counted", extra={"record": type(record).__name__})
